"""The map's pane without a browser: what a browser would send goes in, what it would paint comes out."""

import zlib
from concurrent.futures import Executor, Future
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import param
import pytest
from bokeh.events import DoubleTap, PanStart, SelectionGeometry, Tap

from core.map.grid import GridIndex
from core.map.outlines import Outline
from core.map.raster import Colouring, ColouringKind
from dashboard.choices import Room
from dashboard.coalesce import Coalesce
from dashboard.inputs import Press
from dashboard.painter import DIMMED, DOTS_UP_TO, Painter, Request
from dashboard.shared import Once
from dashboard.state import SessionState
from dashboard.views.components.class_list import legend_of
from dashboard.views.components.gallery import Gallery
from dashboard.views.components.keys import Keys
from dashboard.views.map import MapPane

N = 6_000
PALETTE = ("#ff0000", "#0000ff")


class InlineExecutor(Executor):
    """Does the work at once, on the caller's thread."""

    def submit(self, fn, /, *args, **kwargs):
        future = Future()
        future.set_result(fn(*args, **kwargs))
        return future


class State(param.Parameterized):
    """What `SessionState` promises to the map."""

    grid = param.Parameter()
    layout = param.Parameter(default=("e", 1))
    colouring = param.Parameter()
    hidden = param.Parameter(default=frozenset())
    kept = param.Parameter()
    selected = param.Parameter(default=np.array([], np.int64))
    highlighted = param.Parameter(default=np.array([], np.int64))
    colour_by = param.String(default="label")
    tab = param.String(default="selection")
    room = param.Selector(default=Room.BOTH, objects=list(Room))
    lasso_mode = param.String(default="new")
    last_polygon = param.Parameter()
    pinned = param.Parameter()
    looked_at = param.Parameter()
    pointed_at = param.Parameter()
    view = param.Parameter()
    outlines = param.List(default=[])
    cluster = param.String(default="")
    dark = param.Boolean(default=False)
    privacy_view = param.String(default="blurred")
    reveal = param.Boolean(default=False)
    shared = param.Parameter()

    def __init__(self, **params):
        super().__init__(shared=Once(), **params)

    @property
    def ids(self):
        return np.array([f"{row:032x}".encode() for row in range(N)])

    @param.depends("selected", watch=True)
    def _highlight(self):
        self.highlighted = self.selected

    @property
    def whole(self):
        return self.selected

    @property
    def ringed(self):
        return self.looked_at

    select = SessionState.select

    def shown(self):
        return self.colouring.visible(self.hidden)

    def describe(self, row):
        return [f"<b>{row}</b>"]


def categorical(codes):
    empty = np.array([], np.float32)
    return Colouring(ColouringKind.CATEGORICAL, np.asarray(codes, np.int16), empty, PALETTE, "#999999", ("red", "blue"), 0, 1)


@pytest.fixture
def xy():
    return np.random.default_rng(0).uniform(0, 10, (N, 2)).astype(np.float32)


@pytest.fixture
def state(xy):
    return State(grid=GridIndex.build(xy), colouring=categorical(np.arange(N) % 2))


@pytest.fixture
def pane(state):
    pane = MapPane(state=state, pool=InlineExecutor())
    pane.sent = {}

    def remember(_attr, _old, new):
        pane.sent.update({layer["name"]: layer for layer in new["layers"]})

    pane._packed.on_change("data", remember)
    for side, px in (("inner_width", 400), ("inner_height", 300)):  # the browser tells
        pane.figure.set_from_json(side, px)
    yield pane
    pane.close()


def drag(pane, geometry, *, final=True, **modifiers):
    pane.figure._trigger_event(PanStart(pane.figure, modifiers=modifiers))
    pane.figure._trigger_event(SelectionGeometry(pane.figure, geometry=geometry, final=final))


def box(x0, x1, y0, y1):
    return {"type": "rect", "x0": x0, "x1": x1, "y0": y0, "y1": y1}


def rows_in(xy, x0, x1, y0, y1):
    x, y = xy.astype(float).T
    return np.flatnonzero((x >= x0) & (x <= x1) & (y >= y0) & (y <= y1)).tolist()


def picture(pane, name="base"):
    """Return the newest of a layer as the browser unpacks it."""
    layer = pane.sent[name]
    return np.frombuffer(zlib.decompress(layer["bytes"]), "<u4").reshape(layer["height"], layer["width"])


def test_the_first_frame_shows_all_images_with_a_margin(pane, xy):
    x0, x1, y0, y1 = pane.view
    assert x0 < xy[:, 0].min() < xy[:, 0].max() < x1
    assert y0 < xy[:, 1].min() < xy[:, 1].max() < y1
    assert picture(pane).shape == (300, 400)
    assert pane.overlay.facts["mode"] == "image"
    assert pane._packed.data["alpha"] == [1.0, 1.0]


def test_a_lasso_selects_exactly_the_rows_inside(pane, state, xy):
    drag(pane, {"type": "poly", "x": [1.0, 9.0, 1.0], "y": [1.0, 1.0, 9.0]})
    x, y = xy.astype(float).T
    assert state.selected.tolist() == np.flatnonzero((x > 1) & (y > 1) & (x + y < 10)).tolist()
    assert state.last_polygon == [[1.0, 1.0], [9.0, 1.0], [1.0, 9.0]]
    assert pane.overlay.facts["selected"] == len(state.selected)
    assert pane.overlay.facts["idsum"] == state.selected.sum()
    assert picture(pane, "overlay").any()
    assert pane._packed.data["alpha"] == [DIMMED]


def test_what_is_looked_at_elsewhere_is_ringed(pane, state, xy):
    state.looked_at = 17
    assert [pane._looked_at.data[axis].tolist() for axis in "xy"] == [[value] for value in xy[17].tolist()]
    state.looked_at = None
    assert not len(pane._looked_at.data["x"])


def test_the_map_tells_what_is_in_view_and_follows_what_is_asked_for(pane, state):
    assert state.view == pane.view
    pane.figure.x_range.update(start=2.0, end=4.0)
    assert state.view == pane.view
    state.view = (1.0, 3.0, 5.0, 6.0)
    assert pane.view == (1.0, 3.0, 5.0, 6.0)
    other = MapPane(state=state, pool=InlineExecutor())
    assert other.view == (1.0, 3.0, 5.0, 6.0)
    other.close()


def test_a_box_selects_and_is_kept_as_a_polygon(pane, state, xy):
    drag(pane, box(2.0, 3.0, 4.0, 6.0))
    assert state.selected.tolist() == rows_in(xy, 2, 3, 4, 6)
    assert state.last_polygon == [[2.0, 4.0], [3.0, 4.0], [3.0, 6.0], [2.0, 6.0]]


@pytest.mark.parametrize(
    ("keys", "buttons", "meant"),
    [
        ({}, "new", "new"),
        ({"shift": True}, "new", "add"),
        ({"alt": True}, "new", "subtract"),
        ({"shift": True, "ctrl": True}, "new", "subtract"),
        ({"ctrl": True}, "new", "intersect"),
        ({}, "subtract", "subtract"),
        ({"shift": True}, "intersect", "add"),  # keys say it louder than buttons
    ],
)
def test_keys_and_buttons_say_what_a_lasso_does(pane, state, xy, keys, buttons, meant):
    a, b = set(rows_in(xy, 0, 5, 0, 10)), set(rows_in(xy, 3, 8, 0, 10))
    drag(pane, box(0, 5, 0, 10))
    state.lasso_mode = buttons
    drag(pane, box(3, 8, 0, 10), **keys)
    expected = {"new": b, "add": a | b, "subtract": a - b, "intersect": a & b}[meant]
    assert state.selected.tolist() == sorted(expected)


def test_a_selection_on_its_way_and_a_slip_of_the_mouse_change_nothing(pane, state):
    drag(pane, box(0, 5, 0, 10))
    before = state.selected
    drag(pane, box(0, 1, 0, 1), final=False)
    drag(pane, {"type": "poly", "x": [1.0, 2.0], "y": [1.0, 2.0]})
    drag(pane, {"type": "point", "x": 1.0, "y": 2.0})
    assert state.selected is before


def test_hidden_classes_are_neither_drawn_nor_selected_nor_found(pane, state, xy):
    state.hidden = frozenset({0})
    drag(pane, box(0, 5, 0, 10))
    assert state.selected.tolist() == [row for row in rows_in(xy, 0, 5, 0, 10) if row % 2 == 1]
    pixels = picture(pane)
    assert set((pixels[pixels > 0] & 0xFFFFFF).tolist()) == {0xFF0000}  # blue, little end first
    x, y = xy[0].astype(float)
    pane.figure._trigger_event(Tap(pane.figure, x=x, y=y))
    assert state.pinned is None or state.pinned % 2 == 1


def test_a_new_colouring_keeps_the_range_and_the_selection(pane, state):
    drag(pane, box(0, 5, 0, 10))
    pane.figure.x_range.update(start=0.5, end=9.5)
    before, view, selected = picture(pane), pane.view, state.selected
    state.colouring = categorical((np.arange(N) + 1) % 2)
    assert pane.view == view
    assert state.selected is selected
    assert (picture(pane) != before).any()


def test_a_new_selection_does_not_send_the_whole_map_again(pane):
    before = pane.sent["base"]
    drag(pane, box(0, 5, 0, 10))
    assert pane.sent["base"] is before


def test_few_points_in_view_are_real_dots_and_pictures_come_back(pane, state, xy):
    for range_ in (pane.figure.x_range, pane.figure.y_range):
        range_.update(start=2.0, end=3.0)
    assert pane.overlay.facts["mode"] == "dots"
    assert sorted(zip(pane._dots.data["x"], pane._dots.data["y"], strict=True)) == sorted(
        tuple(point) for point in xy[rows_in(xy, 2, 3, 2, 3)].astype(float).tolist()
    )
    assert not picture(pane).any()
    pane.fit()
    assert pane.overlay.facts["mode"] == "image"
    assert picture(pane).any()
    assert not len(pane._dots.data["x"])


def test_the_dots_of_the_selection_lie_on_top_and_the_others_are_dimmed(pane, state, xy):
    for range_ in (pane.figure.x_range, pane.figure.y_range):
        range_.update(start=2.0, end=3.0)
    drag(pane, box(2, 2.5, 2, 3))
    n = len(state.selected)
    assert (pane._dots.data["x"][-n:] <= 2.5).all()
    alpha = pane._dots.data["alpha"]
    assert alpha[-n:].min() > alpha[:-n].max() == pytest.approx(DIMMED)


def test_hover_shows_the_nearest_picture_and_leaving_hides_it(pane, state, xy):
    x, y = xy[7].astype(float)
    pane._mouse.data = {"x": [x], "y": [y], "sx": [30], "sy": [40]}
    assert pane.overlay.tip == {"id": f"{7:032x}", "lines": ["<b>7</b>"], "x": 30.0, "y": 40.0}
    assert (pane._hovered.data["x"], state.pointed_at) == ([x], 7)
    pane._mouse.data = {"x": [99.0], "y": [99.0], "sx": [0], "sy": [0]}
    assert pane.overlay.tip == {}
    pane._mouse.data = {"x": [x], "y": [y], "sx": [30], "sy": [40]}
    pane._mouse.data = {"x": [], "y": [], "sx": [], "sy": []}
    assert (pane.overlay.tip, len(pane._hovered.data["x"]), state.pointed_at) == ({}, 0, None)


def test_the_tip_is_clear_while_the_reveal_key_is_held(pane, state):
    assert pane.overlay.view == "blurred"
    state.reveal = True
    assert pane.overlay.view == "clear"
    state.reveal = False
    assert pane.overlay.view == "blurred"
    state.privacy_view = "grey"
    assert pane.overlay.view == "grey"


def test_nothing_is_selected_after_clearing(pane, state):
    drag(pane, box(0, 5, 0, 10))
    pane.clear_selection()
    assert len(state.selected) == 0
    assert state.last_polygon is None
    assert not picture(pane, "overlay").any()


def test_a_click_pins_the_nearest_image_and_a_double_click_only_zooms_out(pane, state, xy):
    x, y = xy[7].astype(float)
    pane.figure._trigger_event(Tap(pane.figure, x=x, y=y))
    assert state.pinned == 7
    assert pane._pinned.data["x"] == [x]
    pane._before_tap = (-np.inf, None)
    view = pane.view
    pane.figure.x_range.update(start=2.0, end=6.0)
    for _ in range(2):
        pane.figure._trigger_event(Tap(pane.figure, x=3.0, y=99.0))
    pane.figure._trigger_event(DoubleTap(pane.figure, x=3.0, y=99.0))
    assert state.pinned == 7
    assert pane.view == view


def test_a_new_layout_is_drawn_and_fitted(pane, state, xy):
    state.param.update(grid=GridIndex.build(xy[:100] + 50), layout=("e", 2), colouring=categorical(np.zeros(100)))
    assert pane.view[0] > 49
    assert len(pane._dots.data["x"]) == 100


def test_a_map_that_has_got_more_images_stays_as_it_is_under_the_hand(pane, state, xy):
    pane.figure.x_range.update(start=1.0, end=2.0)
    before, frame = pane.view, pane.overlay.facts["frame"]
    more = np.concatenate([xy, xy[:50] + 9])
    state.param.update(grid=GridIndex.build(more), colouring=categorical(np.arange(len(more)) % 2))
    assert pane.view == before
    assert pane.overlay.facts["frame"] > frame


def test_a_map_whose_colours_have_not_arrived_is_not_drawn(pane, state, xy):
    frame = pane.overlay.facts["frame"]
    state.grid = GridIndex.build(xy[:100])
    assert pane.overlay.facts["frame"] == frame


def test_outlines_are_drawn_with_names_and_the_chosen_one_is_stronger(pane, state):
    square = np.array([[1.0, 1.0], [3.0, 1.0], [3.0, 3.0], [1.0, 1.0]])
    two = Outline("M2", (square + 4, square + 6), (7.0, 9.0))
    state.param.update(outlines=[Outline("M1", (square,), (3.0, 3.0), title="© all rights"), two], cluster="M2")
    assert pane._names.data == {"x": [3.0, 7.0], "y": [3.0, 9.0], "name": ["M1  © all rights", "M2"]}
    assert [xs.tolist() for xs in pane._lines.data["xs"]] == [line[:, 0].tolist() for line in (square, *two.lines)]
    assert pane._lines.data["width"][0] < pane._lines.data["width"][1] == pane._lines.data["width"][2]
    assert pane.overlay.facts["outlines"] == 2
    light = pane._letters.glyph.text_color
    state.dark = True
    assert pane._letters.glyph.text_color == "#f5f5f5" != light
    assert pane._rims.glyph.text_color == pane._halo.glyph.line_color == "#111111"
    state.outlines = []
    assert pane._lines.data["xs"] == pane._names.data["name"] == []


@pytest.mark.parametrize("n", [0, 1])
def test_empty_and_lone_maps_work(n):
    state = State(grid=GridIndex.build(np.zeros((n, 2), np.float32)), colouring=categorical([0] * n))
    pane = MapPane(state=state, pool=InlineExecutor())
    for side in ("inner_width", "inner_height"):
        pane.figure.set_from_json(side, 300)
    drag(pane, box(-1, 1, -1, 1))
    assert len(state.selected) == n
    assert pane.overlay.facts["mode"] == "dots"


def test_a_closed_map_draws_no_more(pane, state):
    frame = pane.overlay.facts["frame"]
    pane.close()
    state.hidden = frozenset({1})
    assert pane.overlay.facts["frame"] == frame


def test_the_selection_has_the_dots_of_the_map_below_it(state):
    request = Request(state.grid, state.colouring, frozenset(), np.array([5]), (0.0, 10.0, 0.0, 10.0), 400, 300, 1.0)
    assert len(state.grid.rows) > DOTS_UP_TO
    frame = Painter(Once()).draw(request)
    assert frame.overlay.dots == frame.base.dots


def test_windows_that_show_the_same_share_one_picture_and_others_do_not(state):
    once = Once()
    request = Request(state.grid, state.colouring, frozenset(), np.array([5]), (0.0, 10.0, 0.0, 10.0), 400, 300, 1.0)
    first = Painter(once).draw(request)
    assert Painter(once).draw(replace(request, selected=np.array([7]))).base is first.base
    for other in (
        {"keep": np.arange(state.grid.n) % 2 == 0},
        {"hidden": frozenset({1})},
        {"width": 401},
        {"view": (0.0, 9.0, 0.0, 10.0)},
        {"pixel_ratio": 2.0},
    ):
        assert Painter(once).draw(replace(request, **other)).base is not first.base


class LaterExecutor(Executor):
    """Keeps the work until it is told to run."""

    def __init__(self):
        self.waiting = []

    def submit(self, fn, /, *args, **kwargs):
        self.waiting.append(fn)
        return Future()


def test_the_newest_request_wins_and_work_never_runs_twice_at_once():
    pool, done = LaterExecutor(), []
    ask = Coalesce(pool, lambda request: request * 10, done.append)
    for request in (1, 2, 3):
        ask(request)
    assert len(pool.waiting) == 1
    pool.waiting.pop()()
    assert done == [30]
    ask(4)
    pool.waiting.pop()()
    assert done == [30, 40]


def test_a_failed_frame_is_logged_and_the_next_one_comes(caplog):
    pool, done = InlineExecutor(), []
    ask = Coalesce(pool, lambda request: done.append(1 / request), lambda _: None)
    ask(0)
    ask(2)
    assert done == [0.5]
    assert "drawing failed" in caplog.text


def test_the_legend_names_counts_and_keys_every_class():
    legend = legend_of(categorical([0, 0, 1, -1]), {"red": "1"}, "unlabelled", flagged=["blue"])
    told = [(entry["code"], entry["name"], entry["count"], entry["key"]) for entry in legend["entries"]]
    assert told == [(0, "red", 2, "1"), (1, "blue", 1, ""), (-1, "unlabelled", 1, "")]
    assert [entry["name"] for entry in legend["entries"] if entry["flagged"]] == ["blue"]
    assert legend["scale"] == {}


def test_the_legend_of_values_is_a_scale():
    empty, values = np.array([], np.int16), np.array([0.5], np.float32)
    legend = legend_of(Colouring(ColouringKind.CONTINUOUS, empty, values, PALETTE, "#999999", (), -5, 5), {}, "not scored")
    assert legend["entries"] == []
    missing = {"missing": "#999999", "missing_name": "not scored"}
    assert legend["scale"] == {"colours": list(PALETTE), "marks": ["≤ -5", "0", "≥ 5"], **missing}


def test_messages_of_the_components_reach_their_callbacks_and_the_models_build():
    pressed, pinned, more = [], [], []
    keys = Keys(on_key=pressed.append)
    gallery = Gallery(on_pin=pinned.append, on_more=lambda: more.append(True))
    seen = {"code": "KeyA", "place": "selection/3", "shown": ["ab"]}
    keys._handle_msg({"key": "a", "down": True, "shift": False, "ctrl": True, "alt": False, **seen})
    gallery._handle_msg({"pin": 3})
    gallery._handle_msg({"more": True})
    assert pressed == [Press(key="a", ctrl=True, code="KeyA", place="selection/3", shown=frozenset({"ab"}))]
    assert (pinned, more) == ([3], [True])
    for component in (keys, gallery):  # a callback must stay in Python: it once broke the whole page
        names = SimpleNamespace(**component.get_root().data.properties_with_values()).__dict__
        assert not {"on_key", "on_pin", "on_more"} & set(names)
