"""What happens before the server's libraries are loaded: the command, and the port."""

import http.client
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from core.errors import InputError
from dashboard.starting import Starting

ROOT = Path(__file__).resolve().parents[2]
SLOW = {"torch", "scipy", "sklearn", "umap", "numba", "pandas", "panel", "bokeh", "holoviews", "tornado"}


def test_the_command_line_begins_without_the_libraries_that_take_seconds():
    code = "import sys, dashboard.cli; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "dashboard.cli.prepare" in loaded
    assert not SLOW & loaded


def asked(port, method, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    connection.request(method, path)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, answer.headers, body


@pytest.mark.parametrize("path", ["/", "/liveness", "/?page=history", "/image/blurred/1", "/../../etc/passwd"])
def test_until_the_server_can_answer_every_address_says_that_it_is_starting(path):
    with Starting("127.0.0.1", 0) as starting:
        status, headers, body = asked(starting.port, "GET", path)
        assert (status, headers["Cache-Control"]) == (503, "no-store")
        assert b"Lassoscope is starting" in body
        assert asked(starting.port, "HEAD", path)[::2] == (503, b"")


def test_the_port_is_free_as_soon_as_it_is_closed_though_a_visitor_says_nothing():
    with Starting("localhost", 0) as starting, socket.create_connection(("localhost", starting.port)):
        with pytest.raises(InputError, match="Address already in use"):
            Starting("localhost", starting.port)
        starting.close()
        with Starting("localhost", starting.port) as again:
            assert asked(again.port, "GET", "/")[0] == 503
