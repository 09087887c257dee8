"""The wall in front of every route: only routes named here exist, and they need the login.

It stands before the routes of Panel, Bokeh and ours in tornado's own routing, so a route that a new version of theirs brings
stays closed until somebody opens it here.
"""

import json
import re
import secrets
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from bokeh.protocol.exceptions import ProtocolError
from bokeh.server.tornado import BokehTornado
from bokeh.util.token import check_token_signature, get_session_id
from tornado.httputil import HTTPHeaders, HTTPServerRequest
from tornado.routing import Matcher, Rule
from tornado.web import OutputTransform, RequestHandler, stream_request_body

from dashboard.api import API, POSTED, READ_ON
from dashboard.callers import Callers
from dashboard.login import Login, LoginHandler, LoginProvider, LogoutHandler
from dashboard.routes import Route

LIVENESS, LOGIN, LOGOUT, PAGE, SOCKET = "/liveness", "/login", "/logout", "/", "/ws"
OPEN = {LIVENESS, LOGIN}  # without a login
# What the page needs of Bokeh and Panel: scripts, styles and fonts. `/metadata`, `/autoload.js` (our page in other sites) and
# `/components/MODULE/…` (which imports what a visitor names) are left out on purpose.
THEIRS = (PAGE, SOCKET, "/favicon.ico", r"/static/(?:js|css|lib|extensions)/.+")
HEADERS = {
    "X-Frame-Options": "SAMEORIGIN",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # Panel makes scripts out of text, so inline ones may run; nothing comes from another site, and none may frame the page.
    "Content-Security-Policy": "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; "
    "connect-src 'self' ws: wss: data: blob:; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'self'",
}
TOKEN_SECONDS = 7 * 86_400  # a page of last week still joins its session, if the server still has that
LARGEST_BODY = 65_536  # bytes; forms are small, everything large comes through the websocket
LOOPBACK = {"localhost", "127.0.0.1", "::1"}


@dataclass(frozen=True)
class Refused:
    """Why a request is refused."""

    status: int
    words: str
    location: str = ""


class Wall(Matcher):
    """Matches every request to refuse; the others continue to their routes."""

    def __init__(
        self, application: BokehTornado, *, login: Login | None, callers: Callers, ours: list[str], hosts: set[str]
    ) -> None:
        """Set the application, its login if any, who may use the API, the patterns of our routes and the host names."""
        self._application, self._login, self._callers, self._hosts = application, login, callers, hosts | LOOPBACK
        self._named = re.compile("|".join(f"(?:{pattern})" for pattern in [*THEIRS, *ours]))

    def match(self, request: HTTPServerRequest) -> dict[str, Any] | None:
        """Return the arguments of the refusal, or None to let the request pass."""
        refused = self._refusal(request)
        return None if refused is None else {"target_kwargs": {"refused": refused}}

    def _refusal(self, request: HTTPServerRequest) -> Refused | None:
        path = request.path
        if not self._named.fullmatch(path):
            return Refused(404, "There is no such page.")
        if path.startswith(API):
            return self._refusal_of_api(request)
        if request.method not in (("GET", "HEAD", "POST") if path == LOGIN else ("GET", "HEAD")):
            return Refused(405, "This page can only be read.")
        if path == LIVENESS:
            return None
        if (refused := self._from_elsewhere(request)) is not None:
            return refused
        if self._login is not None and path not in OPEN and self._login.user(request.cookies) is None:
            if path not in (PAGE, LOGOUT):
                return Refused(401, "Log in first.")
            back = f"?next={quote(f'/?{request.query}', safe='')}" if request.query else ""
            return Refused(302, "Log in first.", f"./login{back}")
        if "Bokeh-Session-Id" in request.headers or {"bokeh-session-id", "bokeh-token"} & set(request.arguments):
            return Refused(403, "Visitors cannot choose a session; open the page without that argument.")
        if path == SOCKET and not self._may_join(request):
            return Refused(403, "This session has ended; reload the page.")
        return None

    def _refusal_of_api(self, request: HTTPServerRequest) -> Refused | None:
        posts = POSTED.fullmatch(request.path) is not None
        if request.method not in (("POST",) if posts else ("GET", "HEAD")):
            return Refused(405, "This is only posted to." if posts else "This can only be read.")
        if not self._callers.shows_token(request):
            if (refused := self._from_elsewhere(request)) is not None:
                return refused
            if self._callers.is_foreign(request):
                return Refused(403, "Other sites may not use this server; send a token.")
        if self._callers.name_of(request) is None:
            return Refused(
                401, "A token is needed ('lassoscope token add NAME' makes one; send it as Authorization: Bearer TOKEN)."
            )
        return None

    def _from_elsewhere(self, request: HTTPServerRequest) -> Refused | None:
        """Refuse requests that another site's page sends without its visitor knowing."""
        if self._login is None and request.host_name.strip("[]").lower() not in self._hosts:
            # A site can give its own name this machine's address; with a login the cookie is missing then.
            return Refused(403, "This server does not accept that host name; set LASSOSCOPE_ORIGINS to the host:port you open.")
        navigates = request.method == "GET" and request.headers.get("Sec-Fetch-Dest", "document") == "document"
        if request.headers.get("Sec-Fetch-Site") == "cross-site" and not navigates and request.path != SOCKET:
            return Refused(403, "Other sites may only link to this page.")  # Bokeh checks a socket's origin
        return None

    def _may_join(self, request: HTTPServerRequest) -> bool:
        """Tell whether a websocket asks for a session that this server created for the same user and still has."""
        token = request.headers.get("Sec-WebSocket-Protocol", "").partition(",")[2].strip()
        try:
            if not check_token_signature(token, secret_key=self._application.secret_key, signed=True):
                return False
            session = self._application.get_session(PAGE, get_session_id(token))
        except (ProtocolError, ValueError, KeyError, TypeError, AttributeError, AssertionError):
            return False  # not a token, or one of an earlier server
        if self._login is None:
            return True
        context = session.document.session_context
        return context is not None and self._login.owner(context.request.cookies) == self._login.user(request.cookies)


@stream_request_body
class RefusedHandler(RequestHandler):
    """Answers with a status and a sentence, whatever the method and the body, which is dropped as it comes."""

    def initialize(self, refused: Refused) -> None:
        """Set the reason."""
        self.refused = refused

    def prepare(self) -> None:
        """Send the answer; a program that sends a large body reads it only once it has sent all, within reason."""
        connection: Any = self.request.connection
        is_api = self.request.path.startswith(API)
        connection.set_max_body_size(READ_ON if is_api else LARGEST_BODY)
        headers = self.request.headers
        if not is_api and (headers.get("Content-Length", "0") != "0" or "Transfer-Encoding" in headers):
            self.set_header("Connection", "close")  # as tornado does where a body was not read to its end
            self._send()

    def _send(self) -> None:
        is_json = self.request.path.startswith(API)
        self.set_header("Content-Type", f"{'application/json' if is_json else 'text/plain'}; charset=utf-8")
        self.set_header("Cache-Control", "no-store")
        if self.refused.location:
            self.redirect(self.refused.location)
            return
        self.set_status(self.refused.status)
        self.finish((json.dumps({"error": self.refused.words}) if is_json else self.refused.words) + "\n")

    get = head = post = put = delete = patch = options = _send  # once the body has come

    def data_received(self, chunk: bytes) -> None:
        """Drop a piece of the body."""


class LivenessHandler(RequestHandler):
    """Says that the server is alive, and does nothing else."""

    def get(self) -> None:
        """Answer every request with the same few bytes."""
        self.set_header("Cache-Control", "no-store")
        self.finish({"alive": True})

    head = get


class SafeHeaders(OutputTransform):
    """Adds the headers that keep other sites out to every answer."""

    def __init__(self, request: HTTPServerRequest) -> None:
        pass

    def transform_first_chunk(
        self, status_code: int, headers: HTTPHeaders, chunk: bytes, finishing: bool
    ) -> tuple[int, HTTPHeaders, bytes]:
        """Add the headers."""
        for name, value in HEADERS.items():
            headers[name] = value
        headers.pop("Server", None)
        return status_code, headers, chunk


def doors(login: Login | None) -> list[Route]:
    """Return the routes of liveness and, if there is one, of the login."""
    ways: list[Route] = (
        [] if login is None else [(LOGIN, LoginHandler, {"login": login}), (LOGOUT, LogoutHandler, {"login": login})]
    )
    return [(LIVENESS, LivenessHandler, {}), *ways]


def server_options(login: Login | None) -> dict[str, Any]:
    """Return the options of Panel's server that the wall needs."""
    options: dict[str, Any] = {
        "sign_sessions": True,  # with a key of this process, so that sessions cannot be forged or taken from an earlier server
        "secret_key": secrets.token_bytes(32),
        "session_token_expiration": TOKEN_SECONDS,
        "exclude_cookies": ["is_guest"],  # Panel treats a visitor who sends it as "guest", logged in or not
        "http_server_kwargs": {"max_body_size": LARGEST_BODY, "body_timeout": 30.0, "idle_connection_timeout": 120.0},
    }
    if login is not None:
        options |= {"auth_provider": LoginProvider(login), "cookie_secret": login.secret}
    return options


def raise_wall(application: BokehTornado, *, login: Login | None, callers: Callers, ours: list[str], hosts: set[str]) -> None:
    """Put the wall before all routes of `application`; call it before the first request."""
    wall = Wall(application, login=login, callers=callers, ours=ours, hosts=hosts)
    application.add_handlers(".*", [Rule(wall, RefusedHandler)])
    application.add_transform(SafeHeaders)
