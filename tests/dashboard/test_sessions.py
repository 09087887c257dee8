"""A closed tab leaves nothing behind."""

import gc
import weakref
from types import SimpleNamespace

import pytest
from bokeh.document import Document
from panel.io.state import set_curdoc

from core.demo.datasets import write_demo_images
from core.encoders.embed import embed
from core.intake.ingest import ingest
from core.map.project import project
from core.workspace import Workspace
from dashboard.app import build_page, start, stop
from dashboard.settings import Settings


@pytest.fixture
def server(tmp_path):
    with Workspace.create(tmp_path / "w", salt="sessions") as space:
        ingest(space, write_demo_images(tmp_path / "images", n_images=60), workers=1)
        embed(space, "pixels-pca", device="cpu")
        project(space)
    server = start(Settings(workspace=tmp_path / "w"))
    yield server
    stop(server)


def open_tab(server):
    document = Document()
    with set_curdoc(document):
        template = build_page(server)
        template.server_doc(document)
    return document, template


def close_tab(document) -> None:
    for callback in document.session_destroyed_callbacks:
        callback(SimpleNamespace(id="tab", _document=document))


def test_closed_tabs_are_let_go(server):
    alive = []
    for _ in range(4):
        document, template = open_tab(server)
        alive += [weakref.ref(template)]
        close_tab(document)
        document.clear()
        del document, template
    gc.collect()
    assert len(server.hub) == 0
    assert sum(reference() is not None for reference in alive) <= 1  # Panel keeps the newest for the next
