"""Composition root: builds one page per browser tab from the shared parts of one server."""

import logging
import socket
from typing import Any
from urllib.parse import urlencode

import panel as pn
from panel.io.server import DocHandler

from core.store.tokens import Tokens
from dashboard.actions import Actions
from dashboard.adaptations import adapt_panel
from dashboard.api import api_patterns
from dashboard.callers import Callers
from dashboard.console import this_user
from dashboard.hub import Topics
from dashboard.login import THEME_COOKIE, Login, value_of
from dashboard.routes import patterns
from dashboard.server import Server, start, stop
from dashboard.settings import Settings
from dashboard.skeleton import send_skeleton_first
from dashboard.starting import Starting
from dashboard.state import SessionState
from dashboard.views.page import Page
from dashboard.wall import doors, raise_wall, server_options

LOG = logging.getLogger("lassoscope")
KEEP_SESSION_MS = 300_000  # a tab survives five minutes of a sleeping laptop


def build_page(server: Server) -> Any:
    """Return what Panel serves to one tab."""
    return open_tab(server).template


def open_tab(server: Server) -> Page:
    """Build the page of one tab and keep it up to date until it closes."""
    document = pn.state.curdoc
    server.workspace.generations.catch_up()
    classes = list(server.workspace.classes)  # that the page is built from
    analyst = pn.state.user if server.settings.password else (server.settings.analyst or this_user())
    state = SessionState(
        workspace=server.workspace,
        shared=server.shared,
        grid=server.shared.grid(),
        analyst=analyst or "analyst",
        analyst_is_set=bool(server.settings.analyst),
        device=server.device,
        jobs=server.changes.jobs,
        signed_in=bool(server.settings.password),
    )
    actions = Actions(state, server, document)
    if notes := server.workspace.notes():  # such as read-only or damaged
        actions.say(" ".join(notes), error=True)
    request = document.session_context.request if document is not None and document.session_context is not None else None
    dark = request is not None and value_of(request.cookies, THEME_COOKIE) == "dark"
    page = Page(state=state, actions=actions, draw_pool=server.draw_pool, dark=dark)
    actions.renew = page.renew
    if request is not None:
        asked = request.arguments
        page.address.go(urlencode({name: values[-1].decode(errors="replace") for name, values in asked.items()}))

    def close(_context: Any) -> None:
        page.close()
        actions.leave()

    def join() -> None:
        server.workspace.generations.catch_up()
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
                **({} if server.workspace.classes == classes else {"classes": None}),
                **({} if state.grid is not None and state.grid.n == server.workspace.n_images else {"images": None}),
                "jobs": server.changes.jobs,
                "inboxes": list(server.inboxes.states),
                "webhook": None if server.webhook is None else server.webhook.trouble,
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
    callers = Callers(Tokens(server.workspace.folder), login, settings.analyst or this_user(), settings.allowed_origins())
    routes = [*patterns(server.workspace, server.look_pool), *api_patterns(server, callers), *doors(login)]
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
    ours = [route[0] for route in routes]
    raise_wall(panel_server._tornado, login=login, callers=callers, ours=ours, hosts=settings.host_names())
    return panel_server


def serve(settings: Settings, starting: Starting, *, begins: tuple[str, dict[str, object]] | None = None) -> None:
    """Serve until Ctrl-C or a termination signal.

    Args:
        starting: what listens on the port until the server can.
        begins: kind and arguments of a job that the workspace begins with.
    """
    pn.extension(reconnect=False)  # `Connection` finds the way back
    server = start(settings)
    try:
        if begins is not None and server.workspace.writable:
            server.jobs.add(*begins, settings.analyst or this_user())
        starting.close()
        panel_server = listen(server)
        LOG.warning("serving %s at %s (Ctrl-C stops)", settings.workspace, settings.url())
        panel_server.run_until_shutdown()
    finally:
        stop(server)


def _free_port(address: str) -> int:
    with socket.create_server((address, 0), family=socket.AF_INET6 if ":" in address else socket.AF_INET) as probe:
        return int(probe.getsockname()[1])
