"""Review through `Actions` and real tabs: keys, two windows, undo, growth, samples, and another point in force."""

import numpy as np
import pytest

from core.catalog.criterion import Criterion
from core.evidence import check_sets, openings, points
from core.labels.actions import history, label
from core.triage.queue import Order, Side
from core.triage.review import NO_POINT
from core.workspace import Workspace
from dashboard.app import start, stop
from dashboard.choices import Tab as TabName
from dashboard.inputs import Verb
from dashboard.settings import Settings
from dashboard.views.review import ReviewPane
from tests.dashboard.direct import unmarked
from tests.dashboard.loop import EventLoop, Tab
from tests.waiting import wait_for
from tests.worlds import grow, made, read, teach


def fill(folder):
    with made(folder, n=900) as space:
        teach(space, 80, np.random.default_rng(1))
        read(space, 150)
        opened = check_sets.open_check_set(space, analyst="ann")
        points.save_point(space, "daily", opened.threshold, opened, analyst="ann")
        (folder / "projection").mkdir()
        np.save(folder / "projection" / "map.npy", np.random.default_rng(0).normal(size=(900, 2)).astype(np.float32))
        space.catalog.models.add_projection("made", 900, "projection/map.npy", {"seed": 0, "trustworthiness": None})


@pytest.fixture
def folder(built_once):
    return built_once("review", fill)


@pytest.fixture
def server(folder):
    with Workspace(folder) as space:
        points.put_in_force(space, "daily", analyst="ann")
    server = start(Settings(workspace=folder, analyst="ann"))
    yield server
    stop(server)


@pytest.fixture(scope="module")
def loop():
    loop = EventLoop()
    yield loop
    loop.close()


@pytest.fixture
def open_tab(loop, server):
    tabs = []

    def open_(analyst="ann"):
        tab = Tab(loop, server)
        tabs.append(tab)
        tab.settle()
        tab.do(lambda: tab.state.param.update(analyst=analyst, tab=TabName.REVIEW))
        tab.settle()
        return tab, tab.pane(ReviewPane)

    yield open_
    for tab in tabs:
        tab.close()


def press(tab, pane, verb, class_name=None):
    tab.do(lambda: pane.act(verb, class_name))
    tab.settle()


def test_a_key_labels_what_is_asked_for_and_the_label_says_under_which_point(open_tab, server):
    tab, pane = open_tab()
    space = server.workspace
    while pane._known[pane.current.row][1].drawn == Side.LEFT:
        press(tab, pane, Verb.SKIP)
    asked = pane.current
    assert tab.state.place == f"review/{asked.id}"
    assert "score" not in unmarked(pane._card.waiting[0]["html"])  # nothing of the model's before the answer
    press(tab, pane, Verb.LABEL, "explicit")
    action, stands = history(space, 1)[0]
    assert (action.source, action.analyst, action.rows.tolist(), stands) == ("review", "ann", [asked.row], True)
    assert action.criterion.point == "daily"
    assert action.criterion.since == points.in_force(space)["at"]
    assert pane.current is not asked
    assert "Precision so far: 100% (1 of 1 answered)." in unmarked(pane._figures.object)
    press(tab, pane, Verb.BACK)
    assert "Flagged by &#x27;daily&#x27;: score" in pane._card.answered[-1]["html"]
    tab.do(lambda: tab.page.actions.undo())
    tab.settle()
    assert pane.current == asked
    press(tab, pane, Verb.UNSURE)
    assert space.unsure[asked.row]
    assert "no flagged image is answered yet" in pane._figures.object


def test_two_analysts_are_asked_for_different_images_and_agree_on_the_figures(open_tab, server):
    (mine, my_pane), (other, their_pane) = open_tab("ann"), open_tab("bob")
    rows = {asked.row for asked in my_pane._waiting}
    assert rows
    assert not rows & {asked.row for asked in their_pane._waiting}
    flagged = [0, 0]  # answers that are no samples of what is left up
    for _ in range(4):
        for i, (tab, pane, name) in enumerate(((mine, my_pane, "explicit"), (other, their_pane, "neutral"))):
            flagged[i] += pane._known[pane.current.row][1].drawn != Side.LEFT
            press(tab, pane, Verb.LABEL, name)
    said = f"({flagged[0]} of {sum(flagged)} answered)"
    for pane in (my_pane, their_pane):
        wait_for(lambda pane=pane: said in unmarked(pane._figures.object), said)


def test_new_images_join_behind_the_picture_on_the_screen(open_tab, server):
    tab, pane = open_tab()
    space, before = server.workspace, pane.current
    n = space.n_images
    grow(space, 60, np.random.default_rng(5))
    server.shared.take_images()
    server.hub.publish("images")
    wait_for(lambda: any(asked.row >= n for asked in pane._waiting))
    assert pane.current == before
    wait_for(lambda: "came in today" in pane._waits.object)
    tab.do(lambda: setattr(pane._order, "value", Order.HIGHEST))
    tab.settle()
    scores = [pane._known[asked.row][1].score for asked in pane._waiting if not pane._known[asked.row][1].drawn]
    assert scores == sorted(scores, reverse=True)


def test_a_sample_of_what_passes_is_told_after_the_answer_only(open_tab, server):
    tab, pane = open_tab()
    for _ in range(40):
        asked = pane.current
        is_sample = pane._known[asked.row][1].drawn == Side.LEFT
        assert "sample" not in pane._entry(asked)["html"]
        press(tab, pane, Verb.LABEL, "neutral")
        assert ("It was a sample of what 'daily' leaves up." in tab.state.message) == is_sample
        if is_sample:
            assert "A sample, drawn at random" in pane._entry(asked)["html"]
            break
    else:
        raise AssertionError("no sample among 40 images")
    assert "found in 1 drawn at random" in unmarked(pane._figures.object)


def test_another_point_in_force_begins_another_queue_and_none_is_a_sentence(open_tab, server):
    tab, pane = open_tab()
    space = server.workspace
    opened = openings.openings(space)[0]
    points.save_point(space, "strict", opened.threshold + 1.0, opened, analyst="ann")
    tab.do(lambda: tab.page.actions.put_in_force("strict"))
    wait_for(lambda: pane._work is not None and pane._work.point.name == "strict")
    tab.settle()
    assert {work.point.name for work, _ in (pane._known[asked.row] for asked in pane._waiting)} == {"strict"}


def test_without_a_point_the_tab_says_what_to_do(loop, folder):
    server = start(Settings(workspace=folder, analyst="ann"))
    tab = Tab(loop, server)
    tab.do(lambda: setattr(tab.state, "tab", TabName.REVIEW))
    tab.settle()
    assert NO_POINT in unmarked(tab.pane(ReviewPane)._card.rest)
    assert not tab.state.message_is_error
    tab.close()
    stop(server)


def test_a_reading_of_check_is_never_changed_by_review(server):
    space = server.workspace
    row = int(np.flatnonzero(space.evidence())[0])
    with pytest.raises(Exception, match="were read in Check keep that label"):
        label(space, np.array([row]), "neutral", analyst="bob", source="review", criterion=Criterion(point="daily"))
