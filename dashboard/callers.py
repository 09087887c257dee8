"""Who sends a request to the API: a program with a token, or who has logged in. Imports tornado's requests and the login."""

from collections.abc import Sequence
from urllib.parse import urlsplit

from tornado.httputil import HTTPServerRequest

from core.store.tokens import Tokens
from dashboard.login import Login

BEARER = "Bearer "


class Callers:
    """Tells callers apart."""

    def __init__(self, tokens: Tokens, login: Login | None, unnamed: str, origins: Sequence[str] = ()) -> None:
        """Set the tokens, the login if any, the name of who needs none, and where browsers open the page, as host:port."""
        self._tokens, self._login, self._unnamed = tokens, login, unnamed
        self._origins = {origin.lower() for origin in origins}

    @staticmethod
    def shows_token(request: HTTPServerRequest) -> bool:
        """Tell whether a request brings a token, right or wrong: no other site's page can make a browser do so."""
        return "Authorization" in request.headers

    def name_of(self, request: HTTPServerRequest) -> str | None:
        """Return who sends a request; None for a stranger, also one with a wrong token where no login is needed."""
        if self.shows_token(request):
            given = request.headers["Authorization"]
            return self._tokens.name_of(given.removeprefix(BEARER).strip()) if given.startswith(BEARER) else None
        return self._unnamed if self._login is None else self._login.user(request.cookies)

    def is_foreign(self, request: HTTPServerRequest) -> bool:
        """Tell whether a browser sends a request for another site's page. A proxy may have changed the host."""
        origin = request.headers.get("Origin")
        return origin is not None and urlsplit(origin).netloc.lower() not in {request.host.lower(), *self._origins}
