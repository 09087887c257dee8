import re
import tomllib
from pathlib import Path

import pytest

from tools.uv import settings

ROOT = Path(__file__).resolve().parents[1]

PIP = r"""
:env:.disable-pip-version-check='1'
:env:.find-links='/wheels'
global.cert='/etc/certificates.crt'
global.extra-index-url='file:///one/simple\nfile:///two/simple'
global.find-links='/older'
"""


def test_uv_gets_the_settings_of_pip():
    assert settings(PIP, {}) == {
        "UV_FIND_LINKS": "/wheels",
        "SSL_CERT_FILE": "/etc/certificates.crt",
        "UV_INDEX": "file:///one/simple file:///two/simple",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
    }


def test_settings_of_uv_win():
    assert "UV_FIND_LINKS" not in settings(PIP, {"UV_FIND_LINKS": "/mine"})


def test_without_settings_of_pip_uv_keeps_its_own():
    assert settings("", {}) == {}


def test_the_lock_names_no_host_and_hashes_every_package():
    lock = (ROOT / "requirements.lock").read_text()
    assert "://" not in lock
    entries = re.split(r"\n(?=\S)", lock.strip())
    assert [entry for entry in entries if not re.match(r"[\w.-]+==\S+ (; .+ )?\\\n +--hash=sha256:", entry)] == []


def test_the_lock_has_every_package_that_is_asked_for():
    locked = {
        name.lower().replace("_", "-") for name in re.findall(r"^([\w.-]+)==", (ROOT / "requirements.lock").read_text(), re.M)
    }
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = [*project["dependencies"], *(package for extra in project["optional-dependencies"].values() for package in extra)]
    names = {re.match(r"[\w.-]+", package)[0].lower().replace("_", "-") for package in asked}
    assert names - locked == {"lassoscope"}, "run 'make lock'"


@pytest.mark.parametrize("page", ["README.md", "benchmarks/README.md", "CONTRIBUTING.md", "ARCHITECTURE.md"])
def test_links_of_the_files_outside_the_site_lead_somewhere(page):
    links = re.findall(r"\]\(([^)#:]+)", (ROOT / page).read_text())
    assert [link for link in links if not (ROOT / page).parent.joinpath(link).exists()] == []
