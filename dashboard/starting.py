"""The port from the command on: until the server can answer, a page says that it is starting. Standard library and core.errors.

Importing the server's libraries takes seconds, and opening a large workspace some more. Whoever opens the page meanwhile would
see the browser's error; and a port that cannot be used is said before anything else is done.
"""

import errno
import os
import socket
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType

from core.errors import InputError

PORT_TROUBLES = {
    errno.EADDRINUSE: "; stop the program that uses it, or choose another with --port (0 takes a free one)",
    errno.EACCES: "; choose one from 1024 on with --port",
}
PAGE = Path(__file__).parent / "templates" / "starting.html"


class Starting:
    """Listens until it is closed, and answers every request with 503 and a page that asks again; it knows no workspace."""

    def __init__(self, address: str, port: int) -> None:
        """Begin to listen; port 0 takes a free one.

        Raises:
            InputError: if another program has the port, this user may not have it, or the machine has no such address.
        """
        self._server = _Server(_usable(address, port))
        self.port = int(self._server.server_address[1])
        threading.Thread(target=self._server.serve_forever, args=(0.05,), name="starting", daemon=True).start()
        self._is_open = True

    def __enter__(self) -> "Starting":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Stop listening: the port is free for the server."""
        if self._is_open:
            self._is_open = False
            self._server.shutdown()
            self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False  # a visitor who sends nothing holds up no start

    def __init__(self, place: tuple[int, tuple[str, int]]) -> None:
        self.address_family = place[0]
        super().__init__(place[1], _Answer)

    def server_bind(self) -> None:
        """Bind, without the look-up of the machine's name that HTTPServer does here: it can take seconds."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: a visitor who goes away is no fault of the server."""


class _Answer(BaseHTTPRequestHandler):
    timeout = 5.0

    def do_GET(self) -> None:
        """Say that the server is starting."""
        page = PAGE.read_bytes()
        self.send_response_only(HTTPStatus.SERVICE_UNAVAILABLE)
        for name, value in {
            "Content-Type": "text/html; charset=utf-8",
            "Content-Length": str(len(page)),
            "Cache-Control": "no-store",
            "Retry-After": "1",
            "X-Frame-Options": "SAMEORIGIN",
            "X-Content-Type-Options": "nosniff",
        }.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(page)

    do_HEAD = do_POST = do_GET  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:
        """Log no visit, as the server itself."""


def _usable(address: str, port: int) -> tuple[int, tuple[str, int]]:
    """Try the port at every address of that name; return the family and place of the first."""
    try:
        found = socket.getaddrinfo(address or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, kind, protocol, _, place in found:
            with socket.socket(family, kind, protocol) as tried:
                if os.name == "posix":  # as the server does: a port that was closed a moment ago is free
                    tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    tried.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                tried.bind(place)
                tried.listen()
    except (OSError, UnicodeError) as error:
        said = PORT_TROUBLES.get(getattr(error, "errno", None) or 0, "; --address 127.0.0.1 means this machine only")
        what = getattr(error, "strerror", None) or "no such address"
        raise InputError(f"Port {port} at {address} cannot be used ({what}){said}.") from None
    return found[0][0], (str(found[0][4][0]), port)
