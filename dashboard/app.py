"""Composition root: builds one page per browser tab from the shared parts of one server."""

import errno
import logging
import os
import socket
import webbrowser
from typing import Any
from urllib.parse import urlencode

import panel as pn
from panel.io.server import DocHandler

from core.errors import InputError
from dashboard.actions import Actions
from dashboard.console import this_user
from dashboard.documents import adapt_panel
from dashboard.hub import Topics
from dashboard.login import Login
from dashboard.routes import patterns
from dashboard.server import Server, start, stop
from dashboard.settings import Settings
from dashboard.skeleton import send_skeleton_first
from dashboard.state import SessionState
from dashboard.views.page import Page
from dashboard.wall import doors, raise_wall, server_options

LOG = logging.getLogger("lassoscope")
PORT_TROUBLES = {
    errno.EADDRINUSE: "; stop the program that uses it, or choose another with --port (0 takes a free one)",
    errno.EACCES: "; choose one from 1024 on with --port",
}
KEEP_SESSION_MS = 300_000  # a tab survives five minutes of a sleeping laptop


def build_page(server: Server) -> Any:
    """Return what Panel serves to one tab."""
    return open_tab(server).template


def open_tab(server: Server) -> Page:
    """Build the page of one tab and keep it up to date until it closes."""
    document = pn.state.curdoc
    analyst = pn.state.user if server.settings.password else (server.settings.analyst or this_user())
    state = SessionState(
        workspace=server.workspace,
        shared=server.shared,
        grid=server.shared.grid(),
        analyst=analyst or "analyst",
        device=server.device,
        signed_in=bool(server.settings.password),
    )
    actions = Actions(state, server, document)
    if notes := server.workspace.notes():  # such as read-only or damaged
        actions.say(" ".join(notes), error=True)
    page = Page(state=state, actions=actions, draw_pool=server.draw_pool)
    if document is not None and document.session_context is not None:
        asked = document.session_context.request.arguments
        page.address.go(urlencode({name: values[-1].decode(errors="replace") for name, values in asked.items()}))

    def close(_context: Any) -> None:
        page.close()
        actions.leave()

    def join() -> None:
        server.hub.subscribe(document, actions.follow)
        # what happened between building the page and now
        now: Topics = {
            "encoder": None,
            "labels": None,
            "fitted": None,
            "learning": server.refits.learning,
            "random_curves": server.refits.random_curves,
        }
        actions.follow(
            {
                **now,
                "finding": server.clusters.progress,
                "embedding": server.embedding.progress,
                "studying": server.experiments.running,
            }
        )
        actions.meet_analyst()

    pn.state.onload(join)  # not now: documents that are built to warm up or for a liveness probe never close
    pn.state.on_session_destroyed(close)
    return page


def listen(server: Server) -> Any:
    """Return Panel's server on the port, every route of it behind the wall; it answers once its event loop runs."""
    adapt_panel()
    send_skeleton_first(DocHandler)
    settings = server.settings
    if settings.port == 0:  # known beforehand, for a browser may only come from that port
        settings = settings.model_copy(update={"port": _free_port(settings.address)})
    login = Login(settings.password, settings.cookie_secret) if settings.password else None
    routes = [*patterns(server.workspace), *doors(login)]
    panel_server = pn.serve(
        {"/": lambda: build_page(server)},  # not a partial: Panel would show it instead of calling it
        port=settings.port,
        address=settings.address,
        websocket_origin=settings.allowed_origins(),
        extra_patterns=routes,
        title="Lassoscope",
        show=False,
        start=False,
        verbose=False,
        use_xheaders=True,
        unused_session_lifetime_milliseconds=KEEP_SESSION_MS,
        **server_options(login),
    )
    raise_wall(panel_server._tornado, login=login, ours=[route[0] for route in routes], hosts=settings.host_names())
    return panel_server


def need_port(settings: Settings) -> None:
    """Check that the port is free, before a workspace is opened.

    Raises:
        InputError: if another program has it, this user may not have it, or the machine has no such address.
    """
    try:
        found = socket.getaddrinfo(settings.address or None, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
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
        raise InputError(f"Port {settings.port} at {settings.address} cannot be used ({what}){said}.") from None


def serve(settings: Settings, *, open_browser: bool) -> None:
    """Serve until Ctrl-C or a termination signal."""
    pn.extension("tabulator", reconnect=False)  # `Connection` finds the way back
    need_port(settings)
    server = start(settings)
    try:
        panel_server = listen(server)
        _announce(settings, panel_server.port, open_browser)
        panel_server.run_until_shutdown()
    finally:
        stop(server)


def _free_port(address: str) -> int:
    with socket.create_server((address, 0), family=socket.AF_INET6 if ":" in address else socket.AF_INET) as probe:
        return int(probe.getsockname()[1])


def _announce(settings: Settings, port: int, open_browser: bool) -> None:
    host = "localhost" if settings.address in ("127.0.0.1", "0.0.0.0", "::") else settings.address
    url = f"http://{host}:{port}/"
    LOG.warning("serving %s at %s (Ctrl-C stops)", settings.workspace, url)
    if open_browser:
        webbrowser.open(url)
