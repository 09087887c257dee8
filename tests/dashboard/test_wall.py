"""The routes of the real server over real HTTP: what answers without a login, and what a login is worth."""

import re
import socket
import sys
import threading
from urllib.parse import urlencode, urljoin, urlsplit

import panel as pn
import panel_material_ui as pmui
import pytest
from bokeh.util.token import generate_jwt_token, generate_session_id
from tornado.web import RequestHandler

from core.workspace import Workspace
from dashboard import app
from dashboard.shared import Shared
from dashboard.state import SessionState
from dashboard.views.components.memory import Memory
from dashboard.views.header import Header
from dashboard.wall import HEADERS
from tests.dashboard.served import PASSWORD, cookies_of, serving

PICTURE = "0" * 32
# Every route of Panel, Bokeh and ours by its pattern, and a path that it answers to.
ROUTES = {
    "/favicon.ico$": "/favicon.ico",
    "/ws$": "/ws",
    "/metadata$": "/metadata",
    "/autoload.js$": "/autoload.js?bokeh-autoload-element=x",
    "/?$": "/",
    "/static/(?!extensions/)(.*)$": "/static/js/bokeh.min.js",
    "/static/(.*)$": "/static/js/bokeh.min.js",
    "/static/extensions/(.*)$": "/static/extensions/panel/panel.min.js",
    "/thumb/(blurred-grey|blurred|clear|grey)/([0-9a-f]{32})$": f"/thumb/clear/{PICTURE}",
    "/image/(blurred-grey|blurred|clear|grey)/([0-9a-f]{32})$": f"/image/clear/{PICTURE}",
    "/original/(blurred-grey|blurred|clear|grey)/([0-9a-f]{32})$": f"/original/clear/{PICTURE}",
    "/components/(.*)$": "/components/panel.pane/Markdown/_stylesheets/x",
    "/api/images$": "/api/images",
    "/api/sources$": "/api/sources",
    "/api/manifests$": "/api/manifests",
    "/api/archives/([0-9a-f]{32})$": f"/api/archives/{PICTURE}",
    "/api/images/([0-9a-f]{32})$": f"/api/images/{PICTURE}",
    "/api/jobs/([0-9]{1,15})$": "/api/jobs/1",
    "/api/decisions$": "/api/decisions",
    "/liveness$": "/liveness",
    "/login$": "/login",
    "/logout$": "/logout",
}
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS")


@pytest.fixture(scope="module")
def space(tmp_path_factory):
    with Workspace.create(tmp_path_factory.mktemp("wall") / "w", salt="wall") as space:
        yield space


@pytest.fixture(scope="module")
def patch():
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest.fixture(scope="module")
def site(space, patch):
    """A server with a login; the module's tests share it and log in under names of their own."""
    with serving(space, patch, password=PASSWORD) as site:
        yield site


@pytest.fixture(scope="module")
def open_site(space, patch):
    """A server without a login."""
    with serving(space, patch) as site:
        yield site


def token_of(answer):
    return re.search(r'"token":\s*"([^"]+)"', answer.text)[1]


# -- what answers without a login --


def test_every_route_of_the_server_is_known_here(site):
    assert {rule.matcher.regex.pattern for rule in site.tornado.wildcard_router.rules} == set(ROUTES)


def test_without_a_login_only_liveness_and_the_login_page_answer(site):
    built = len(site.users)
    answers = {(method, path): site.ask(path, method).status for path in ROUTES.values() for method in METHODS}
    assert {key for key, status in answers.items() if status < 300} == {
        ("GET", "/liveness"), ("HEAD", "/liveness"), ("GET", "/login"),
    }  # fmt: skip
    moved = {path for (method, path), status in answers.items() if method == "GET" and 300 <= status < 400}
    assert moved == {"/", "/logout"}
    assert urlsplit(site.ask("/").headers["Location"]).path == "./login"
    assert len(site.users) == built


@pytest.mark.parametrize(
    "path",
    [
        "//", "/.", "/%2e", "/%2e%2e/", "/ws/", "/liveness/", "/LIVENESS", "/login/", "/login/../static/js/bokeh.min.js",
        "/liveness/../", "//static/js/bokeh.min.js", "/static/../pyproject.toml", "/static/%2e%2e/%2e%2e/x",
        f"/thumb/clear/{PICTURE}/", "/assets/demo/LICENSE.txt", "/apple-touch-icon.png", "/rest", "/admin", "/metadata/",
        "/?bokeh-session-id=x", "/?bokeh-token=x", "/index.html", "*", "/liveness%00", "/login%2f..",
    ],
)  # fmt: skip
def test_odd_ways_to_write_a_path_open_nothing(site, path):
    assert site.ask(path).status >= 300


def test_a_route_that_is_added_later_stays_closed(site, open_site):
    class Later(RequestHandler):
        def get(self):
            self.finish("open")

    for server in (site, open_site):
        server.tornado.wildcard_router.add_rules([("/later", Later)])
        assert server.ask("/later").status == 404
        server.tornado.wildcard_router.rules.pop()


def test_liveness_builds_no_page_and_answers_the_same_whatever_is_asked(site, open_site):
    for server in (site, open_site):
        built = len(server.users)
        answers = {server.ask(f"/liveness{query}").text for query in ("", "?endpoint=/", "?endpoint=/x", "?bokeh-token=1")}
        assert answers == {'{"alive": true}'}
        assert len(server.users) == built


def test_no_visitor_makes_the_server_import_a_module(site, open_site, tmp_path, monkeypatch):
    (tmp_path / "unwanted_module.py").write_text("x = 1")
    monkeypatch.syspath_prepend(str(tmp_path))
    cookie = cookies_of(site.log_in("importer"))
    path = "/components/unwanted_module/x/_css/y"
    statuses = [site.ask(path).status, site.ask(path, Cookie=cookie).status, open_site.ask(path).status]
    assert statuses == [404] * 3
    assert "unwanted_module" not in sys.modules


def test_without_a_password_the_page_is_open_and_the_rest_is_as_closed(open_site):
    assert open_site.ask("/").status == 200
    assert open_site.ask("/static/js/bokeh.min.js").status == 200
    for path in ("/metadata", "/autoload.js?bokeh-autoload-element=x", "/login", "/logout", "/?bokeh-session-id=mine"):
        assert open_site.ask(path).status in (403, 404)


def test_without_a_password_another_name_of_this_machine_is_no_way_in(open_site, space, patch):
    assert open_site.ask("/", Host=f"localhost:{open_site.port}").status == 200
    answer = open_site.ask("/", Host="pages.example")
    assert (answer.status, "LASSOSCOPE_ORIGINS" in answer.text) == (403, True)
    with serving(space, patch, origins="pages.example:443") as named:
        assert named.ask("/", Host="pages.example").status == 200


def test_another_sites_page_may_link_here_and_no_more(open_site):
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert open_site.ask("/", **link).status == 200
    for kind in ("image", "iframe", "empty", "script"):
        assert open_site.ask("/", **link | {"Sec-Fetch-Dest": kind}).status == 403


def test_every_answer_carries_the_headers_that_keep_other_sites_out(site):
    for path in ("/", "/login", "/liveness", "/nothing", "/static/js/bokeh.min.js"):
        headers = site.ask(path).headers
        assert {name: headers[name] for name in HEADERS} == HEADERS
        assert "Server" not in headers


# -- what a login is worth --


def test_the_right_password_opens_every_route_that_the_page_needs_and_no_other(site):
    answer = site.log_in("bob")
    cookie = cookies_of(answer)
    for flag in ("HttpOnly", "SameSite=Lax", "Path=/"):
        assert flag in answer.headers["Set-Cookie"]
    assert "Secure" not in answer.headers["Set-Cookie"]
    assert "Secure" in site.log_in("bob", X_Forwarded_Proto="https").headers["Set-Cookie"]
    opened = {path for path in ROUTES.values() if path != "/logout" and site.ask(path, Cookie=cookie).status == 200}
    needed = {"/", "/favicon.ico", "/liveness", "/api/decisions"}  # the last for programs
    assert opened == needed | {"/static/js/bokeh.min.js", "/static/extensions/panel/panel.min.js"}
    assert site.ask("/login", Cookie=cookie).headers["Location"] == "./"


def test_a_page_is_made_for_who_logged_in_whatever_else_the_browser_sends(site):
    cookie = cookies_of(site.log_in("  Zoë   van  Dam "))
    for more in ("", "; is_guest=1"):
        before = len(site.users)
        assert site.ask("/", Cookie=cookie + more).status == 200
        assert "Zoë van Dam" in site.users[before:]


def test_who_logged_in_gets_a_skeleton_before_the_page_is_built_and_a_visitor_gets_none(site, patch):
    cookie, sent_before = cookies_of(site.log_in("early")), []
    with patch.context() as during:
        build = app.build_page
        during.setattr(app, "build_page", lambda server: (sent_before.append(begun.wait(30)), build(server))[1])
        begun = threading.Event()
        with socket.create_connection(("127.0.0.1", site.port), timeout=60) as line:
            line.sendall(f"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nCookie: {cookie}\r\n\r\n".encode())
            early = b""
            while b"</script>" not in early.partition(b'id="skeleton"')[2]:
                early += line.recv(65_536)
            begun.set()  # the server builds the page only now
            rest = b"".join(iter(lambda: line.recv(65_536), b""))
    assert sent_before == [True]
    assert b'"token"' not in early
    assert b'"token"' in rest
    assert "skeleton" not in site.ask("/").text


@pytest.mark.parametrize("name", ["", "   ", "a" * 65, "a\u202eb", "<b>a</b>", "a\u200bb", 'a"b'])
def test_a_name_that_cannot_stand_on_a_label_is_not_taken(site, name):
    answer = site.log_in(name)
    assert (answer.status, "Enter your name" in answer.text) == (400, True)
    assert answer.headers["Set-Cookie"] is None


@pytest.mark.parametrize(
    "way",
    [
        "https://host.example", "//host.example", "///host.example", "/\\host.example", "\\\\host.example",
        "javascript:alert(1)", "%2f%2fhost.example", "/%2fhost.example", "/%5chost.example", " //host.example",
        "\t//host.example", "http:host.example", "/\t/host.example", "https:///host.example", "//host.example/?a=b",
        "@host.example", "/?x=https://host.example", "/?a\r\nSet-Cookie: user=x", "//[", "data:text/html,x",
    ],
)  # fmt: skip
def test_a_login_never_leads_to_another_site(site, way):
    cookie = cookies_of(site.log_in("walker"))
    query = urlencode({"next": way})
    ends = [site.log_in("walker", path=f"/login?{query}"), site.ask(f"/login?{query}", Cookie=cookie)]
    ends += [site.log_in("walker", path="/login", Cookie=f"next_url={way.strip()}".replace("\r\n", ""))]
    for answer in ends:
        reached = urlsplit(urljoin("http://here.example/login", answer.headers["Location"]))
        assert (reached.scheme, reached.netloc, reached.path) == ("http", "here.example", "/")


def test_a_login_leads_back_to_the_page_with_its_query(site):
    there = site.ask("/?page=history&x=1").headers["Location"]
    assert site.log_in("walker", path=urljoin("/", there)).headers["Location"] == "./?page=history&x=1"


def test_logging_out_ends_a_login_and_every_copy_of_its_cookie(site):
    cookie = cookies_of(site.log_in("leaver"))
    assert site.ask("/", Cookie=cookie).status == 200
    answer = site.ask("/logout", Cookie=cookie)
    assert (answer.status, answer.headers["Location"]) == (302, "./login")
    assert 'user="";' in answer.headers["Set-Cookie"]
    assert site.ask("/", Cookie=cookie).status == 302


def test_a_cookie_of_another_password_or_key_is_worth_nothing(site, space, patch):
    with serving(space, patch, password=PASSWORD, cookie_secret="k" * 40) as before:
        cookie = cookies_of(before.log_in("eve"))
    with serving(space, patch, password=PASSWORD, cookie_secret="k" * 40) as restarted:
        assert restarted.ask("/", Cookie=cookie).status == 200
    with serving(space, patch, password="a new one", cookie_secret="k" * 40) as changed:
        assert changed.ask("/", Cookie=cookie).status == 302
    assert site.ask("/", Cookie=cookie).status == 302
    assert site.ask("/", Cookie="user=eve").status == 302


def test_a_password_is_not_tried_without_end_and_the_right_one_comes_in_elsewhere(space, patch):
    with serving(space, patch, password=PASSWORD) as site:
        known = cookies_of(site.log_in("ann"))
        tries = [site.log_in("mallory", "guess") for _ in range(8)]
        assert [t.status for t in tries] == [401] * 5 + [429] * 3
        assert "wait" in tries[-1].text
        assert int(tries[-1].headers["Retry-After"]) >= 1
        assert site.log_in("mallory", PASSWORD).status == 429  # not even that one, or guessing would go on
        assert site.log_in("ann", Cookie=known).status == 303  # a browser that has been here before


def test_the_cursor_stands_where_the_visitor_goes_on(site):
    def focused(answer):
        return re.findall(r'<input id="(\w+)"[^>]* autofocus>', answer.text)

    assert focused(site.ask("/login")) == focused(site.log_in("", PASSWORD)) == ["username"]
    assert focused(site.log_in("ann", "a slip")) == ["password"]


def test_a_large_form_is_turned_away_before_it_is_read(site):
    with socket.create_connection(("127.0.0.1", site.port), timeout=120) as line:
        line.sendall(b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000\r\n\r\n")
        assert b" 200 " not in line.recv(1000)
        assert line.recv(1000) == b""


# -- websockets --


def test_a_websocket_needs_a_login_a_page_of_this_server_and_its_owner(site):
    ann, bob = (cookies_of(site.log_in(name)) for name in ("ann", "bob"))
    token = token_of(site.ask("/", Cookie=ann))
    assert site.join(token) == 401
    assert site.join(token, Cookie=bob) == 403
    assert site.join(token, Cookie=ann, Origin="http://host.example") == 403
    forged = generate_jwt_token(generate_session_id(b"k", True), b"k", True)
    unknown = generate_jwt_token(generate_session_id(site.tornado.secret_key, True), site.tornado.secret_key, True)
    for nonsense in (
        "",
        "x",
        "a.b",
        "é",
        token[:-1],
        token.split(".")[0],
        forged,
        unknown,
        generate_jwt_token("x", None, False),
    ):
        assert site.join(nonsense.encode("utf-8").decode("latin-1"), Cookie=ann) == 403
    assert site.join(token, Cookie=ann, Origin=f"http://localhost:{site.port}") == 101


def test_nobody_is_led_into_a_session_of_another(site):
    ann, bob = (cookies_of(site.log_in(name)) for name in ("ann", "bob"))
    token = token_of(site.ask("/", Cookie=bob))
    assert site.ask(f"/?bokeh-token={token}", Cookie=ann).status == 403
    assert site.ask("/?bokeh-session-id=chosen", Cookie=ann).status == 403
    assert site.ask("/", Cookie=ann, Bokeh_Session_Id="chosen").status == 403


# -- whose name stands on labels --


def test_with_a_login_nothing_that_a_browser_sends_changes_the_analyst(space):
    state = SessionState(workspace=space, shared=Shared(space), analyst="ann", signed_in=True)
    header = Header(state=state).__panel__()
    with pytest.raises(TypeError, match="Constant parameter"):
        state.analyst = "bob"
    assert not list(header.select(pmui.TextInput))
    assert any("ann" in str(pane.object) for pane in header.select(pn.pane.HTML))
    said = []
    for names in (False, True):
        Memory(names=names, on_name=lambda name, names=names: said.append((names, name)))._handle_msg({"analyst": "bob"})
    assert said == [(True, "bob")]


def test_without_a_login_the_analyst_writes_a_name(space):
    state = SessionState(workspace=space, shared=Shared(space), analyst="ann")
    (field,) = Header(state=state).__panel__().select(pmui.TextInput)
    field.value = "bob"
    assert state.analyst == "bob"
