"""The login: one shared password, and a name that is saved with the labels its owner gives.

Imports tornado, bokeh and the theme.
The name is in a cookie signed with a key derived from this server's secret and the password, so names cannot be forged, and a
new password ends every login.
"""

import hashlib
import hmac
import html
import ipaddress
import secrets
import time
import unicodedata
from collections import OrderedDict
from collections.abc import Callable, Mapping
from http.cookies import Morsel
from typing import Any
from urllib.parse import urlsplit

from bokeh.server.auth_provider import AuthProvider
from tornado.httputil import HTTPServerRequest
from tornado.web import RequestHandler, create_signed_value, decode_signed_value

from dashboard.theme import css, tokens

LOGIN_DAYS = 1
USER_COOKIE = "user"  # Panel reads the analyst's name from it
KNOWN_COOKIE = "known"  # a browser that has logged in before, see `Tries`
KNOWN_DAYS = 30
THEME_COOKIE = "lassoscope-theme"  # "light" or "dark", written by `Memory`
LONGEST_NAME = 64
NAME_SIGNS = set(" .,-_+@'’()")

FREE_TRIES = 5  # wrong passwords in a row before a wait
LONGEST_WAIT = 900.0  # s
FORGET_AFTER = 3600.0  # s without a wrong password
MOST_REMEMBERED = 10_000  # places whose wrong passwords are counted
SHARED_TRIES = 60  # wrong passwords of all unknown browsers together at once, and then
SHARED_SECONDS = 5.0  # one in so many seconds

PAGE = """<!doctype html>
<html lang="en" data-theme="{theme}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Log in · Lassoscope</title>
<link rel="icon" href="data:,">
<style>{style}</style>
</head>
<body>
<form method="post" action="">
<h1>Lassoscope</h1>
<label for="username">Your name, as saved with your labels</label>
<input id="username" name="username" value="{name}" maxlength="{longest}" autocomplete="username" required {at_name}>
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required {at_password}>
{alert}
<button type="submit">Log in</button>
</form>
</body>
</html>
"""


class Tries:
    """Limits wrong passwords: says how long a place has to wait before the next try.

    A place is a network address, or a browser that has logged in before. Each has 5 wrong tries, then waits 1, 2, 4 … s up to
    15 minutes. Addresses can be many or forged, so those of unknown browsers also share one allowance, which refills by
    itself; browsers that are known do not draw on it, and so no stranger can lock the analysts out.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._wrong: OrderedDict[str, tuple[int, float]] = OrderedDict()  # place -> wrong tries, when the last one was
        self._shared, self._refilled = float(SHARED_TRIES), clock()

    def wait(self, place: str, *, known: bool) -> float:
        """Return the seconds until `place` may try again; 0 = now."""
        now = self._clock()
        n, last = self._wrong.get(place, (0, now))
        wait = 0.0
        if n >= FREE_TRIES and now - last < FORGET_AFTER:
            wait = last + min(2.0 ** min(n - FREE_TRIES, 30), LONGEST_WAIT) - now
        if not known and self._left(now) < 1:
            wait = max(wait, (1 - self._shared) * SHARED_SECONDS)
        return max(wait, 0.0)

    def wrong(self, place: str, *, known: bool) -> None:
        """Count a wrong password."""
        now = self._clock()
        n, last = self._wrong.pop(place, (0, now))
        self._wrong[place] = ((n if now - last < FORGET_AFTER else 0) + 1, now)
        if len(self._wrong) > MOST_REMEMBERED:
            self._wrong.popitem(last=False)
        if not known:
            self._shared = max(self._left(now) - 1, 0.0)

    def right(self, place: str) -> None:
        """Forget the wrong passwords of `place`."""
        self._wrong.pop(place, None)

    def _left(self, now: float) -> float:
        self._shared = min(self._shared + (now - self._refilled) / SHARED_SECONDS, SHARED_TRIES)
        self._refilled = now
        return self._shared


class Login:
    """Checks the password, and reads the name from a request's cookies."""

    def __init__(self, password: str, cookie_secret: str = "") -> None:
        self._password = _digest(password)
        key = cookie_secret or secrets.token_hex(32)  # a fresh one logs everybody out at a restart
        self.secret = hmac.new(_digest(key), self._password, hashlib.sha256).hexdigest()  # another password, another key
        self.tries = Tries()
        self._ended: OrderedDict[str, float] = OrderedDict()  # cookies of those who logged out -> when

    def is_right(self, password: str) -> bool:
        """Compare in constant time."""
        return hmac.compare_digest(_digest(password), self._password)

    def user(self, cookies: Mapping[str, Any]) -> str | None:
        """Return the name in a request's cookies; None for a visitor, a forged, an expired or an ended login."""
        cookie = value_of(cookies, USER_COOKIE)
        return None if cookie in self._ended else self._read(USER_COOKIE, cookie, LOGIN_DAYS)

    def owner(self, cookies: Mapping[str, Any]) -> str | None:
        """Return the name of a session's owner by the cookies it was created with, even long ago."""
        return self._read(USER_COOKIE, value_of(cookies, USER_COOKIE), KNOWN_DAYS)

    def end(self, cookies: Mapping[str, Any]) -> None:
        """Revoke a login, including copies of its cookie."""
        if self.user(cookies) is None:
            return
        now = time.monotonic()
        self._ended[value_of(cookies, USER_COOKIE)] = now
        while now - next(iter(self._ended.values())) > LOGIN_DAYS * 86_400:
            self._ended.popitem(last=False)

    def known(self, cookies: Mapping[str, Any]) -> str | None:
        """Return the key of a browser that has logged in before; None for others."""
        return self._read(KNOWN_COOKIE, value_of(cookies, KNOWN_COOKIE), KNOWN_DAYS)

    def _read(self, name: str, cookie: str, days: int) -> str | None:
        value = decode_signed_value(self.secret, name, cookie, max_age_days=days)
        return None if value is None else value.decode()


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()  # the environment may hold any bytes


def value_of(cookies: Mapping[str, Any], name: str) -> str:
    """Return a cookie of a tornado request or of a Bokeh session; "" if there is none."""
    cookie = cookies.get(name, "")
    return cookie.value if isinstance(cookie, Morsel) else cookie


def clean_name(text: str) -> str:
    """Return a name as saved with labels: composed letters, single spaces; "" if it is not allowed.

    Allowed are letters of any language, digits and the characters of names and mail addresses; nothing invisible, no change of
    writing direction, and no markup.
    """
    name = " ".join(unicodedata.normalize("NFC", text).split())
    plain = all(sign in NAME_SIGNS or unicodedata.category(sign)[0] in "LMN" for sign in name)
    return name if plain and len(name) <= LONGEST_NAME else ""


def way_back(text: str) -> str:
    """Return where to go after a login: our page with the query of `text`.

    Path and host of `text` are never used, so the result cannot lead to another site.
    """
    try:
        query = urlsplit(text).query
    except ValueError:
        query = ""
    plain = query.isascii() and query.isprintable() and not set(query) & set(" \\\"<>'")
    return f"./?{query}" if query and plain else "./"


def place_of(request: HTTPServerRequest) -> str:
    """Return the network address that tries are counted for; for IPv6 the network, as one machine has 2^64 addresses.

    X-Forwarded-For is trusted only from a proxy in a private network or on this machine: a direct visitor could send a new
    address with every try.
    """
    address = getattr(getattr(request.connection, "context", None), "address", None)
    peer = address[0] if isinstance(address, tuple) else ""
    for text in (peer if _is_public(peer) else request.remote_ip, peer):
        try:
            ip = ipaddress.ip_address((text or "").split("%")[0])
        except ValueError:
            continue
        return str(ip if ip.version == 4 else ipaddress.ip_network((ip, 64), strict=False))
    return "nowhere"


def _is_public(text: str) -> bool:
    try:
        return ipaddress.ip_address(text.split("%")[0]).is_global
    except ValueError:
        return False


class LoginHandler(RequestHandler):
    """Shows the form and sets the cookie."""

    def initialize(self, login: Login) -> None:
        """Set the login that all requests share."""
        self.login = login

    def get(self) -> None:
        """Show the form; a visitor who is already logged in is redirected to the page."""
        if self.login.user(self.request.cookies) is not None:
            self.redirect(way_back(self.get_query_argument("next", "")))
            return
        self._show()

    def post(self) -> None:
        """Check the password, then go to the page."""
        tries, known = self.login.tries, self.login.known(self.request.cookies)
        place = known or place_of(self.request)
        wait = tries.wait(place, known=known is not None)
        if wait > 0:
            self.set_header("Retry-After", str(int(wait) + 1))
            self._show(429, f"Too many wrong passwords; wait {_duration(wait)}, then try again.")
            return
        name = clean_name(self.get_body_argument("username", ""))
        if not name:
            self._show(400, f"Enter your name: 1 to {LONGEST_NAME} letters, digits, spaces and . - _ @.")
        elif not self.login.is_right(self.get_body_argument("password", "", strip=False)):
            tries.wrong(place, known=known is not None)
            self._show(401, "Wrong password; try again.")
        else:
            tries.right(place)
            self._set(USER_COOKIE, name, LOGIN_DAYS)
            self._set(KNOWN_COOKIE, known or secrets.token_hex(16), KNOWN_DAYS)
            self.redirect(way_back(self.get_query_argument("next", "")), status=303)

    def _set(self, cookie: str, value: str, days: int) -> None:
        self.set_cookie(
            cookie,
            create_signed_value(self.login.secret, cookie, value).decode(),
            expires_days=days,
            httponly=True,
            samesite="Lax",
            secure=self.request.protocol == "https",
        )

    def _show(self, status: int = 200, problem: str = "") -> None:
        self.set_status(status)
        self.set_header("Cache-Control", "no-store")
        name = html.escape(clean_name(self.get_body_argument("username", "")))
        theme = self.get_cookie(THEME_COOKIE, "")
        theme = "dark" if theme == "dark" else "light"
        alert = f'<p role="alert">{html.escape(problem)}</p>' if problem else ""
        focus = {"at_name": "", "at_password": "autofocus"} if name else {"at_name": "autofocus", "at_password": ""}
        style = tokens() + css("login")
        self.finish(PAGE.format(style=style, theme=theme, name=name, longest=LONGEST_NAME, alert=alert, **focus))


class LogoutHandler(RequestHandler):
    """Ends the login."""

    def initialize(self, login: Login) -> None:
        """Set the login that all requests share."""
        self.login = login

    def get(self) -> None:
        """End the login and show the form again."""
        self.login.end(self.request.cookies)
        self.clear_cookie(USER_COOKIE)
        self.set_header("Cache-Control", "no-store")
        self.redirect("./login")


class LoginProvider(AuthProvider):
    """Tells Bokeh and Panel who sent a request."""

    def __init__(self, login: Login) -> None:
        self._login = login
        super().__init__()

    @property
    def get_user(self) -> Callable[[RequestHandler], str | None]:
        """Return a function from a request's handler to its user."""
        return lambda handler: self._login.user(handler.request.cookies)

    @property
    def login_url(self) -> str:
        """Return where visitors without a login are sent."""
        return "/login"


def _duration(seconds: float) -> str:
    whole = int(seconds) + 1
    return f"{whole} s" if whole < 120 else f"{-(-whole // 60)} minutes"
