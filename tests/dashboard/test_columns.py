"""Score columns on the page: they colour the map, sort the pictures, and have curves beside the probe's."""

import shutil
from functools import partial
from types import SimpleNamespace

import numpy as np
import panel_material_ui as pmui
import pytest

from core.evidence.subject import Subject
from core.filters.conditions import ColumnBetween
from core.probe.live import refit
from core.probe.offered import OFFERED, WITHOUT_COLUMN
from core.probe.scorers import compare_scorers
from core.wording import ranged
from core.workspace import Workspace
from dashboard.app import start, stop
from dashboard.choices import ColourBy
from dashboard.openings import Openings
from dashboard.settings import Settings
from dashboard.shared import Shared
from dashboard.state import SessionState
from dashboard.views.controls import COLUMN_ENDS, Controls
from dashboard.views.curves import CurvesPane
from dashboard.views.experiment import ExperimentPage
from dashboard.views.number_field import written
from dashboard.views.operating import OperatingPage
from dashboard.views.reading import SuggestionsPane
from dashboard.views.selection import SelectionPane
from tests.dashboard.direct import Direct, unmarked
from tests.dashboard.loop import EventLoop, Tab
from tests.waiting import wait_for
from tests.worlds import made, read, with_columns


@pytest.fixture(scope="module")
def space(tmp_path_factory):
    with with_columns(tmp_path_factory.mktemp("page") / "w") as found:
        refit(found)
        yield found


@pytest.fixture
def state(space):
    shared = Shared(space)
    shared.refresh_curves(paired=True)
    return SessionState(workspace=space, shared=shared)


def test_columns_are_offered_as_colours_by_their_headers(state):
    offered = ["score:good", "score:half", "score:safe", "score:wrong"]
    assert state.param.colour_by.objects == [*ColourBy, *offered, "column:label"]


def test_a_columns_colours_run_towards_flagged_and_leave_images_without_a_score_grey(state, space):
    state.colour_by = "score:safe"
    values = state.colouring.values
    np.testing.assert_allclose(values, -space.catalog.score_columns.values("safe"), rtol=1e-6)
    assert (state.colouring.low, state.colouring.high) == pytest.approx(np.quantile(values, [0.01, 0.99]), rel=1e-5)
    state.colour_by = "score:half"
    rows = np.flatnonzero(np.isnan(state.colouring.values))
    assert len(rows) > 100
    assert set(state.colouring.colours_of(rows[:3])) == {state.colouring.colours_of(rows[:1])[0]}
    assert COLUMN_ENDS == ("less likely flagged", "more likely flagged")


def test_pictures_follow_the_column_that_the_map_is_coloured_by(state, space):
    pane = SelectionPane(state=state, actions=Direct(state, None))
    free = np.flatnonzero(~space.sealed)[:40]
    sealed = np.flatnonzero(space.sealed)[:5]
    state.selected = np.concatenate([sealed, free])
    certain = [tile["row"] for tile in pane._gallery.tiles]
    state.colour_by = "score:half"
    rows = [tile["row"] for tile in pane._gallery.tiles]
    values = space.catalog.score_columns.values("half")
    n = int((~np.isnan(values[free])).sum())
    assert rows[:n] == free[np.argsort(-values[free])][:n].tolist()
    assert [row for row in rows[n:] if space.sealed[row]] == sealed.tolist()  # at the end, in no order of scores
    assert all(np.isnan(values[row]) or space.sealed[row] for row in rows[n:])
    assert "Most likely flagged by score:half first, sealed check images last." in unmarked(pane._words.object)
    state.colour_by = ColourBy.LABEL
    assert [tile["row"] for tile in pane._gallery.tiles] == certain


def test_the_panel_has_a_curve_per_column_with_the_difference_to_the_probe(state, space):
    pane = CurvesPane(state=state, actions=Direct(state, None))
    assert set(pane._chart.layers) >= {"training", "active", "column-0", "column-1", "column-2"}  # the fourth is words only
    found = {scorer.name: scorer for scorer in compare_scorers(space)}
    good, words = found["good"], unmarked(pane._words.object)
    drawn = pane._chart.source("column-0").data
    np.testing.assert_allclose(drawn["precision"], good.curve.thinned()[1])
    change = good.against.average_precision
    assert (
        f"average precision {ranged(*good.average_precision)}, 43/110 flagged; better than the probe: "
        f"average precision +{change.value:.3f}" in words
    )
    assert "ranks worse than chance" in words
    assert "series column-0" in words


def answer(page, *, text=""):
    """Answer the question on the page as a browser does."""
    page._ask._handle_msg({"number": page._ask.number, "go": True, "option": "", "text": text})


@pytest.fixture
def page(space, tmp_path):
    with Workspace(shutil.copytree(space.folder, tmp_path / "w")) as mine:
        read(mine, 100)
        refit(mine)
        state = SessionState(workspace=mine, shared=Shared(mine), page="operating")
        found = OperatingPage(state=state, actions=Direct(state, Openings(mine)))
        found._load(None)
        yield found


def test_the_operating_point_page_opens_and_promises_a_column_beside_the_probe(page):
    assert page._scorers.options == ["probe", "good", "half", "safe", "wrong"]
    page._check.ask_open()
    answer(page)
    assert page._view.opened.scorer == "probe"
    page._scorers.value = "good"
    assert page._view.opened is None
    assert not page._charts.visible
    assert page._view.status.subject == Subject("", "good")
    page._check.ask_open()
    answer(page)
    opened = page._view.opened
    assert (opened.scorer, opened.n, page._threshold) == ("good", 150, opened.threshold)
    assert "Review images with scores of &#x27;good&#x27; ≥ " in unmarked(page._promise.object)
    assert "both were opened with, &#x27;good&#x27; is better than &#x27;probe&#x27;" in unmarked(page._check._footer.object)
    assert page._view.naive is None  # a column has not learned from our labels
    assert list(page._points.exports()) == ["rule"]  # the probe's: a bundle cannot compute a column
    page._points.ask_name()
    answer(page, text="vendor")
    page._load(None)
    assert [(point.name, point.scorer) for point in page._view.points] == [("vendor", "good")]
    page._scorers.value = "half"
    assert "has no score for" in unmarked(page._check._closed.object)
    assert page._check._open.disabled
    page._check.ask_open()
    assert not page._ask.open
    assert "has no score for" in page.state.message
    page._scorers.value = "probe"
    assert page._view.opened.scorer == "probe"
    assert "is worse than &#x27;good&#x27;" in unmarked(page._check._footer.object)


def test_decisions_are_worked_out_again_only_when_a_point_in_force_changes(monkeypatch):
    point = partial(SimpleNamespace, policy="", opening=1, threshold=0.5)
    saved, worked_out = [point(name="a", in_force=True)], []
    monkeypatch.setattr("dashboard.shared.points", lambda _: saved)
    monkeypatch.setattr("dashboard.shared.rules_in_force", lambda _: worked_out.append(1))
    shared = Shared(SimpleNamespace(policies=("all",), current=None))
    shared.rules_in_force()
    saved.append(point(name="b", in_force=False))
    shared.rules_in_force()
    assert len(worked_out) == 1
    saved[:] = [point(name="a", in_force=False), point(name="b", in_force=True)]
    shared.rules_in_force()
    assert len(worked_out) == 2


def test_a_safe_columns_threshold_is_typed_and_shown_as_its_scores_are_given(page):
    page._scorers.value = "safe"
    page._check.ask_open()
    answer(page)
    given = -page._threshold + 0.01
    page._typed.value = written(given)
    assert page._threshold == pytest.approx(-given, abs=1e-4)
    assert float(page._typed.value) == pytest.approx(given, abs=1e-4)
    page._points.ask_name()
    answer(page, text="vendor")
    page._load(None)
    row = page._points._table.object.split(">vendor<")[1].split("</tr>")[0]
    assert f"<td>of &#x27;safe&#x27; ≤ {given:.2f}"[:-1] in row
    page._points.ask_export()
    assert page.state.message == page._view.no_export != ""  # a reason instead of a question
    assert not page._ask.open
    page._typed.value = "1.5"  # scores of this column are from 0 to 1
    assert "Scores go from 0.0" in page.state.message


def test_without_columns_there_is_no_choice_of_scorers(tmp_path):
    with made(tmp_path / "w") as space:
        state = SessionState(workspace=space, shared=Shared(space), page="operating")
        assert state.param.colour_by.objects == [*ColourBy, "column:label"]
        assert not OperatingPage(state=state, actions=Direct(state, Openings(space)))._scorers.visible


def test_a_label_waits_for_no_comparison_of_columns(space, monkeypatch):
    shared, compared = Shared(space), []
    monkeypatch.setattr("core.probe.scorers.paired_difference", lambda *_, **__: compared.append(1))
    monkeypatch.setattr("core.probe.scorers._beside_probe", lambda _: "beside")
    shared.curves("label")
    shared.refresh_curves()
    assert not compared
    shared.refresh_curves(paired=True)
    assert len(compared) == 4  # once for all gold columns
    found = shared.newest_curves("label")
    assert [c.note for c in found if c.key == "column"].count("beside") == 3  # the fourth is warned of
    assert found[-1].key == "gold"


def test_windows_follow_columns_that_are_changed_beside_them(tmp_path):
    with with_columns(tmp_path / "w") as found:
        refit(found)
    server, loop = start(Settings(workspace=tmp_path / "w", analyst="ann", device="cpu")), EventLoop()
    tab, space = Tab(loop, server), server.workspace
    state, actions = tab.state, tab.page.actions
    try:
        tab.do(lambda: server.hub.subscribe(tab.document, actions.follow))
        page = tab.do(lambda: OperatingPage(state=state, actions=actions))
        tab.do(lambda: state.param.update(page="experiment"))
        study = tab.do(lambda: ExperimentPage(state=state, actions=actions))
        tab.do(lambda: state.param.update(page="map", tab="suggestions"))
        suggestions = tab.pane(SuggestionsPane)
        controls = tab.do(lambda: Controls(state=state, actions=actions).__panel__())
        (colours,) = (select for select in controls.select(pmui.Select) if select.label == "Colour by")
        tab.do(lambda: setattr(state, "colour_by", "score:good"))
        tab.do(lambda: page._on_subject(scorer="good"))
        tab.do(lambda: setattr(suggestions._strategy, "value", "score:good"))
        assert (study._column.options, study._column.value) == (["good", "half", "safe", "wrong"], "good")
        tab.do(lambda: setattr(study._strategies, "value", ["vendor", "random"]))
        wait_for(lambda: any(curve.title.startswith("'good'") for curve in state.curves))

        server.jobs.add("columns", {"remove": "good", "stack": "safe"}, "bob")
        names = ["half", "probe + safe", "safe", "wrong"]
        wait_for(lambda: page._scorers.options == ["probe", *names])
        assert page._scorers.value == "probe"
        wait_for(lambda: suggestions._strategy.options == ["auto", *OFFERED, *(f"score:{name}" for name in names)])
        assert suggestions._strategy.value == "auto"
        assert study._column.options == ["good", "half", "safe", "wrong"]  # it is not shown
        tab.do(lambda: state.param.update(page="experiment"))
        assert (study._column.options, study._column.value) == (names, "half")
        assert study._strategies.value == ["vendor", "random"]
        assert state.colour_by == state.param.colour_by.default == colours.value
        assert [name for name in colours.options.values() if name.startswith("score:")] == [f"score:{name}" for name in names]
        assert "near-duplicates" in colours.options  # colours are in words, still
        wait_for(lambda: any(curve.title.startswith("'probe + safe'") for curve in state.curves))
        assert not any(curve.title.startswith("'good'") for curve in state.curves)

        tab.do(lambda: setattr(state, "colour_by", "score:half"))
        tab.do(lambda: setattr(state, "filters", (ColumnBetween(column="score:half", low=0.2, high=0.3),)))
        lines = [f"{space.image_id(row)},{0.25 + row % 2 / 2}" for row in range(space.n_images)]
        (tmp_path / "s.csv").write_text("\n".join(["image,score:half", *lines]) + "\n")
        tab.settle()
        assert not state.kept.any()
        server.jobs.add("labels", {"file": str(tmp_path / "s.csv"), "analyst": "bob", "beside": str(tmp_path)}, "bob")
        wait_for(lambda: (state.colouring.low, state.colouring.high) == pytest.approx((0.25, 0.75)))
        wait_for(lambda: state.kept.sum() > 100)

        for name in names:
            server.jobs.add("columns", {"remove": name}, "bob")
        wait_for(lambda: suggestions._strategy.options == ["auto", *OFFERED])
        wait_for(lambda: not study._scores.visible)
        assert study._strategies.options == list(WITHOUT_COLUMN)
        assert study._strategies.value == ["random"]
        assert study._column.value is None
    finally:
        tab.close()
        loop.close()
        stop(server)
