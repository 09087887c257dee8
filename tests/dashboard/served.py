"""A running server of the product's routes, and a browser's or a program's requests to it."""

import asyncio
import http.client
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from types import SimpleNamespace
from urllib.parse import urlencode

import panel as pn
from tornado.ioloop import IOLoop

from dashboard import app
from dashboard.openings import Openings
from dashboard.settings import Settings

PASSWORD = "long enough words"


class Site:
    """A running server, what it built, and a browser's requests to it."""

    def __init__(self, panel_server, loop, users):
        self.panel_server, self.loop, self.users = panel_server, loop, users
        self.tornado, self.port = panel_server._tornado, panel_server.port

    def ask(self, path, method="GET", body=None, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        answer.text = answer.read().decode(errors="replace")
        connection.close()
        return answer

    def log_in(self, name="ann", password=PASSWORD, path="/login", **headers):
        form = urlencode({"username": name, "password": password})
        return self.ask(path, "POST", form, Content_Type="application/x-www-form-urlencoded", **headers)

    def join(self, token, **headers):
        """Shake hands for a websocket; return the status."""
        upgrade = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "x"}
        return self.ask("/ws", **upgrade, Sec_WebSocket_Protocol=f"bokeh, {token}", **headers).status


@contextmanager
def serving(space, monkeypatch, *, jobs=None, **settings):
    """Serve a workspace's routes on an event loop of their own; the page is a few words."""
    started, found = threading.Event(), {}
    parts = {"settings": Settings(port=0, **settings), "workspace": space, "jobs": jobs, "openings": Openings(space)}
    looks = ThreadPoolExecutor(1)
    shared = SimpleNamespace(**parts, look_pool=looks, users=[])

    def page(server):
        server.users.append(pn.state.user)
        return pn.pane.Str("the page")

    def run():
        asyncio.set_event_loop(asyncio.new_event_loop())
        found["loop"] = IOLoop.current()
        try:
            found["server"] = app.listen(shared)
            found["server"].start()
        except BaseException as error:  # else the test would wait for ever
            found["error"] = error
            started.set()
            raise
        found["loop"].add_callback(started.set)
        found["loop"].start()
        found["server"].stop()
        found["loop"].close(all_fds=True)

    monkeypatch.setattr(app, "build_page", page)
    secret = pn.config.cookie_secret  # Panel keeps one a process, and reads a page's user with it
    thread = threading.Thread(target=run)
    thread.start()
    started.wait()
    if "error" in found:
        raise found["error"]
    yield Site(found["server"], found["loop"], shared.users)
    found["loop"].add_callback(found["loop"].stop)
    thread.join()
    looks.shutdown()
    pn.config.cookie_secret = secret


def cookies_of(answer):
    return "; ".join(line.split(";")[0] for line in answer.headers.get_all("Set-Cookie") or [])
