"""A closed tab leaves nothing behind."""

import gc
import shutil
import weakref
from types import SimpleNamespace

import pytest
from bokeh.document import Document
from panel.io.state import set_curdoc

from dashboard.app import build_page, start, stop
from dashboard.settings import Settings


@pytest.fixture
def server(worked_on, tmp_path):
    server = start(Settings(workspace=shutil.copytree(worked_on, tmp_path / "w")))
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
