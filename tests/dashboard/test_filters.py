"""Filters in a tab: map, legend, gallery, labels, suggestions and clusters act on what passes, and on nothing else."""

from types import SimpleNamespace

import numpy as np
import pytest

from core.catalog.records import ImageRecord, PathRecord
from core.filters.conditions import conditions_of, text_of
from core.filters.views import views
from core.map.grid import GridIndex
from core.probe.suggest import suggest
from dashboard.address import address_of, query_of
from dashboard.choices import ColourBy, Order, Room, Tab
from dashboard.inputs import Inputs
from dashboard.shared import Shared
from dashboard.state import SessionState
from dashboard.times import minute
from dashboard.views.components.address import AddressBar
from dashboard.views.components.filter_bar import FilterWish
from dashboard.views.controls import Controls
from dashboard.views.filters import CHECK_NOTE, SEALED_NOTE, FiltersPane
from dashboard.views.reading import SuggestionsPane
from dashboard.views.selection import SelectionPane
from dashboard.views.selection_bar import SelectionBar
from tests.dashboard.direct import Direct
from tests.worlds import made, read, teach, with_gold

N = 300


class Waiting(Direct):
    """Does what a thread would do when the test says so; labels at once."""

    def __init__(self, state):
        super().__init__(state, None)
        self.waiting = []
        handout = SimpleNamespace(elsewhere=lambda _: set(), hold=lambda *_: None, release=lambda *_: None)
        self._server.__dict__.update(asks=None, pool=None, handout=handout)
        self._document = None
        state.param.watch(self._read_colouring, "colour_turn")
        state.param.watch(self._read_filters, "filter_turn")
        state.param.watch(self._read_places, ["order", "selected", "picked", "pinned", "encoder"])

    def run(self, verb, done, *, failed=lambda: None, **_):
        self.waiting.append(lambda: Direct.run(self, verb, done, failed=failed))

    def read(self):
        while self.waiting:
            self.waiting.pop(0)()


@pytest.fixture
def space(tmp_path):
    with made(tmp_path / "w", n=N - 4) as found:
        records = [ImageRecord(f"{n:032x}", f"/p/twin_{n}.png", 40, 30, 1, "PNG", f"{n}", f"{n // 2:032x}") for n in range(4)]
        files = [PathRecord(record.path, record.id, 1, 1) for record in records]
        found.catalog.images.add_batch(records, files, [])
        found.reload()
        with_gold(found, "album", ["cats", "dogs", "birds"] * (N // 3))
        teach(found, 40, np.random.default_rng(0))
        read(found, 40)
        yield found


@pytest.fixture
def tab(space):
    grid = GridIndex.build(np.random.default_rng(0).normal(size=(N, 2)).astype(np.float32))
    state = SessionState(workspace=space, shared=Shared(space), grid=grid)
    return state, Waiting(state)


def by(state, actions, text, **more):
    state.param.update(filters=conditions_of(text), **more)
    actions.read()


def test_a_filter_is_read_in_a_thread_and_legend_selection_and_bar_follow(tab, space, monkeypatch):
    state, actions = tab
    legend, bar = Controls(state=state, actions=actions)._legend, FiltersPane(state=state, actions=actions)._bar
    state.selected = np.arange(30)
    with monkeypatch.context() as patch:
        patch.setattr(Shared, "mask", lambda *_: pytest.fail("the event loop worked it out"))
        state.filters = conditions_of("value:album,cats")
        assert bar.said == "filtering …"
        assert len(state.selected) == 30  # what is on the screen stays what a key labels
    actions.read()
    assert state.selected.tolist() == list(range(0, 30, 3))
    assert state.whole.tolist() == list(range(30))
    assert (bar.said, bar.chips, bar.note) == ("100 of 300 images", ["album is 'cats'"], "")
    assert sum(entry["count"] for entry in legend.entries) == 100
    assert {e["code"]: e["count"] for e in legend.entries} == {
        code: int((space.labels.codes[::3] == code).sum()) for code in (0, 1, -1)
    }
    state.hidden = frozenset({-1})  # together with the legend
    assert state.shown().tolist() == ((np.arange(N) % 3 == 0) & (space.labels.codes >= 0)).tolist()
    by(state, actions, "")
    assert state.kept is None
    state.hidden = frozenset()
    assert state.selected.tolist() == list(range(30))
    assert bar.said == "all images"
    by(state, actions, "value:album,fish")
    assert bar.note.startswith("No image passes these filters; remove one of them.")
    assert not bar.can_select


def test_windows_share_a_mask_and_labels_renew_it(tab, space):
    state, actions = tab
    other = SessionState(workspace=space, shared=state.shared)
    by(state, actions, "class:!unlabelled;half:teach")
    by(other, elsewhere := Waiting(other), "class:!unlabelled;half:teach")
    assert other.kept is state.kept
    rows = np.flatnonzero(state.kept)[:5]
    state.selected = rows
    actions.label("neutral")
    actions.read()
    assert (space.labels.codes[rows] == 0).all()
    assert not state.kept[rows].any()
    assert not len(state.selected)
    elsewhere.state.follow(labels=True)
    elsewhere.read()
    assert not other.kept[rows].any()


def test_nothing_hidden_is_labelled_not_even_a_near_duplicate(tab, space):
    state, actions = tab
    twins = [row for row in range(N - 4, N) if (space.groups == space.groups[row]).sum() > 1]
    assert twins == list(range(N - 4, N))
    by(state, actions, "file:twin_0;class:!unlabelled")
    state.selected = np.arange(N)  # a lasso around everything
    before = space.labels.codes.copy()
    assert state.selected.tolist() == [N - 4]
    actions.label("explicit")
    actions.read()
    assert np.flatnonzero(space.labels.codes != before).tolist() == [N - 4]
    by(state, actions, "half:check")
    state.param.update(selected=np.array([], np.int64), picked=np.flatnonzero(state.kept)[:3].tolist())
    by(state, actions, "half:teach")
    assert state.picked == []  # not on the screen any more


def test_pictures_that_pass_are_shown_and_can_be_labelled_without_a_selection(tab, space):
    state, actions = tab
    pane = SelectionPane(state=state, actions=actions)
    bar = SelectionBar(state=state, actions=actions, inputs=Inputs(lambda _: None, lambda do: do()))
    state.copies = False
    by(state, actions, "value:album,dogs")
    assert [tile["row"] % 3 for tile in pane._gallery.tiles] == [1] * 100
    assert "100 pass the filters; none is selected" in pane._words.object
    assert "hidden by" not in pane._words.object
    actions.label("explicit")  # nothing is picked: nothing is meant
    actions.read()
    assert state.message_is_error
    state.picked = [4, 7]
    assert bar._told.object == "To label: <b>2</b>"
    actions.label("explicit")
    actions.read()
    assert (space.labels.codes[[4, 7]] == 1).all()
    bar_of_filters = FiltersPane(state=state, actions=actions)
    bar_of_filters._do(FilterWish(select=True))
    actions.read()
    assert state.selected.tolist() == list(range(1, N, 3))
    assert not bar_of_filters._bar.can_select
    by(state, actions, "value:album,none")
    assert "No image passes the filters" in pane._words.object


def test_pictures_come_in_every_order(tab, space):
    state, actions = tab
    pane = SelectionPane(state=state, actions=actions)
    state.copies = False
    state.selected = np.arange(N)

    def rows(order):
        state.order = order
        actions.read()
        assert len(pane._gallery.tiles) == N
        return [tile["row"] for tile in pane._gallery.tiles]

    fitted, sealed = space.fitted, space.sealed
    assert rows(Order.TIME) == list(range(N))[::-1]
    by_score = rows(Order.SCORE)
    known = [row for row in by_score if not sealed[row] and not np.isnan(fitted.score[row])]
    assert by_score[: len(known)] == known == sorted(known, key=lambda row: -fitted.score[row])
    names = [space.catalog.images.record(row)["path"].rpartition("/")[2] for row in rows(Order.NAME)]
    assert names == sorted(names)
    state.pinned = 17
    assert rows(Order.LIKENESS)[0] == 17
    state.pinned = None
    state.picked = [23]  # what is picked is what the others are compared with
    actions.read()
    assert pane._gallery.tiles[0]["row"] == 23
    assert rows(Order.UNCERTAINTY)[0] == int(np.nanargmax(fitted.uncertainty))


def test_sealed_answers_never_meet_what_the_model_says(tab, space):
    state, actions = tab
    bar = FiltersPane(state=state, actions=actions)._bar
    by(state, actions, "class:explicit,neutral")
    assert (state.kept & space.sealed).any()
    assert bar.note == ""
    for colour in (ColourBy.PREDICTED, ColourBy.SCORE, ColourBy.UNCERTAINTY):
        state.colour_by = colour
        actions.read()
        assert not (state.kept & space.sealed).any()
        assert bar.note == SEALED_NOTE
    by(state, actions, "score:0.1,", colour_by=ColourBy.LABEL)
    assert not (state.kept & space.sealed).any()
    assert bar.note == SEALED_NOTE
    state.tab = Tab.CHECK
    assert bar.note == CHECK_NOTE


def test_suggestions_pass_the_filters_and_say_when_none_does(tab, space):
    state, actions = tab
    state.tab = Tab.SUGGESTIONS
    pane = SuggestionsPane(state=state, actions=actions, inputs=Inputs(lambda _: None, lambda do: do()))
    by(state, actions, "value:album,birds")
    assert pane._waiting
    assert {one.row % 3 for one in pane._waiting} == {2}
    assert {one.row % 3 for one in suggest(space, 10)} != {2}
    by(state, actions, "class:explicit")
    assert pane._waiting == []
    assert pane._rest().startswith("No unlabelled image of the teach half passes the filters")


def test_the_bar_gives_the_stage_as_the_key_does_and_each_tab_keeps_its_own(tab):
    state, actions = tab
    pane = FiltersPane(state=state, actions=actions)
    assert (pane._bar.room, state.room) == (Room.BOTH, Room.BOTH)
    pane._do(FilterWish(room="map"))
    state.tab = Tab.CLUSTERS
    assert pane._bar.room == Room.BOTH
    state.turn_room()
    assert pane._bar.room == Room.WORK
    state.tab = Tab.SELECTION
    assert (pane._bar.room, state.room) == (Room.MAP, Room.MAP)


def test_an_address_and_a_named_view_bring_filters_and_order_back(tab, space):
    state, actions = tab
    bar, pane = (
        AddressBar(state=state, soon=lambda do: do(), on_cluster=lambda _: None),
        FiltersPane(state=state, actions=actions),
    )
    mine = (*conditions_of("class:explicit,!unsure;score:0.25,"), *conditions_of("file:%C3%A4%3Bb%25%2C%26%3D%23"))
    state.param.update(filters=mine, order=Order.NAME)
    actions.read()
    query = bar.entry["query"]
    assert bar.entry["step"]
    assert address_of(query) == (bar._here(), True)
    assert query_of(address_of(query)[0]) == query
    pane._do(FilterWish(save=" strange ones "))
    actions.read()
    assert [view["name"] for view in pane._bar.views] == ["strange ones"]
    bar.go("")
    assert (state.filters, state.order) == ((), Order.UNCERTAINTY)
    actions.read()
    assert state.kept is None
    bar.go(query)
    assert (state.filters, state.order) == (mine, Order.NAME)
    bar.go("filter=class:x;nonsense")
    assert state.filters == ()
    assert state.message_is_error
    pane._do(FilterWish(show="strange ones"))
    actions.read()
    assert (text_of(state.filters), state.order) == (text_of(mine), Order.NAME)
    pane._do(FilterWish(rename={"name": "strange ones", "to": "ours"}))
    actions.read()
    pane._do(FilterWish(show="strange ones"))
    actions.read()
    assert state.message == "The view 'strange ones' was removed."
    pane._do(FilterWish(drop="ours"))
    actions.read()
    assert pane._bar.views == []
    assert views(space) == []


def test_the_bar_offers_what_there_is_and_takes_chips_away(tab, space):
    state, actions = tab
    pane = FiltersPane(state=state, actions=actions)
    pane._do(FilterWish(open=True))
    actions.read()
    offers = {offer["words"]: offer for offer in pane._bar.offers}
    assert [(c["value"], c["n"]) for c in offers["Half"]["choices"]] == [
        ("teach", int((~space.is_check).sum())),
        ("check", int(space.is_check.sum())),
    ]
    assert {c["words"]: c["n"] for c in offers["Label"]["choices"]}["unlabelled"] == int((space.labels.codes < 0).sum())
    assert {c["value"]: c["n"] for c in offers["album (column)"]["choices"]} == {"cats": 100, "dogs": 100, "birds": 100}
    added = offers["Added since"]["choices"]
    assert sum(c["n"] for c in added) == N
    assert all(c["words"] == minute(c["value"]) for c in added)
    pane._do(FilterWish.model_validate({"add": {"kind": "added", "since": "2026-11-20T23:00:00+00:00"}}))
    assert pane._bar.chips == ["added since 2026-11-20 23:00 UTC"]
    state.zone = "Asia/Tokyo"
    assert pane._bar.chips == ["added since 2026-11-21 08:00"]
    state.filters = ()
    assert offers["Labelled by"]["choices"] == [{"value": "ann", "words": "ann", "n": space.labels.n_labelled}]
    for wish in ({"kind": "half", "half": "check"}, {"kind": "file", "text": "twin"}, {"kind": "half", "half": "teach"}):
        pane._do(FilterWish.model_validate({"add": wish}))
    assert text_of(state.filters) == "half:teach;file:twin"
    pane._do(FilterWish(remove=5))
    pane._do(FilterWish(remove=0))
    assert text_of(state.filters) == "file:twin"
    pane._do(FilterWish(clear=True))
    assert state.filters == ()
    assert FilterWish.read({"add": {"kind": "half", "half": "both"}}) is None
