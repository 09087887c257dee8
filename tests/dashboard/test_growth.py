"""Images that are added while windows are open: they are there, and nothing moves under anyone's hands."""

import numpy as np
import pytest

from core.filters.conditions import ClassIs
from core.labels.actions import label
from dashboard.app import start, stop
from dashboard.choices import ColourBy
from dashboard.hub import Topic
from dashboard.settings import Settings
from dashboard.state import layout_of
from dashboard.views.header import Header
from tests.dashboard.loop import EventLoop, Tab
from tests.reading import InProcess
from tests.shared import photo
from tests.waiting import wait_for

N = 48


@pytest.fixture
def server(small, monkeypatch):
    monkeypatch.setattr("core.intake.ingest.Workers", InProcess)
    server = start(Settings(workspace=small, analyst="ann"))
    yield server
    stop(server)


@pytest.fixture(scope="module")
def loop():
    loop = EventLoop()
    yield loop
    loop.close()


@pytest.fixture
def tabs(loop, server):
    tabs = [Tab(loop, server) for _ in range(2)]
    for tab in tabs:
        tab.do(lambda tab=tab: server.hub.subscribe(tab.document, tab.page.actions.follow))
    yield tabs
    for tab in tabs:
        tab.close()


@pytest.fixture
def more(tmp_path):
    folder = tmp_path / "more"
    folder.mkdir()
    for i in range(20):
        photo(1_000 + i).save(folder / f"m{i:02d}.png")
    return folder


def take(server, folder):
    job = server.jobs.add("ingest", {"source": str(folder)}, "bob")
    wait_for(lambda: not server.jobs.get(job.number).is_open)
    assert server.jobs.get(job.number).state == "done", server.jobs.get(job.number)


def test_whatever_the_map_shows_images_are_added_without_a_stumble(server, tabs, tmp_path, caplog):
    n = N
    for number, colour_by in enumerate(ColourBy):
        for tab in tabs:
            tab.do(lambda tab=tab, colour_by=colour_by: setattr(tab.state, "colour_by", colour_by))
            tab.settle()
        folder = tmp_path / str(number)
        folder.mkdir()
        for place in range(2):
            photo(2_000 + 2 * number + place).save(folder / f"{place}.png")
        take(server, folder)
        n += 2
        wait_for(lambda n=n: all(tab.state.grid.n == n for tab in tabs), colour_by)
        for tab in tabs:
            tab.settle()
            assert len(tab.state.colouring) == n, colour_by
            assert "unexpectedly" not in tab.state.message
    assert not [record for record in caplog.records if record.exc_info]


def test_every_window_counts_the_new_images_and_keeps_what_it_was_doing(server, tabs, more):
    mine, other = tabs
    rows = np.array([1, 3, 5])
    polygon = [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]]
    mine.do(lambda: mine.state.select(rows, polygon=polygon))
    mine.do(lambda: mine.state.param.update(pinned=3, filters=(ClassIs(names=("neutral", "explicit")),)))
    mine.settle()
    passing = mine.state.kept.copy()
    place, turn = mine.state.place, mine.state.turn
    take(server, more)
    wait_for(lambda: all(tab.state.images for tab in tabs))
    for tab in tabs:
        tab.settle()
    assert mine.state.selected.tolist() == rows.tolist()
    assert (mine.state.pinned, mine.state.place, mine.state.turn) == (3, place, turn)
    assert mine.state.last_polygon == polygon
    assert len(mine.state.kept) == N + 20
    np.testing.assert_array_equal(mine.state.kept[:N], passing)
    assert not mine.state.kept[N:].any()
    assert other.state.kept is None
    heads = [tab.do(lambda tab=tab: Header(state=tab.state)._counts.object) for tab in tabs]
    assert all(f"{N + 20} images" in head for head in heads)


def test_a_layout_that_comes_with_images_is_another_map(server, tabs):
    tab = tabs[0]
    tab.do(lambda: tab.state.param.update(layout=("older", 1), last_polygon=[[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]]))
    tab.do(lambda: tab.page.actions.follow({Topic.IMAGES: None, Topic.ENCODER: None}))
    assert tab.state.layout == layout_of(server.workspace)
    assert tab.state.last_polygon is None


def test_a_new_image_can_be_labelled_in_the_window_and_the_probe_learns_on(server, tabs, more):
    take(server, more)
    space = server.workspace
    new = next(row for row in range(N, N + 20) if not space.is_check[row])
    label(space, np.array([new]), "explicit", analyst="ann")
    server.refits.request()
    wait_for(lambda: space.fitted is not None and len(space.fitted.score) == N + 20)
    assert space.labels.codes[new] == space.class_names.index("explicit")


def test_the_jobs_are_in_every_window_with_who_asked_for_them(server, tabs, more):
    take(server, more)
    wait_for(lambda: all(tab.state.jobs and tab.state.jobs[-1].state == "done" for tab in tabs))
    for tab in tabs:
        [first] = [job for job in tab.state.jobs if job.kind == "ingest"]
        assert (first.analyst, first.kind) == ("bob", "ingest")
        assert first.message.startswith("20 images ingested")
