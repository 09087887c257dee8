"""What a tab shows while, and after, a thread reads what colour shows."""

import numpy as np
import pytest

from core.catalog.records import ImageRecord
from core.labels.actions import label
from core.map.grid import GridIndex
from core.palette import CONTINUOUS, COPPER, DIVERGING, OTHER, PLASMA
from core.probe.live import refit
from dashboard.address import address_of, query_of
from dashboard.choices import GOLD_PREFIX, QUICK_COLOURS, ColourBy
from dashboard.shared import Shared
from dashboard.state import SessionState
from dashboard.views.components.address import AddressBar
from dashboard.views.controls import Controls
from tests.dashboard.direct import Direct
from tests.worlds import made, teach, with_gold

READ = [colour for colour in ColourBy if colour not in QUICK_COLOURS]


class Waiting(Direct):
    """Reads what is fetched when the test says so."""

    def __init__(self, state):
        super().__init__(state, None)
        self.waiting = []
        state.param.watch(self._read_colouring, "colour_turn")

    def run(self, verb, done, **_):
        self.waiting.append((verb, done))

    def read(self):
        waiting, self.waiting = self.waiting, []
        for verb, done in waiting:
            done(verb())


@pytest.fixture
def space(tmp_path):
    with made(tmp_path / "w", n=300) as found:
        with_gold(found, "album", ["cats", "dogs", "neutral"] * 100)
        teach(found, 40, np.random.default_rng(0))
        yield found


@pytest.fixture
def tab(space):
    grid = GridIndex.build(np.random.default_rng(0).normal(size=(300, 2)).astype(np.float32))
    state = SessionState(workspace=space, shared=Shared(space), grid=grid)
    return state, Waiting(state)


def test_a_colour_that_takes_reading_is_read_in_a_thread_and_the_legend_says_so_meanwhile(tab, monkeypatch):
    state, actions = tab
    legend = Controls(state=state, actions=actions)._legend
    for colour in (*READ, GOLD_PREFIX + "album"):
        with monkeypatch.context() as patch:
            patch.setattr(Shared, "_colouring", lambda *_: pytest.fail("the event loop worked it out"))
            state.colour_by = colour
            assert [entry["name"] for entry in legend.entries] == ["reading…"]
            assert len(state.colouring) == 300
        actions.read()
        assert "reading…" not in str((legend.entries, legend.scale))
    state.colour_by = ColourBy.HALF  # read before: it is there at once
    assert [entry["name"] for entry in legend.entries] == ["teach", "check"]


def test_the_size_of_an_image_is_its_longer_side(tab, space):
    wide = ImageRecord("e" * 32, "/none/wide.png", 640, 480, 1, "PNG", "wide", "wide")
    space.catalog.images.add_batch([wide], [], [])
    space.reload()
    found = tab[0].shared.colouring(ColourBy.SIZE)
    assert (found.values[0], found.values[-1]) == (8, 640)


def test_windows_share_what_was_read(tab, space):
    state, actions = tab
    other = SessionState(workspace=space, shared=state.shared)
    elsewhere = Waiting(other)
    for one, at in ((state, actions), (other, elsewhere)):
        one.colour_by = ColourBy.HALF
        at.read()
    assert other.colouring is state.colouring


def test_what_was_read_for_a_colour_that_was_left_is_not_shown(tab):
    state, actions = tab
    state.colour_by = ColourBy.HALF
    state.colour_by = ColourBy.LABEL
    before = state.colouring
    actions.read()
    assert state.colouring is before


def test_a_label_and_a_fit_change_the_colours_by_disagreement(tab, space):
    state, actions = tab
    state.colour_by = ColourBy.DISAGREEMENT
    actions.read()
    row = int(np.flatnonzero(~space.is_check & (space.labels.codes < 0))[0])
    assert state.colouring.codes[row] == -1
    other = space.class_names[1 - int(space.fitted.predicted[row])]
    label(space, np.array([row]), other, analyst="ann", source="single")
    state.follow(labels=True)
    actions.read()
    assert state.colouring.codes[row] == 1
    refit(space)
    state.follow(fit=True)
    assert actions.waiting


def test_a_values_name_has_no_key_and_no_flag_though_a_class_is_called_so(tab):
    state, actions = tab
    legend = Controls(state=state, actions=actions)._legend
    assert {entry["name"]: entry["key"] for entry in legend.entries}["neutral"] == "1"
    state.colour_by = GOLD_PREFIX + "album"
    actions.read()
    found = {entry["name"]: (entry["key"], entry["flagged"]) for entry in legend.entries}
    assert found["neutral"] == ("", False)


def test_a_link_names_every_colour_and_what_its_legend_hides(tab):
    state, actions = tab
    bar = AddressBar(state=state, soon=lambda draw: draw(), on_cluster=lambda _: None)
    for colour in state.param.colour_by.objects:
        state.colour_by = colour
        actions.read()
        query = query_of(bar._here())
        assert address_of(query)[0].colour == colour
    bar.go("colour=half&hide=1")
    actions.read()
    assert (state.colour_by, state.hidden) == ("half", {1})
    assert np.flatnonzero(state.shown()).tolist() == np.flatnonzero(state.colouring.codes == 0).tolist()


def test_what_was_hidden_is_shown_again_when_codes_mean_something_else(tab):
    state, actions = tab
    state.colour_by = GOLD_PREFIX + "album"
    actions.read()
    state.hidden = frozenset({0})
    state.take_colouring(state.shared.colouring(ColourBy.HALF))
    assert state.hidden == frozenset()


@pytest.mark.parametrize("palette", [CONTINUOUS, DIVERGING, PLASMA, COPPER, (OTHER,)])
def test_a_scale_is_seen_on_white_and_on_dark(palette):
    for colour in palette:
        light = luminance(colour)
        assert 1.05 / (light + 0.05) >= 1.3, colour
        assert (light + 0.05) / (luminance("#111111") + 0.05) >= 1.5, colour


@pytest.mark.parametrize("palette", [CONTINUOUS, PLASMA, COPPER])
def test_a_scale_of_one_direction_gets_lighter_at_every_step(palette):
    """So it can be read without any sense of hue."""
    lights = [luminance(colour) for colour in palette]
    assert lights == sorted(lights)


def luminance(colour):
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return sum(share * part for share, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
