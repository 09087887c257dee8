"""The evidence dock: the active probe against a random one, what is missing, and files; worked out while no label waits."""

import csv
import io
import threading
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from PIL import Image

from core.evidence.queues import Queue
from core.palette import BLUE, ORANGE
from core.probe.live import refit
from core.workspace import Workspace
from dashboard import jobs
from dashboard.choices import PageName, Tab
from dashboard.curve_files import COLUMNS, HEIGHT, SHARPNESS, WIDTH, as_csv, as_png, as_svg
from dashboard.inputs import Inputs
from dashboard.jobs import RandomQueue, RefitWorker
from dashboard.shared import Shared
from dashboard.state import SessionState
from dashboard.views.check import CheckPane
from dashboard.views.curves import CurvesPane
from tests.dashboard.direct import Direct, unmarked
from tests.waiting import wait_for
from tests.worlds import made, read, teach


@pytest.fixture
def space(tmp_path):
    with made(tmp_path / "w", n=600) as found:
        teach(found, 30, np.random.default_rng(0))
        yield found


def random_curves(space, bases=("label", None)):
    queue, found = RandomQueue(space), {}
    queue.plan(lambda: list(bases))
    while queue.rest is not None:
        found = queue.step() or found
    return found


@pytest.fixture
def state(space):
    read(space, 30, "live")
    refit(space)
    shared = Shared(space)
    shared.refresh_curves()
    return SessionState(workspace=space, shared=shared, random_curves=random_curves(space))


@pytest.fixture
def pane(state):
    return CurvesPane(state=state, actions=Direct(state, None))


def test_active_is_orange_and_random_is_blue_on_the_same_images(pane, state):
    colours = {layer: pane._chart._plots[layer].handles["glyph"].line_color for layer in ("active", "random")}
    assert colours == {"active": ORANGE, "random": BLUE}
    exact = next(curve for curve in state.curves if curve.key == "gold")
    np.testing.assert_allclose(pane._chart.source("active").data["precision"], exact.points.precision)
    np.testing.assert_allclose(pane._chart.source("random").data["precision"], state.random_curves["label"].points.precision)
    assert "with known answers" in unmarked(pane._words.object)
    assert "yours are ahead of" in unmarked(pane._words.object)
    state.show_gold = False
    pane._draw()
    check = next(curve for curve in state.curves if curve.key == "check")
    np.testing.assert_allclose(pane._chart.source("active").data["precision"], check.points.precision)
    np.testing.assert_allclose(pane._chart.source("random").data["precision"], state.random_curves[None].points.precision)
    assert "Judged on 30 random check labels" in unmarked(pane._words.object)
    assert "cross-fitted" in unmarked(pane._words.object)


def test_a_drawn_point_knows_its_threshold_and_counts(pane, space):
    data, rows = pane._chart.source("active").data, np.flatnonzero(space.is_check & ~space.sealed)
    flagged, at = space.gold("label")[rows] == 1, len(data["threshold"]) // 2
    above = space.fitted.score[rows] >= data["threshold"][at]
    assert data["reviewed"][at] == above.sum()
    assert data["caught"][at] == flagged[above].sum()
    assert data["low"][at] < data["precision"][at] < data["high"][at]


def test_what_is_missing_leads_to_check_for_live_curves(space):
    shared = Shared(space)
    shared.refresh_curves()
    state = SessionState(workspace=space, shared=shared, pinned=3)
    actions = Direct(state, None)
    asked = []
    actions.check_queue = lambda purpose, *_, **__: asked.append(purpose)
    actions.hold = actions.count_reading = lambda *_: None
    pane = CurvesPane(state=state, actions=actions)
    assert pane._ask.visible
    assert pane._ask.label.startswith("Read ")
    assert "more in Check for a first curve" in pane._ask.label
    check = CheckPane(state=state, actions=actions, inputs=Inputs(lambda _: None, lambda draw: draw()))
    pane.actions.read_for_curves()
    assert (state.page, state.tab, state.pinned) == (PageName.MAP, Tab.CHECK, None)
    assert check._purpose.value == Queue.LIVE
    assert asked[-1] == Queue.LIVE


def test_files_hold_every_point_and_open(pane):
    shown = pane._files["csv"]._read.args[0]
    rows = list(csv.reader(io.StringIO(as_csv(shown).decode())))
    assert rows[0] == list(COLUMNS)
    active = [row for row in rows if row[0] == "active: your labels"]
    assert len(active) == len(pane._chart.source("active").data["recall"])
    assert [float(row[1]) for row in active] == pytest.approx(pane._chart.source("active").data["threshold"], rel=1e-5)
    assert all(row[1] == "" for row in rows if row[0] == "random labels")  # an average has no threshold
    drawn = ET.fromstring(as_svg(shown))
    assert sum(line.get("stroke") == ORANGE for line in drawn.iter("{http://www.w3.org/2000/svg}polyline")) == 2  # and its key
    with Image.open(io.BytesIO(as_png(shown))) as picture:
        assert picture.size == (WIDTH * SHARPNESS, HEIGHT * SHARPNESS)
        colours = {colour for _, colour in picture.getcolors(1_000_000)}
    assert {tuple(bytes.fromhex(colour[1:])) for colour in (ORANGE, BLUE)} <= colours


def test_a_random_curve_is_worked_out_once_for_a_state_of_the_labels(space):
    queue = RandomQueue(space)
    queue.plan(lambda: ["label"])
    while queue.rest is not None:
        queue.step()
    queue.plan(lambda: ["label"])
    assert queue.rest is None
    teach(space, 1, np.random.default_rng(1))
    queue.plan(lambda: ["label"])
    assert queue.rest is not None


def test_a_fit_of_random_labels_that_fails_stops_nothing(space, monkeypatch, caplog):
    def broken(*_):
        yield
        raise ZeroDivisionError

    monkeypatch.setattr(jobs, "random_work", broken)
    assert random_curves(space) == {}
    assert "a random curve failed" in caplog.text


def test_a_label_waits_for_one_fit_of_random_labels_at_most(small, monkeypatch):
    """A refit is asked for during the first of a hundred fits: it happens before the second."""
    monkeypatch.setattr(jobs, "JUDGE_SECONDS", 0.0)
    done, begun, go_on = [], threading.Event(), threading.Event()

    def work(*_):
        for _ in range(100):
            begun.set()
            go_on.wait()
            done.append("fit")
            yield

    with Workspace(small) as space:
        refit(space)
        monkeypatch.setattr(jobs, "random_work", work)
        monkeypatch.setattr(jobs, "refit", lambda _: done.append("refit"))
        worker = RefitWorker(space, Shared(space), lambda *_: None)
        worker.request()
        begun.wait()
        worker.request()
        go_on.set()
        wait_for(lambda: done.count("refit") == 2)
        assert done[: done.index("refit", 1) + 1] == ["refit", "fit", "refit"]
        worker.stop()
