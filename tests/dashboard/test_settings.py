"""Settings come from the environment, options win, and their page is complete."""

import re
from pathlib import Path

import pytest

from core.errors import InputError
from dashboard.settings import Settings

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    for name in Settings.variables():
        monkeypatch.delenv(name, raising=False)
    return monkeypatch.setenv


def test_options_win_over_the_environment(environment):
    environment("PORT", "99")
    environment("LASSOSCOPE_ADDRESS", "0.0.0.0")
    environment("LASSOSCOPE_DEVICE", "")  # as good as not set
    found = Settings.from_environment(port=7, address=None)
    assert found.device == "auto"
    assert found.port == 7
    assert found.address == "0.0.0.0"


@pytest.mark.parametrize("text", ["abc", "-1", "65536", "8.5"])
def test_an_invalid_port_is_reported(environment, text):
    environment("PORT", text)
    with pytest.raises(InputError, match=f"PORT is '{text}'; it needs a whole number"):
        Settings.from_environment()


def test_origins_default_to_this_machine(environment):
    environment("PORT", "80")
    assert Settings.from_environment().allowed_origins() == ["localhost:80", "127.0.0.1:80"]
    environment("LASSOSCOPE_ORIGINS", "a.example, b.example:81")
    named = Settings.from_environment()
    assert named.allowed_origins() == ["a.example", "b.example:81"]


def test_host_names_are_those_of_the_origins_and_the_address():
    named = Settings(origins="Label.example, b.example:81, [fd00::1]:82", address="10.0.0.7").host_names()
    assert named == {"label.example", "b.example", "fd00::1", "10.0.0.7"}


def test_folders_on_the_server_are_open_to_the_one_person_on_this_machine_or_else_one_that_is_named(tmp_path):
    assert Settings().intake_root() == Path.home()
    for other in ({"address": "0.0.0.0"}, {"password": "long enough words"}, {"origins": "label.example"}):
        assert Settings(**other).intake_root() is None
        assert Settings(**other, intake=tmp_path).intake_root() == tmp_path


def test_every_setting_is_documented():
    page = (ROOT / "docs" / "reference" / "settings.md").read_text()
    assert Settings.variables() <= set(re.findall(r"`(\w+)`", page))


@pytest.mark.parametrize("url", ["console", "ftp://a.example/x", "https://", "http://a.example:99999/"])
def test_a_webhook_needs_a_url(environment, url):
    environment("LASSOSCOPE_WEBHOOK", url)
    environment("LASSOSCOPE_WEBHOOK_SECRET", "x" * 16)
    with pytest.raises(InputError, match=r"LASSOSCOPE_WEBHOOK is '.*'; it needs a URL such as https://"):
        Settings.from_environment()


def test_a_webhook_needs_a_secret(environment):
    environment("LASSOSCOPE_WEBHOOK", "https://console.example/decisions")
    with pytest.raises(InputError, match="LASSOSCOPE_WEBHOOK needs LASSOSCOPE_WEBHOOK_SECRET with at least 16 characters"):
        Settings.from_environment()
    environment("LASSOSCOPE_WEBHOOK_SECRET", "x" * 16)
    assert Settings.from_environment().webhook == "https://console.example/decisions"
