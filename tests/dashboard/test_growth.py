"""Images that are added while windows are open: they are there, and nothing moves under anyone's hands."""

import numpy as np
import pytest

from core.catalog.images import Images
from core.filters.conditions import ClassIs
from core.jobs.work import Change
from core.labels.actions import label
from dashboard.app import start, stop
from dashboard.choices import ColourBy
from dashboard.hub import Topic
from dashboard.settings import Settings
from dashboard.state import layout_of
from dashboard.views.classes import ClassSettings
from dashboard.views.controls import Controls
from dashboard.views.header import Header
from tests.dashboard.loop import EventLoop, Tab
from tests.reading import InProcess, take_in
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


def test_what_grows_every_second_is_not_worked_out_of_all_images_again(server, more, monkeypatch):
    space, shared, asked = server.workspace, server.shared, []
    before, read = shared.grid(), Images.gold_columns
    assert shared.gold_columns() == ["label"]
    monkeypatch.setattr(Images, "gold_columns", lambda self: asked.append(1) or read(self))
    take_in(space, more)
    shared.take_images()
    assert shared.grid().n == space.n_images == N + 20
    assert shared.grid().rows is before.rows
    assert shared.gold_columns() == ["label"]
    assert asked == []
    (more / "m.csv").write_text("path,told\nm00.png,neutral\n")
    take_in(space, more / "m.csv")
    assert shared.gold_columns() == ["label", "told"]


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


def test_a_label_draws_no_form_of_classes_which_counts_when_it_opens(server, tabs):
    tab, space = tabs[0], server.workspace
    settings = tab.do(lambda: ClassSettings(state=tab.state, actions=tab.page.actions))
    drawn = []
    settings._form.param.watch(lambda *events: drawn.extend(events), list(settings._form.param))
    label(space, np.array([0]), "copyright", analyst="ann")
    server.hub.publish(Topic.LABELS)
    wait_for(lambda: tab.state.labels_version == space.labels.version)
    assert drawn == []
    tab.do(lambda: settings._form._handle_msg({"verb": "open"}))
    wait_for(lambda: settings._form.opens)
    counts = {line["name"]: line["count"] for line in settings._form.classes}
    assert counts == dict(zip(space.class_names, np.bincount(space.labels.codes + 1, minlength=4)[1:].tolist(), strict=True))
    assert counts["copyright"] == 1


def test_the_jobs_are_in_every_window_with_who_asked_for_them(server, tabs, more):
    take(server, more)
    wait_for(lambda: all(tab.state.jobs and tab.state.jobs[-1].state == "done" for tab in tabs))
    for tab in tabs:
        [first] = [job for job in tab.state.jobs if job.kind == "ingest"]
        assert (first.analyst, first.kind) == ("bob", "ingest")
        assert first.message.startswith("20 images ingested")


def test_windows_let_go_of_removed_images_and_keep_all_others(server, tabs):
    space = server.workspace
    gone = np.array([2, 5, 7])
    left, other = tabs
    left.do(lambda: left.state.select(np.arange(12), polygon=[[0, 0], [1, 0], [1, 1]]))
    left.do(lambda: left.state.param.update(picked=[2, 3], pinned=5, looked_at=7))
    other.do(lambda: setattr(other.state, "filters", (ClassIs(names=("neutral",)),)))
    for tab in tabs:
        tab.settle()
    layout, n_labelled = layout_of(space), space.labels.n_labelled
    job = server.jobs.add("remove", {"images": [space.image_id(int(row)) for row in gone], "by": "bob"}, "bob")
    wait_for(lambda: not server.jobs.get(job.number).is_open)
    assert server.jobs.get(job.number).state == "done", server.jobs.get(job.number)
    for tab in tabs:
        tab.settle()
    here = np.setdiff1d(np.arange(12), gone)
    wait_for(lambda: np.array_equal(left.state.selected, here))
    wait_for(lambda: left.state.picked == [3])
    wait_for(lambda: (left.state.pinned, left.state.looked_at) == (None, None))  # the window does one after the other
    assert left.state.last_polygon == [[0, 0], [1, 0], [1, 1]]
    assert layout_of(space) == layout
    wait_for(lambda: not np.isin(gone, np.flatnonzero(other.state.kept)).any())
    for tab in tabs:
        wait_for(lambda tab=tab: not np.isin(gone, tab.state.grid.rows).any())
        wait_for(lambda tab=tab: tab.state.labels_version == space.labels.version)
        legend = tab.state.shared.legend_counts(tab.state.colouring, None)
        assert sum(legend.values()) == N - 3
        assert sum(legend.values()) - legend[-1] == space.labels.n_labelled == n_labelled - 3
    assert space.labels.n_labelled == n_labelled - 3
    wait_for(lambda: np.isnan(space.fitted.score[gone]).all())
    header = left.do(lambda: Header(state=left.state))
    assert f"{N - 3} images" in str(header._counts.object)


def test_another_layout_is_offered_from_a_tenth_on_and_goes_the_way_of_a_job(server, tabs, monkeypatch):
    space = server.workspace
    controls = tabs[0].do(lambda: Controls(state=tabs[0].state, actions=tabs[0].page.actions))
    assert not controls._offer.visible
    row = space.projection
    record = {**row["record"], "base": row["version"], "laid_out": 40}
    space.catalog.models.add_projection("made", N, row["file"], record)
    space.reopen_encoder()
    server.changes.on_change(Change.MAP)
    wait_for(lambda: controls._offer.visible)
    assert "17% of the map was placed rather than laid out." in controls._placed.object
    asked = []
    monkeypatch.setattr(server.jobs, "add", lambda *words: asked.append(words))
    tabs[0].do(controls._lay_out_anew)
    wait_for(lambda: asked)
    assert asked[0][:2] == ("project", {"keep": True})
    assert controls._anew.disabled
