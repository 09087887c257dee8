"""Settings come from the environment, options win, and the README's table is complete."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from core.errors import InputError
from dashboard.settings import Settings

ROOT = Path(__file__).resolve().parents[2]


def test_options_win_over_the_environment():
    found = Settings.from_environment({"PORT": "99", "LASSOSCOPE_ADDRESS": "0.0.0.0"}, port=7, address=None)
    assert found.port == 7
    assert found.address == "0.0.0.0"


def test_a_port_that_is_no_number_is_said():
    with pytest.raises(InputError, match="PORT is 'abc'"):
        Settings.from_environment({"PORT": "abc"})


def test_origins_default_to_this_machine():
    assert Settings.from_environment({"PORT": "80"}).allowed_origins() == ["localhost:80", "127.0.0.1:80"]
    named = Settings.from_environment({"LASSOSCOPE_ORIGINS": "a.example, b.example:81"})
    assert named.allowed_origins() == ["a.example", "b.example:81"]


def test_host_names_are_those_of_the_origins_and_the_address():
    named = Settings(origins="Label.example, b.example:81, [fd00::1]:82", address="10.0.0.7").host_names()
    assert named == {"label.example", "b.example", "fd00::1", "10.0.0.7"}


def test_every_setting_is_in_the_readme():
    readme = (ROOT / "README.md").read_text()
    assert {f.metadata["env"] for f in fields(Settings)} <= set(re.findall(r"`(\w+)`", readme))
