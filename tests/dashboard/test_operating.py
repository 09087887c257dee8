"""The Operating point page without a browser: one threshold in every widget, echoes are ignored, old results are reported."""

import html
import re
import shutil
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from core.errors import InputError
from core.evidence import check_sets, openings, points
from core.evidence.threshold import figures_at
from core.labels.policies import remove_policy, set_policy
from core.probe.live import refit
from core.workspace import Workspace
from dashboard.openings import Openings
from dashboard.shared import Shared
from dashboard.state import SessionState
from dashboard.views.echoes import SECONDS, Echoes
from dashboard.views.guide import Guide
from dashboard.views.number_field import number, written
from dashboard.views.operating import OperatingPage
from tests.dashboard.direct import Direct, unmarked
from tests.worlds import made, read, teach, three_classes


@pytest.fixture(scope="module")
def opened_once(tmp_path_factory):
    folder = tmp_path_factory.mktemp("operating") / "w"
    with made(folder) as found:
        teach(found, 60, np.random.default_rng(1))
        read(found, 150)
        check_sets.open_check_set(found, analyst="ann")
    return folder


@pytest.fixture
def space(opened_once, tmp_path):
    with Workspace(shutil.copytree(opened_once, tmp_path / "w")) as found:
        refit(found)
        yield found


@pytest.fixture
def page(space):
    state = SessionState(workspace=space, shared=Shared(space), page="operating")
    found = OperatingPage(state=state, actions=Direct(state, Openings(space)))
    found._fold.open = True
    found._load(None)
    return found


def shown(page):
    """Return the threshold as every part of the page has it."""
    words = unmarked(page._words.object).split("At scores ≥ ")[1].split(",")[0]
    marks = page._curve.chart.source("handle").data
    figures = figures_at(page._view.sample, page._threshold)
    assert page._histogram.figure.x_range.start <= page._threshold <= page._histogram.figure.x_range.end
    assert float(page._want_recall.value) == pytest.approx(figures.recall.value, abs=5e-4)
    assert marks["recall"][-1] == pytest.approx(figures.recall.value)
    assert page._view.sample.counted_above(float(words)) == figures.reviewed  # rounded, it keeps the same images above it
    for value in (page._histogram._handle.location, page._slider.value, float(page._typed.value)):
        assert value == pytest.approx(page._threshold, abs=1e-3)
    return page._threshold


def drag(page, *places):
    for place in places:  # what Bokeh reports while a hand moves
        page._histogram._handle.location = place


def choose(page, number):
    """Choose an opening as a person does: not in the moment in which another one has appeared."""
    page._check._openings._replaced.clear()
    page._check._history.value = number


def test_the_handle_stays_where_it_is_dropped_whatever_the_widgets_echo(page):
    drag(page, 1.0, 0.5)
    before = {name: getattr(page, f"_{name}").value for name in ("slider", "typed", "want_recall", "want_precision")}
    drag(page, -0.1, -0.123456)
    for name, old in before.items():
        getattr(page, f"_{name}").value = old  # React sends a value back while the next one is on its way
        assert shown(page) == -0.123456, name
    drag(page, 0.75)
    assert shown(page) == 0.75


def test_costs_that_come_late_belong_to_the_reading_they_were_asked_for(page, monkeypatch):
    costs, asked = page._costs, []
    first, second = replace(page._view), replace(page._view)  # the same opening, read twice: another window has labelled
    monkeypatch.setattr(costs.actions, "fetch", lambda find, done: asked.append((find, done)))
    for view in (first, second):
        costs.show(view, page._threshold)
    for (find, done), there in zip(asked, (False, True), strict=True):
        done(find())
        assert (costs._found is not None) == there


def test_every_way_to_move_the_threshold_moves_all_of_them(page):
    opened = page._view.opened
    assert shown(page) == opened.threshold
    page._slider.value = 0.31
    assert shown(page) == 0.31
    page._typed.value = "-0,4"
    assert shown(page) == -0.4
    page._want_recall.value = "90%"
    assert figures_at(page._view.sample, shown(page)).recall.value >= 0.9
    page._want_precision.value = "0.8"
    assert figures_at(page._view.sample, shown(page)).precision.value >= 0.8
    page._costs.to_cheapest()
    shown(page)
    drag(page, 0.2)
    page._slider.param.update(value=0.6, value_throttled=0.6)
    assert shown(page) == 0.6
    page._typed.value = str(float(page._view.sample.pool[0]) - 0.5)  # beyond what the chart showed
    assert shown(page) < page._view.sample.pool[0]


WRONG = [
    ("typed", "500", "Scores go from"),
    ("typed", "abc", "This field needs a number"),
    ("typed", "nan", "This field needs a number"),
    ("want_recall", "3", "from 0 to 1"),
    ("want_precision", "-1", "from 0 to 1"),
    ("miss", "0", "costs more than 0"),
    ("recall", "7", "from 0.5 to 0.999"),
    ("size", "many", "This field needs a number"),
]


def test_an_impossible_value_is_reported_and_the_field_shows_the_value_in_force(page):
    at = shown(page)
    for field, text, said in WRONG:
        part = {"recall": page._check, "size": page._check, "miss": page._costs}.get(field, page)
        widget = getattr(part, f"_{field}")
        before = widget.value
        widget.value = text
        assert said in page.state.message
        assert (widget.value, shown(page)) == (before, at), field
    drag(page, at + 0.1)
    assert page.state.message == ""  # what was wrong is past


def test_labels_read_since_are_reported_and_the_next_look_is_offered(page, space):
    assert unmarked(page._shown.object).count("opening 1, with its 150 check labels") == 1
    assert "since" not in unmarked(page._shown.object)
    read(space, 7)
    page._on_state()
    assert "7 check labels were added or changed since; they are included in the next look." in unmarked(page._shown.object)
    assert "Opening the set again, look 2, includes them." in unmarked(page._shown.object)
    assert page._check._open.label == "Open: look 2"
    page.actions.open_check_set(page._view.status, page._load)
    assert "opening 2, with its 157 check labels" in unmarked(page._shown.object)
    assert "since" not in unmarked(page._shown.object)
    choose(page, 1)
    assert "opening 1, with its 150 check labels. The newest is opening 2." in unmarked(page._shown.object).replace("</p>", "")


def test_charts_are_drawn_again_when_what_they_are_drawn_from_changes_under_one_opening(page, space):
    naive = page._curve.chart.source("naive").data["recall"]
    bars = page._histogram.chart.source("scores").data
    page._on_state()
    assert page._histogram.chart.source("scores").data is bars  # nothing has changed
    drag(page, 0.42)
    teach(space, 30, np.random.default_rng(5))
    page._on_state()
    assert len(page._curve.chart.source("naive").data["recall"]) != len(naive)
    assert shown(page) == 0.42


def test_an_opening_made_elsewhere_is_followed_unless_a_hand_is_on_the_handle(page, space):
    read(space, 5)
    check_sets.open_check_set(space, analyst="bob")
    page._on_state()
    assert page._view.opened.number == 2
    drag(page, 0.3)
    read(space, 5)
    check_sets.open_check_set(space, analyst="bob")
    page._on_state()
    assert (page._view.opened.number, shown(page)) == (2, 0.3)
    assert "The newest is opening 3." in unmarked(page._shown.object)


def test_the_export_asks_which_point_and_names_each_with_its_threshold(page, space):
    asked = []
    page.actions.export_bundle = lambda done, *, failed, on_progress, stop, **what: asked.append((what, done, stop))
    page._points.ask_export()
    ((_, what),) = [(key, words) for key, (words, _) in page._points.exports().items()]
    assert what.startswith("The promise of opening 1 (no point is in force), score ≥ ")
    assert what in page._ask.paragraphs[0]["sentences"][0]
    answer(page, go=False)
    assert asked == []
    page._typed.value = "0.5"
    page._points.ask_export()
    assert [option["value"] for option in page._ask.options] == ["rule", "shown"]
    assert page._ask.options[1]["label"] == "The threshold shown, without a name, score ≥ 0.50"
    answer(page, option="shown")
    assert (asked[-1][0]["threshold"], asked[-1][0]["opened"].number) == (0.5, 1)
    assert page._ask.open  # with its bar
    page._ask.close()
    step(page, "choose")
    assert (page._ask.field, page._ask.go) == ("Name of this point", "Save")
    answer(page, text="careful")
    page._on_state()
    step(page, "force")
    answer(page, option="careful")
    page._on_state()
    page._points.ask_export()
    assert page._ask.options == []  # what is shown is the point in force
    assert "Operating point 'careful', in force, score ≥ 0.50." in page._ask.paragraphs[0]["sentences"]
    answer(page)
    what, _, stop = asked[-1]
    assert what == {}
    assert not stop()
    answer(page, go=False)  # cancels the work
    assert stop()
    assert not page._ask.open
    answer(page, go=True)  # there is no question any more
    assert len(asked) == 2


def test_opening_asks_first_and_opens_only_what_was_asked_about(page, space):
    read(space, 20)
    page._on_state()
    step(page, "open")
    cost, gain = page._ask.paragraphs
    assert (page._ask.heading, page._ask.go, cost["heading"]) == ("Open the check set?", "Open: look 2", "What it costs")
    assert "second look" in cost["sentences"][0]
    assert "promise of 90% recall" in gain["sentences"][0]
    answer(page, go=False)
    assert len(openings.openings(space)) == 1
    step(page, "open")
    read(space, 5)  # meanwhile
    answer(page)
    assert len(openings.openings(space)) == 1
    assert "nothing was opened" in page.state.message
    page._on_state()
    step(page, "open")
    answer(page)
    assert len(openings.openings(space)) == 2
    answer(page)  # a second click
    assert len(openings.openings(space)) == 2


def test_the_path_leads_to_where_each_step_is_done(page, space):
    stages = {item["key"]: item["stage"] for item in page._steps.steps}
    assert stages == {"teach": "done", "read": "done", "open": "done", "choose": "now", "force": "later", "export": "later"}
    step(page, "force")  # not possible yet
    assert not page._ask.open
    step(page, "read")
    assert (page.state.page, page.state.tab, page.state.read_for) == ("map", "check", "promise")
    page.state.page = "operating"
    step(page, "teach")
    assert (page.state.page, page.state.tab) == ("map", "suggestions")
    page._steps._handle_msg({"key": "no such step"})


def test_the_guide_ticks_off_a_point_in_force_and_stays_for_who_asks_for_it_again(page):
    space, actions = page.state.workspace, page.actions
    state = SessionState(workspace=space, shared=page.state.shared, guide=True)
    mine = Direct(state, Openings(space))
    guide = Guide(state=state, actions=mine)
    assert "Step 5 of 5</small>" in guide._words.object
    assert "<b>Choose the operating point</b>" in guide._words.object
    opened = page._view.opened
    actions.save_point("strict", opened.threshold, opened, lambda: None)
    state.openings += 1
    assert state.guide
    actions.put_in_force("strict")
    state.openings += 1  # another window did it
    assert not state.guide
    mine.show_guide(True)
    assert state.guide
    assert "Step 1 of 5 (done)" in guide._words.object
    guide._go_on()
    state.labels_version += 1
    assert "Step 2 of 5 (done)" in guide._words.object
    again = Guide(state=state, actions=mine)  # of another window
    assert "Step 1 of 5 (done)" in again._words.object
    assert again._words.object.count("✓") == 5


def test_the_guide_comes_with_the_first_map_also_while_the_page_is_open(page, monkeypatch):
    space = page.state.workspace
    state = SessionState(workspace=space, shared=page.state.shared, guide=True)
    monkeypatch.setattr(type(space), "has_map", False)
    guide = Guide(state=state, actions=Direct(state, Openings(space)))
    assert not guide._layout.visible
    monkeypatch.setattr(type(space), "has_map", True)
    state.layout = ("made", state.layout[1] + 1)
    assert guide._layout.visible


def test_page_check_tab_and_guide_give_one_number(tmp_path):
    with made(tmp_path / "rare", n=3_000, share=0.1) as space:
        teach(space, 60, np.random.default_rng(1))
        read(space, 110)
        state = SessionState(workspace=space, shared=Shared(space), page="operating")
        page = OperatingPage(state=state, actions=Direct(state, Openings(space)))
        count = next(item["count"] for item in page._steps.steps if item["key"] == "read")
        page.actions.count_reading()
        assert state.reading == f"{count} for a promise of 90% recall"
        assert count.startswith("read 110 of ")
        assert f"({count})" in unmarked(page._promise.object)


def test_the_counts_on_the_page_and_on_paper_add_up(page):
    def cells(text):
        return [float(n.replace(",", "")) for n in re.findall(r"<b>([\d.,]+)</b>", text)]

    for threshold in (-3.0, 0.0, 0.4, 2.0):
        drag(page, threshold)
        reviewed, caught, wrong, left, missed, right = cells(unmarked(page._outcome.object).split("<table")[1])
        assert (caught + wrong, missed + right, reviewed + left) == pytest.approx((reviewed, left, 1_000))
        sheet = page._printed.sheet
        for cell in (reviewed, caught, wrong, missed):
            assert f"<td>{cell:,g}</td>" in sheet.replace(".0</td>", "</td>")
    assert "at least 90% of explicit images are caught (95% sure)" in page._printed.sheet
    page.state.page = "map"
    assert page._printed.sheet == ""


def test_each_part_stands_once_on_the_page(page):
    for part in (page._policies, page._scorers, page._steps, page._closed, page._charts, page._column, page._check._layout):
        assert len(list(page._layout.select(lambda found, part=part: found is part))) == 1, part
    assert [found.object for found in page._layout.select(lambda found: getattr(found, "object", None) == "Loading…")] == []


def test_details_draw_nothing_while_they_are_closed(page):
    page._fold._handle_msg({"open": False})
    before = unmarked(page._words.object)
    drag(page, 1.234)
    assert unmarked(page._words.object) == before
    page._fold._handle_msg({"open": True})
    assert "≥ 1.23" in unmarked(page._words.object)
    assert "explicit (flagged)" in page._by_class.object
    assert "cheapest" in unmarked(page._costs._words.object)


@pytest.fixture
def policies(tmp_path):
    """A page of a workspace with two policies, of which none was opened."""
    with three_classes(tmp_path / "p") as space:
        teach(space, 90, np.random.default_rng(1))
        set_policy(space, "explicit", recall=0.9)
        set_policy(space, "weapons", recall=0.8)
        refit(space)
        read(space, 200)
        state = SessionState(workspace=space, shared=Shared(space), page="operating")
        found = OperatingPage(state=state, actions=Direct(state, Openings(space)))
        found._fold.open = True
        yield found


def answer(page, *, go=True, option="", text=""):
    """Answer the question on the page as a browser does."""
    page._ask._handle_msg({"number": page._ask.number, "go": go, "option": option, "text": text})


def step(page, key):
    page._steps._handle_msg({"key": key})


def test_one_policy_needs_no_choice_of_policies(page):
    assert not page._policies.visible


def test_each_policy_has_its_own_terms_openings_threshold_and_points(policies):
    page, check, kept = policies, policies._check, policies._points
    assert (page._policies.visible, page._policies.options, page._policies.value) == (True, ["explicit", "weapons"], "explicit")
    assert (check._recall.value, check._open.label) == ("0.9", "Open: look 1")
    cost = html.unescape(unmarked(check._closed.object))
    assert "for the policy 'explicit': its promise needs 98% confidence, so that all looks for both policies together" in cost
    step(page, "open")
    answer(page)
    first = shown(page)
    assert "at least 90% of explicit images are caught" in unmarked(page._promise.object)
    step(page, "export")
    assert not page._ask.open
    kept.ask_export()
    assert "The policy 'weapons' has no promise" in page.state.message
    drag(page, first + 0.25)
    page._policies.value = "weapons"
    assert not page._charts.visible  # nothing was opened for it
    assert (check._recall.value, check._open.label, check._confidence.disabled) == ("0.8", "Open: look 1", True)
    check._recall.value = "0.75"
    assert [p.recall for p in page.state.workspace.policies] == [0.9, 0.75]
    page._on_state()  # as every window does when terms change
    step(page, "open")
    answer(page)
    assert shown(page) == page._view.opened.threshold != first
    assert "at least 75% of weapons images are caught" in unmarked(page._promise.object)
    step(page, "choose")
    answer(page, text="arms")
    page.actions.put_in_force("arms")
    page._on_state()
    assert page._view.in_force["name"] == "arms"
    label = kept.exports()["rule"][0]
    assert label.startswith("All policies: explicit: the promise of opening 1")
    assert f"score ≥ {first:.3f}; weapons: operating point 'arms', in force, score ≥ " in label
    above = int(np.argmax(page._view.scores))
    assert "weapons: review (arms)" in page.state.describe(above)
    assert not any("explicit:" in line for line in page.state.describe(above))  # nothing is in force for it
    page._policies.value = "explicit"
    assert shown(page) == first
    assert page._view.in_force == {}
    assert list(check._history.options.values()) == [1]


def test_a_link_shows_an_opening_and_its_policy_or_says_that_there_is_none(policies):
    page, state = policies, policies.state
    step(page, "open")
    answer(page)
    page._policies.value = "weapons"
    assert page._view.opened is None
    state.opening = 1  # as the address sets it
    assert (page._view.opened.number, page._policies.value, page._subject.policy) == (1, "explicit", "explicit")
    page._policies.value = "weapons"
    assert (state.opening, page._view.opened) == (None, None)
    state.opening = 99
    assert (state.opening, state.message) == (None, "There is no opening 99; this is the newest.")


def test_openings_of_policies_that_are_gone_can_still_be_seen(policies):
    step(policies, "open")
    answer(policies)
    remove_policy(policies.state.workspace, "explicit")
    refit(policies.state.workspace)
    policies._check.load(None)
    assert not policies._policies.visible
    none, label = policies._check._history.options  # without a value, a select would take the first opening
    assert (none, policies._check._history.value) == ("not opened yet", None)
    assert label.endswith("· for explicit")
    policies._check.load(1)
    assert "at least 90% of explicit images are caught" in policies._promise.object


def test_windows_that_look_at_one_state_share_its_view(space):
    openings = Openings(space)
    first = openings.view()
    opened = first.opened
    assert openings.view() is first
    for change in (lambda: read(space, 1), lambda: points.save_point(space, "a", 0.0, opened, analyst="a")):
        change()
        assert openings.view() is not first
        first = openings.view()
    points.put_in_force(space, "a", analyst="a")
    assert openings.view().in_force["name"] == "a"
    check_sets.change_terms(space, recall=0.8)
    assert openings.view().status.check_set.recall == 0.8


def test_an_opening_that_cannot_be_shown_stands_in_the_way_of_no_other(page, space, monkeypatch):
    read(space, 5)
    check_sets.open_check_set(space, analyst="bob")
    whole = openings.frozen_scores

    def lost(workspace, opened):
        if opened.number == 2:
            raise InputError("Its embeddings are lost.")
        return whole(workspace, opened)

    monkeypatch.setattr(openings, "frozen_scores", lost)
    page._on_state()
    assert "Opening 2 cannot be shown. Its embeddings are lost." in unmarked(page._promise.object)
    assert not page._charts.visible
    choose(page, 1)
    assert page._charts.visible
    shown(page)


def test_an_echo_is_a_value_that_was_written_and_replaced_a_short_while_ago():
    now = [0.0]
    widget = SimpleNamespace(value=0)
    widget.param = SimpleNamespace(update=lambda **found: vars(widget).update(found))
    echoes = Echoes(widget, clock=lambda: now[0])
    for value in (1, 2, 3):
        echoes.write(value)
    assert [echoes.is_persons(value) for value in (1, 2, 3)] == [False] * 3
    assert echoes.is_persons(7)
    assert echoes.is_persons(8)
    assert echoes.is_persons(7)  # what a person has put there is no echo
    assert not echoes.is_persons(2)
    echoes.restore()
    assert widget.value == 7
    now[0] += SECONDS
    assert echoes.is_persons(2)


@pytest.mark.parametrize(("text", "value"), [("0.9", 0.9), (" 0,9 ", 0.9), ("90%", 0.9), ("−2", -2.0), ("", None)])
def test_a_number_field_takes_what_people_type(text, value):
    assert number(text) == value


def test_a_number_field_shows_no_zeros_at_the_end():
    assert [written(x) for x in (None, 20.0, -0.00001, 2.34567, -1.5)] == ["", "20", "0", "2.3457", "-1.5"]
