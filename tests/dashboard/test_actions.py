"""The effects of a click, through `Actions` and the views of real tabs: labels, messages, and in which window."""

import math
import threading
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from core.catalog.criterion import NO_CRITERION
from core.errors import InputError
from core.evidence import check_sets, queues, second_reading
from core.labels.actions import history
from core.labels.bulk import SpotCheckResult, bulk_label, label_bulk
from core.labels.class_edits import ClassEdit
from core.map.clusters import clustering
from core.notices.find import Notices
from core.wellbeing.exposure import Limits
from core.wellbeing.store import limits
from dashboard.app import start, stop
from dashboard.choices import PageName
from dashboard.choices import Tab as TabName
from dashboard.inputs import Verb
from dashboard.settings import Settings
from dashboard.views.bulk import BulkPane, BulkResult
from dashboard.views.clusters import NOTICES, ClustersPane
from dashboard.views.exposure import ExposureTable
from dashboard.views.history import HistoryPage
from dashboard.views.operating import OperatingPage
from tests.dashboard.direct import unmarked
from tests.dashboard.loop import EventLoop, Tab
from tests.waiting import wait_for
from tests.worlds import made, read, teach

NOTHING = np.array([], np.int64)
N = 1_200
SECONDS = 2.0  # a window reports what was on its screen as often


def fill(folder):
    """Make a workspace with labels, an opening and a map of three clusters."""
    with made(folder, n=N) as space:
        teach(space, 80, np.random.default_rng(1))
        read(space, 150)
        check_sets.open_check_set(space, analyst="ann")
        centres = np.array([(0, 0), (10, 0), (0, 10)])[np.arange(N) % 3]
        (folder / "projection").mkdir()
        np.save(
            folder / "projection" / "map.npy", (centres + np.random.default_rng(0).normal(0, 0.1, (N, 2))).astype(np.float32)
        )
        space.catalog.models.add_projection("made", N, "projection/map.npy", {"seed": 0, "trustworthiness": None})


@pytest.fixture
def server(built_once, monkeypatch):
    monkeypatch.setattr("core.notices.find.find_notices", lambda space, **_: notices_of(space))
    server = start(Settings(workspace=built_once("actions", fill), analyst="ann"))
    yield server
    stop(server)


def notices_of(space):
    return Notices(np.arange(0, 30, 3), {"medium": ["m1"]}, {"medium": {"m1": "rights reserved"}}, {}, was_read=True)


@pytest.fixture(scope="module")
def loop():
    loop = EventLoop()
    yield loop
    loop.close()


@pytest.fixture
def tab(loop, server):
    tab = Tab(loop, server)
    tab.settle()
    yield tab
    tab.close()


@pytest.fixture
def space(server):
    return server.workspace


def act(tab, action):
    tab.do(lambda: action(tab.page.actions))
    tab.settle()


def show(tab, /, **where):
    tab.do(lambda: tab.state.param.update(**where))
    tab.settle()


def teach_half(space):
    return np.flatnonzero(~space.is_check & (space.labels.codes < 0))


# -- labels --


def test_a_button_labels_the_picked_ones_alone_and_lets_go_of_them(tab, space):
    rows = teach_half(space)[:5]
    show(tab, selected=rows)
    show(tab, picked=rows[:2].tolist())
    act(tab, lambda actions: actions.label("explicit"))
    assert [space.class_names[code] for code in space.labels.codes[rows[:2]]] == ["explicit"] * 2
    assert (space.labels.codes[rows[2:]] < 0).all()
    assert tab.state.picked == []
    action, stands = history(space, 1)[0]
    assert (action.source, action.analyst, stands) == ("single", "ann", True)


def test_nothing_selected_is_a_sentence_and_a_bug_is_another(tab, monkeypatch, caplog):
    act(tab, lambda actions: actions.label("explicit"))
    assert tab.state.message.startswith("Nothing is selected")
    assert tab.state.message_is_error
    monkeypatch.setattr("dashboard.actions.labels.more_like", lambda *_, **__: 1 / 0)
    act(tab, lambda actions: actions.more_like(np.array([1])))
    assert tab.state.message.startswith("That failed unexpectedly; nothing was lost.")
    assert "ZeroDivisionError" in caplog.text


def test_the_analyst_who_labelled_them_is_told_in_their_own_window(loop, server, tab, space):
    other = Tab(loop, server)
    other.settle()
    show(other, analyst="bob")
    rows = teach_half(space)[:3]
    act(other, lambda actions: actions.label_rows(rows, "neutral", source="lasso"))
    act(tab, lambda actions: actions.label_rows(rows, "explicit", source="lasso"))
    wait_for(lambda: "ann has changed 3 of your 'neutral' labels: now 'explicit'." in other.state.message)
    other.close()


def test_undo_and_redo_say_what_they_did(tab, space):
    rows = teach_half(space)[:2]
    act(tab, lambda actions: actions.label_rows(rows, "explicit", source="lasso"))
    seq = history(space, 1)[0][0].seq
    act(tab, lambda actions: actions.undo())
    assert tab.state.message.startswith("Undone: 2 images")
    assert tab.state.undone == tuple(rows.tolist())
    assert (space.labels.codes[rows] < 0).all()
    act(tab, lambda actions: actions.redo(seq))
    assert (space.labels.codes[rows] >= 0).all()


def test_more_like_these_are_selected(tab):
    act(tab, lambda actions: actions.more_like(np.array([3])))
    assert len(tab.state.selected) == 60
    assert tab.state.message == "Selected the 60 images most like this one."


# -- many at once --


@pytest.fixture
def spot_checking(tab, space):
    """A tab with a spot check of 300 images before they become 'explicit'."""
    show(tab, selected=teach_half(space)[:300])
    act(tab, lambda actions: actions.label("explicit"))
    assert tab.state.spot_check.class_name == "explicit"
    return tab


def bulk_pane(tab):
    return tab.pane(BulkPane)


def test_many_wait_for_a_spot_check_and_no_other_label_comes_between(spot_checking, space):
    act(spot_checking, lambda actions: actions.label("neutral"))
    assert spot_checking.state.message == "First end the spot check of 'explicit': label, or cancel with Escape."
    act(spot_checking, lambda actions: actions.cancel_spot_check())
    assert spot_checking.state.spot_check is None
    assert (space.labels.codes[spot_checking.state.selected] < 0).all()


def test_what_is_wrong_in_the_spot_check_becomes_the_other_class_and_the_card_says_what_the_label_is_worth(
    spot_checking, space
):
    pane, rows = bulk_pane(spot_checking), spot_checking.state.spot_check.rows
    wrong = spot_checking.state.spot_check.shown[:2].tolist()
    spot_checking.do(lambda: setattr(pane._shown, "picked", wrong))
    assert pane._label.label == "Label 298 'explicit'  [2]"
    assert pane._wrong_class.value == "neutral"
    pane._since = 0.0  # a second press of a double press would be no answer
    spot_checking.do(lambda: pane.act(Verb.LABEL, "explicit"))
    spot_checking.settle()
    names = np.array(space.class_names)[space.labels.codes[rows]]
    assert (names == "explicit").sum() == 298
    assert set(names[np.isin(rows, wrong)]) == {"neutral"}
    card = spot_checking.pane(BulkResult)
    assert card._card.visible
    assert "298 labelled 'explicit'" in card._told.object
    assert spot_checking.state.bulk.purity.sentence.split(".")[0] in card._told.object.replace("&#x27;", "'")
    spot_checking.do(card._on_more)
    spot_checking.settle()
    assert spot_checking.state.spot_check.token  # more of the same label
    spot_checking.do(lambda: pane._end(answered=True))
    spot_checking.settle()
    assert spot_checking.state.message.startswith("Spot-checked ")
    spot_checking.do(card._close)
    assert not card._card.visible


def test_without_a_spot_check_nothing_is_known_of_a_bulk_label_and_history_offers_one(spot_checking, space):
    pane = bulk_pane(spot_checking)
    spot_checking.do(lambda: pane._end(answered=False))
    spot_checking.settle()
    token = spot_checking.state.bulk.token
    assert len(bulk_label(space, token).spot_checked) == 0
    show(spot_checking, page=PageName.HISTORY)
    page = spot_checking.pane(HistoryPage)
    newest = page._list.entries[0]
    assert (newest["what"].startswith("300 images → explicit"), newest["spot_check"], newest["can"]) == (True, True, "undo")
    spot_checking.do(lambda: page._on_verb("spot_check", newest["seq"]))
    spot_checking.settle()
    assert (spot_checking.state.spot_check.token, spot_checking.state.page) == (token, PageName.MAP)


def test_history_reads_the_bulk_labels_it_shows_and_no_others(tab, space, monkeypatch):
    for rows in np.split(teach_half(space)[:60], 2):
        skipped = SpotCheckResult(NOTHING, NOTHING, None)
        label_bulk(space, rows, "neutral", analyst="ann", source="lasso", criterion=NO_CRITERION, result=skipped)
    read, n_read = space.catalog.labels.actions, []
    monkeypatch.setattr(
        space.catalog.labels, "actions", lambda *seqs, **which: n_read.append(len(found := read(*seqs, **which))) or found
    )
    monkeypatch.setattr("dashboard.views.history.PAGE", 1)
    show(tab, page=PageName.HISTORY)
    (entry,) = tab.pane(HistoryPage)._list.entries
    assert entry["what"] == "30 images → neutral; none of the 30 'neutral' images was spot-checked."
    assert n_read == [2, 1]  # what is shown and whether there is more; the bulk label that is shown
    tab.do(lambda: tab.pane(HistoryPage)._on_verb("spot_check", entry["seq"]))
    tab.settle()
    assert tab.state.spot_check.token
    assert n_read == [2, 1, 1]


def test_what_looks_odd_can_be_left_out_as_a_whole(spot_checking):
    asked = spot_checking.state.spot_check
    odd = replace(asked, oddities=replace(asked.oddities, rows=asked.rows[:10], reasons=["10 look otherwise"]))
    spot_checking.do(lambda: spot_checking.state.param.update(spot_check=odd))
    pane = bulk_pane(spot_checking)
    assert "10 look otherwise" in pane._warning.object
    assert pane._without_odd.label == "Leave all 10 out"
    spot_checking.do(pane._leave_odd)
    spot_checking.settle()
    assert len(spot_checking.state.spot_check.rows) == 290
    assert not set(asked.rows[:10]) & set(spot_checking.state.spot_check.rows)


# -- what was seen --


def test_a_break_and_the_budget_are_reported_once(tab, space):
    act(tab, lambda actions: actions.set_limits(lambda: Limits(clear_budget=3, break_minutes=1)))
    assert limits(space, "ann") == tab.state.limits == Limits(3, 1)
    for _ in range(math.ceil(60 / SECONDS)):
        tab.do(lambda: tab.page.actions.seen({}, {"clear": SECONDS}))
    assert tab.state.reminder == "You have seen unblurred pictures for 1 minute. A short break helps."
    tab.do(lambda: tab.page.actions.seen({"clear": 4}, {"clear": 0.1}))
    wait_for(lambda: tab.state.reminder.startswith("You have seen 4 pictures clear today, which is your budget of 3."))
    tab.do(lambda: tab.page.actions.seen({"x": 1}, {}))
    assert tab.state.message.startswith("There is no view 'x'")


def test_another_analyst_has_limits_of_their_own(tab):
    act(tab, lambda actions: actions.set_limits(lambda: Limits(9, 9)))
    show(tab, analyst="bob")
    assert tab.state.limits == Limits()
    assert tab.state.guide
    act(tab, lambda actions: actions.show_guide(False))
    show(tab, analyst="ann")
    assert tab.state.limits == Limits(9, 9)
    show(tab, analyst="bob")
    assert not tab.state.guide


def test_the_fields_of_limits_follow_the_analyst_and_only_a_number_takes_a_limit_away(tab):
    table = tab.do(lambda: ExposureTable(state=tab.state, actions=tab.page.actions))
    budget = table._fields[0]

    def type_(text):
        tab.do(lambda: setattr(budget, "value", text))
        tab.settle()
        return tab.state.limits.clear_budget, budget.value

    assert type_("150") == (150, "150")
    for odd in ("", "abc", "-1", "2.5", "1e9"):
        assert type_(odd) == (150, "150")
        assert (
            tab.state.message == f"Clear views a day (0 = no limit): a whole number from 0 to 100,000 is needed, got '{odd}'."
        )
    assert type_("0") == (0, "0")
    show(tab, analyst="bob")
    assert [field.value for field in table._fields] == ["200", "20"]
    show(tab, analyst="ann")
    assert budget.value == "0"


# -- the operating point --


def test_the_operating_point_is_shown_while_other_work_takes_long(tab, server):
    done = threading.Event()
    server.slow_pool.submit(done.wait)
    try:
        tab.do(lambda: setattr(tab.state, "page", PageName.OPERATING))
        page = tab.page._pages[PageName.OPERATING]
        wait_for(lambda: isinstance(page.pane, OperatingPage) and page.pane._view is not None)
    finally:
        done.set()


# -- clusters --


def test_clusters_are_found_listed_ordered_and_selected(tab, server, space):
    show(tab, tab=TabName.CLUSTERS)
    pane = tab.pane(ClustersPane)
    assert "This map has no clusters yet" in unmarked(pane._words.object)
    act(tab, lambda actions: actions.find_clusters())
    wait_for(lambda: tab.state.message.startswith("Clusters found: ") and not tab.state.finding)
    tab.settle()
    assert len(pane._list.entries) == 3
    assert f"3 clusters, {N:,} images" in unmarked(pane._words.object)
    assert len(tab.state.outlines) == 3
    name = pane._list.entries[1]["name"]
    tab.do(lambda: pane._pick(name))
    tab.settle()
    assert (tab.state.cluster, len(set(np.arange(N)[tab.state.selected] % 3))) == (name, 1)
    tab.do(lambda: pane._open(name))  # in place of the list, with the tools of any selection
    assert (pane._all.visible, pane._one.visible) == (False, True)
    gallery = pane._gallery._gallery
    assert {tile["row"] for tile in gallery.tiles} <= set(tab.state.selected.tolist())
    assert gallery.total == len(tab.state.selected) > len(gallery.tiles) > 0  # the others come with "Show more"
    tab.do(lambda: pane._step(1))
    assert pane._title.object == f"<b>{pane._list.entries[2]['title']}</b>"
    tab.do(lambda: pane._step(1))  # there is none after the last
    tab.do(lambda: pane._step(-1))
    assert tab.state.cluster == name
    tab.do(lambda: tab.state.select(NOTHING))
    assert pane._all.visible  # nothing is left to be shown
    tiles = gallery.tiles
    tab.do(lambda: pane._pick(name))
    assert gallery.tiles is tiles  # a gallery that nobody sees costs nothing
    act(tab, lambda actions: actions.label("neutral"))
    assert tab.state.spot_check is not None  # a whole cluster
    act(tab, lambda actions: actions.cancel_spot_check())
    for order in ("labelled", "score", "uncertainty"):
        tab.do(lambda order=order: setattr(pane._order, "value", order))
        assert len(pane._list.entries) == 3
    tab.do(lambda: setattr(pane._filter, "value", "near-duplicates"))
    assert pane._list.entries == []
    assert "0 of 3 clusters" in unmarked(pane._words.object)
    tab.do(lambda: setattr(pane._filter, "value", "all"))
    tab.do(lambda: setattr(pane._drawn, "value", False))
    assert tab.state.outlines == []
    tab.do(lambda: tab.state.select(NOTHING))
    assert pane._list.chosen == tab.state.cluster == ""
    for wanted, found in ((name, name), ("M99", "")):  # as links name them
        tab.do(lambda wanted=wanted: tab.state.select(NOTHING, cluster=wanted))
        act(tab, lambda actions, wanted=wanted: actions.select_named(wanted))
        assert pane._list.chosen == tab.state.cluster == found
        assert len(tab.state.selected) == (N // 3 if found else 0)
    assert tab.state.message == "This map has no cluster 'M99'; choose one in the Clusters tab."
    tab.do(lambda: setattr(tab.state, "colour_by", "cluster"))
    for grain in ("fine", "coarse"):  # colours follow the grain of the list
        tab.do(lambda grain=grain: setattr(tab.state, "grain", grain))
        tab.settle()
        wait_for(lambda grain=grain: set(tab.state.colouring.names) & set(clustering(space, grain).names))


def test_notices_come_first_with_titles_and_are_selected_as_one(tab, space, monkeypatch):
    monkeypatch.setattr("dashboard.actions.clusters.notices", notices_of)
    act(tab, lambda actions: actions.find_clusters())
    wait_for(lambda: tab.state.message.startswith("Clusters found: "))
    show(tab, tab=TabName.CLUSTERS)
    pane = tab.pane(ClustersPane)
    wait_for(lambda: pane._list.entries and pane._list.entries[0]["name"] == NOTICES)
    first = pane._list.entries[0]
    assert first["title"] == "Copyright notices · 10 images"
    assert first["words"][0] == "in m1; their words were read"
    tab.do(lambda: pane._pick(NOTICES))
    assert tab.state.selected.tolist() == list(range(0, 30, 3))


# -- the check half --


def test_a_second_reading_is_kept_beside_the_first_and_a_third_decides(tab, space):
    row = int(second_reading.waiting_for_second(space, "bob")[0])
    first = space.class_names[space.labels.codes[row]]
    other = next(name for name in space.class_names if name != first)
    done = []
    show(tab, analyst="bob")
    act(tab, lambda actions: actions.read_again(row, other, done=lambda: done.append("again")))
    assert tab.state.message == f"Second reading saved: '{other}'."
    assert second_reading.disagreements(space).tolist() == [row]
    act(tab, lambda actions: actions.adjudicate(row, other, done=lambda: done.append("decided")))
    assert second_reading.disagreements(space).tolist() == []
    assert space.class_names[space.labels.codes[row]] == other
    assert done == ["again", "decided"]


def test_two_windows_are_not_asked_for_the_same_pictures(loop, server, tab, space):
    other, asked = Tab(loop, server), []
    for each in (tab, other):
        show(each, tab=TabName.SUGGESTIONS)
        each.do(lambda each=each: each.page.actions.suggest(5, "auto", lambda found: asked.append({s.row for s in found})))
        each.settle()
    assert len(asked) == 2
    assert not asked[0] & asked[1]
    left = len(queues.queue(space, "promise", N, analyst="ann"))
    rows = []
    tab.do(lambda: tab.page.actions.check_queue("promise", left, lambda found: rows.extend(found)))
    tab.settle()
    assert len(rows) == left
    other.do(lambda: other.page.actions.check_queue("promise", 5, lambda _: None))
    other.settle()
    assert other.state.message == f"Other analysts are reading the last {left} images; try again in a minute."
    other.close()


# -- the operating point --


def test_an_export_writes_a_zip_and_says_what_it_is_of(tab, space, monkeypatch):
    monkeypatch.setattr("core.delivery.zipped.export_zip", lambda *_, **__: (_ for _ in ()).throw(InputError("No room.")))
    show(tab, page=PageName.OPERATING)
    page = tab.pane(OperatingPage)
    tab.do(lambda: page._points.export({}))
    tab.settle()
    assert tab.state.message == "No room."
    assert not page._ask.open
    tab.settle()
    monkeypatch.undo()
    written = space.folder / "exports" / "b.zip"

    def export(*_, on_progress, stop, **__):
        for done in range(5):
            on_progress(done, 4)
        assert not stop()
        return written, SimpleNamespace(rules=[])

    monkeypatch.setattr("core.delivery.zipped.export_zip", export)
    tab.do(lambda: page._points.export({}))
    tab.settle()
    assert tab.state.message.startswith("Exported b.zip: ")
    assert not page._ask.open
    assert page._points.download.button.visible


def test_another_set_begins_terms_change_and_windows_are_told(loop, server, tab, space):
    other = Tab(loop, server)
    show(other, page=PageName.OPERATING)
    act(tab, lambda actions: actions.change_terms("recall", 0.7, "", lambda: None))
    assert space.check_set.recall == 0.7
    undone = []
    act(tab, lambda actions: actions.change_terms("recall", 7, "", lambda: undone.append(1)))
    assert undone == [1]
    assert tab.state.message_is_error
    act(tab, lambda actions: actions.begin_set())
    assert tab.state.message == "Check set 2 has started; the old check labels are now used for live curves."
    wait_for(lambda: "(check set 2)" in unmarked(other.pane(OperatingPage)._check._closed.object))
    other.close()


# -- encoders --


def test_encoders_are_compared_and_one_that_is_not_there_is_refused(tab, monkeypatch):
    monkeypatch.setattr("dashboard.actions.encoders.compare_encoders", lambda *_, **__: ["judged"])
    found, failed = [], []
    act(tab, lambda actions: actions.compare_encoders(found.extend, failed=lambda: failed.append(1)))
    assert (found, failed) == (["judged"], [])
    act(tab, lambda actions: actions.use_encoder("other"))
    assert "other" in tab.state.message
    assert tab.state.message_is_error


def test_a_study_that_cannot_be_begins_with_a_sentence(tab, monkeypatch):
    def refused():
        raise InputError("Choose flagged values.")

    act(tab, lambda actions: actions.start_experiment(refused))
    assert tab.state.message == "Choose flagged values."
    assert not tab.state.studying


def test_the_page_reads_folders_of_the_server_by_the_rule_of_the_api(tab, server, tmp_path, monkeypatch):
    def said(folder, **options):
        monkeypatch.setitem(vars(server), "settings", Settings(workspace=server.workspace.folder, **options))
        act(tab, lambda actions: actions.begin_workspace([], str(folder), failed=lambda: None))
        return tab.state.message

    assert "reads no folder of the computer" in said(tmp_path, address="0.0.0.0")
    assert "reads no folder of the computer" in said(tmp_path, password="a long password")
    assert "is not below" in said("/etc", intake=tmp_path)
    assert "There is no" in said(tmp_path / "nowhere", intake=tmp_path)
    assert [job.kind for job in server.jobs.newest()] == []


def test_a_workspace_begins_with_the_images_that_are_there(tab, server, space, monkeypatch):
    monkeypatch.setitem(vars(server), "settings", Settings(workspace=space.folder, password="a long password"))
    edits = [ClassEdit(c.name, c.name, c.colour, c.key, c.flagged) for c in space.classes]
    kept = []
    monkeypatch.setattr(server.jobs, "add", lambda *job: kept.append(job))
    act(tab, lambda actions: actions.begin_workspace(edits, "", failed=lambda: None))
    assert kept == [("begin", {"source": ""}, tab.state.analyst)]
    monkeypatch.setattr(type(space), "n_images", 0)
    act(tab, lambda actions: actions.begin_workspace(edits, "", failed=lambda: None))
    assert tab.state.message.startswith("Images are needed: drop some here")
    assert len(kept) == 1


def test_a_class_takes_no_key_that_does_something_else_and_nothing_is_changed_without_a_name(tab, space):
    edits = [ClassEdit(c.name, c.name, c.colour, c.key, c.flagged) for c in space.classes]
    before, said = list(space.classes), []

    def save(edits, **words):
        act(tab, lambda actions: actions.edit_classes(edits, refused=said.append, **words))
        assert (list(space.classes), space.name, space.guideline) == (before, name, guideline)

    name, guideline = space.name, space.guideline
    renamed = [replace(edits[0], name="other"), *edits[1:]]
    save([replace(edits[0], key="z"), *edits[1:]])
    save(renamed, name="")
    save(renamed, guideline=" ")
    assert said == [
        f"The key Z does something else on the page (press ? to see what); choose another for '{edits[0].name}'.",
        "A workspace needs a name, for example the collection's.",
        "A guideline needs a name, for example v2.",
    ]


def test_a_path_that_is_too_long_is_refused_where_it_was_typed(tab, server, tmp_path, monkeypatch):
    monkeypatch.setitem(vars(server), "settings", Settings(workspace=server.workspace.folder, intake=tmp_path))
    told = []
    act(tab, lambda actions: actions.set_inbox(str(tmp_path / ("x" * 3_000)), told.append, watched=True))
    assert len(told) == 1
    assert told[0].endswith("is too long for a path; choose a shorter one.")


def test_hidden_images_leave_the_selection_until_they_are_shown_again(tab):
    state = tab.state
    rows = np.arange(90)
    tab.do(lambda: setattr(state, "selected", rows))
    codes = state.workspace.labels.codes[rows]
    labelled = rows[codes >= 0]
    assert 0 < len(labelled) < len(rows)
    tab.do(lambda: setattr(state, "hidden", frozenset({-1})))
    assert state.selected.tolist() == labelled.tolist() == state.targets().tolist()
    tab.do(lambda: setattr(state, "hidden", frozenset()))
    assert state.selected.tolist() == rows.tolist()


def test_a_selection_from_before_does_not_dim_the_work_of_another_tab(tab):
    state = tab.state
    tab.do(lambda: setattr(state, "selected", np.arange(5)))
    assert len(state.highlighted) == 5
    tab.do(lambda: setattr(state, "tab", TabName.SUGGESTIONS))
    assert (len(state.highlighted), len(state.selected)) == (0, 5)
    tab.do(lambda: setattr(state, "selected", np.arange(7)))
    assert len(state.highlighted) == 7  # made while this tab is open
    tab.do(lambda: state.param.update(tab=TabName.CHECK))
    tab.do(lambda: state.param.update(tab=TabName.SELECTION))
    assert len(state.highlighted) == 7


def test_the_map_rings_no_check_picture_while_it_shows_what_the_model_says(tab):
    state = tab.state
    tab.do(lambda: setattr(state, "tab", TabName.CHECK))

    def ringed(colour_by):
        state.param.update(looked_at=3, colour_by=colour_by)
        return state.ringed

    assert tab.do(lambda: ringed("label")) == 3
    assert tab.do(lambda: ringed("score")) is None
    tab.do(lambda: setattr(state, "tab", TabName.SELECTION))
    assert state.ringed is None  # that picture is no longer on the screen
    assert tab.do(lambda: ringed("score")) == 3
