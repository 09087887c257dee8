"""The composition root: builds one workspace, hub and refit worker per process, and one page per browser tab."""

import logging
import webbrowser
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from getpass import getuser
from pathlib import Path
from typing import Any

import panel as pn

from core.devices import pick_device
from core.workspace import Workspace
from dashboard.actions import Actions
from dashboard.hub import Hub
from dashboard.jobs import ClusterJob, ExperimentJob, RefitWorker
from dashboard.openings import Openings
from dashboard.routes import patterns
from dashboard.settings import Settings
from dashboard.shared_map import SharedMap
from dashboard.state import SessionState
from dashboard.views.map import warm
from dashboard.views.page import Page

LOG = logging.getLogger("lassoscope")
ASSETS = Path(__file__).resolve().parent.parent / "assets"
KEEP_SESSION_MS = 300_000  # a laptop that slept for five minutes finds its tab as it was


@dataclass(frozen=True)
class Server:
    """What all tabs share."""

    settings: Settings
    workspace: Workspace
    hub: Hub
    refits: RefitWorker
    pool: ThreadPoolExecutor  # one thread: label actions keep their order
    slow_pool: ThreadPoolExecutor  # one thread: what takes seconds, and no label waits behind
    draw_pool: ThreadPoolExecutor
    shared_map: SharedMap
    experiments: ExperimentJob
    clusters: ClusterJob
    openings: Openings
    device: str


def build_page(server: Server) -> Any:
    """Build the page of one tab and keep it in step with the others until it closes."""
    document = pn.state.curdoc
    analyst = pn.state.user if server.settings.password else (server.settings.analyst or getuser())
    state = SessionState(
        workspace=server.workspace, grid=server.shared_map.grid(), analyst=analyst or "analyst", device=server.device
    )
    actions = Actions(
        state,
        hub=server.hub,
        refits=server.refits,
        pool=server.pool,
        slow_pool=server.slow_pool,
        shared_map=server.shared_map,
        experiments=server.experiments,
        clusters=server.clusters,
        openings=server.openings,
        on_document=lambda callback: document.add_next_tick_callback(callback),
    )
    page = Page(state=state, actions=actions, draw_pool=server.draw_pool)

    def follow(topic: str, data: Any) -> None:
        if topic == "labels":
            state.follow_labels()
        elif topic == "fitted":
            state.follow_fit()
        elif topic == "encoder":
            state.follow_encoder(server.shared_map.grid())
        elif topic == "fitting":
            state.fitting = data
        elif topic == "clusters":
            state.clusters += 1
        elif topic == "finding":
            state.finding = data
        elif topic == "openings":
            state.openings += 1
        elif topic == "learning":
            state.learning = data
        elif topic in ("said", "message"):
            actions.say(data, error=topic == "message")

    def close(_context: Any) -> None:
        server.hub.unsubscribe(document)
        page.close()

    def join() -> None:
        server.hub.subscribe(document, follow)
        state.follow_encoder(server.shared_map.grid())  # what happened between building the page and now
        state.follow_labels()
        state.follow_fit()
        state.param.update(learning=server.refits.learning, finding=server.clusters.progress)

    pn.state.onload(join)  # not now: documents that are built to warm up or for a liveness probe never close
    pn.state.on_session_destroyed(close)
    return page.template


def start(settings: Settings) -> Server:
    """Open the workspace and start what runs beside the event loop."""
    workspace = Workspace(settings.workspace)
    device = str(pick_device(settings.device))
    hub = Hub()
    refits = RefitWorker(workspace, hub.publish, device=device)
    warm()
    server = Server(
        settings=settings,
        workspace=workspace,
        hub=hub,
        refits=refits,
        pool=ThreadPoolExecutor(1, thread_name_prefix="labels"),
        slow_pool=ThreadPoolExecutor(1, thread_name_prefix="slow"),
        draw_pool=ThreadPoolExecutor(2, thread_name_prefix="draw"),
        shared_map=SharedMap(workspace),
        experiments=ExperimentJob(workspace, hub.publish),
        clusters=ClusterJob(workspace, hub.publish),
        openings=Openings(workspace),
        device=device,
    )
    server.shared_map.grid()
    refits.request()
    return server


def stop(server: Server) -> None:
    """End the workers and close the workspace; everything acknowledged is on disk already."""
    server.experiments.stop()
    server.clusters.stop()
    server.pool.shutdown(wait=True)
    server.slow_pool.shutdown(wait=True, cancel_futures=True)
    server.draw_pool.shutdown(wait=True, cancel_futures=True)
    server.refits.stop()
    server.workspace.close()


def serve(settings: Settings, *, open_browser: bool) -> None:
    """Serve until Ctrl-C or a termination signal."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    pn.extension(reconnect=True, disconnect_notification="Connection lost; what you did is safe. Reconnecting…")
    server = start(settings)
    try:
        panel_server = pn.serve(
            {"/": lambda: build_page(server)},  # not a partial: Panel would show it instead of calling it
            port=settings.port,
            address=settings.address,
            websocket_origin=settings.allowed_origins(),
            extra_patterns=patterns(server.workspace, str(ASSETS)),
            title="Lassoscope",
            show=False,
            start=False,
            verbose=False,
            liveness=True,
            use_xheaders=True,
            unused_session_lifetime_milliseconds=KEEP_SESSION_MS,
            **settings.login(),
        )
        _announce(settings, panel_server.port, open_browser)
        panel_server.run_until_shutdown()
    finally:
        stop(server)


def _announce(settings: Settings, port: int, open_browser: bool) -> None:
    host = "localhost" if settings.address in ("127.0.0.1", "0.0.0.0", "::") else settings.address
    url = f"http://{host}:{port}/"
    LOG.warning("serving %s at %s (Ctrl-C stops)", settings.workspace, url)
    if open_browser:
        webbrowser.open(url)
