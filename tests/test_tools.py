from tools.uv import settings

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
