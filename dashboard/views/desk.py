"""The Map page: rail, stage and dock. The stage has the map, the work in tabs, or both side by side."""

from collections.abc import Callable
from concurrent.futures import Executor
from functools import partial
from typing import Any

import panel as pn
import panel_material_ui as pmui

from dashboard.actions import Actions
from dashboard.choices import ASKING_TABS, PageName, Room, Tab
from dashboard.inputs import Inputs
from dashboard.state import Begin, SessionState
from dashboard.theme import styled
from dashboard.views.begin import BeginPane
from dashboard.views.bulk import BulkPane, BulkResult
from dashboard.views.check import CheckPane
from dashboard.views.clusters import ClustersPane
from dashboard.views.components.splitter import Splitter
from dashboard.views.controls import Controls
from dashboard.views.dock import Dock
from dashboard.views.exposure import ReminderCard
from dashboard.views.filters import FiltersPane
from dashboard.views.first_run import FirstRun, wants_first_run
from dashboard.views.guide import Guide
from dashboard.views.map import MapPane
from dashboard.views.picture import PinnedPicture
from dashboard.views.reading import QueuePane, SuggestionsPane
from dashboard.views.review import ReviewPane
from dashboard.views.selection import SelectionPane
from dashboard.views.selection_bar import SelectionBar
from dashboard.views.shown import Later

MODES = {Room.BOTH: (), Room.WORK: ("in-work",), Room.MAP: ("in-map",)}  # classes of `css/desk.css`
STYLE = ("desk", "window", "no-selection")


class Desk:
    """Puts the panes of the Map page together in `row`, which its `parts` fill one after the other."""

    def __init__(self, *, state: SessionState, actions: Actions, inputs: Inputs, draw_pool: Executor) -> None:
        self._state, self._actions = state, actions
        self.map = MapPane(state=state, pool=draw_pool)
        self._both: dict[str, Any] = {"state": state, "actions": actions}
        self._with_inputs = {**self._both, "inputs": inputs}
        builders: dict[Tab, Callable[[], pn.viewable.Viewer]] = {
            Tab.SELECTION: partial(SelectionPane, **self._both),
            Tab.SUGGESTIONS: partial(SuggestionsPane, **self._with_inputs),
            Tab.CLUSTERS: partial(ClustersPane, **self._both),
            Tab.CHECK: partial(CheckPane, **self._with_inputs),
            Tab.REVIEW: partial(ReviewPane, **self._with_inputs),
        }
        self._panes = {tab: Later(state, builders[tab], wanted=partial(state.shows, PageName.MAP, tab)) for tab in Tab}
        self._tabs = pmui.Tabs(*((tab.capitalize(), self._panes[tab]) for tab in Tab), sizing_mode="stretch_both", margin=0)
        self._tabs.param.watch(self._on_tab, "active")

        self._cards: list[Later] = []
        self.row = pn.Row(sizing_mode="stretch_both", margin=0, **styled(*STYLE, sheet="desk"))
        state.param.watch(lambda event: setattr(self._tabs, "active", list(Tab).index(event.new)), "tab")
        state.param.watch(self._arrange, ["room", "probe_version"])
        self._arrange()

    def parts(self) -> tuple[Callable[[], pn.viewable.Viewable | pn.viewable.Viewer], ...]:
        """Return what makes the parts of the row, each to be called once."""
        return (
            lambda: pn.Column(Controls(**self._both), sizing_mode="stretch_both", **styled("rail", "window")),
            partial(Splitter, column="rail", label="Width of the left column", start=188, least=150, css_classes=["rail-bar"]),
            lambda: pn.Column(FiltersPane(**self._both), sizing_mode="stretch_width", **styled("filters")),
            lambda: pn.Column(self.map, sizing_mode="stretch_both", **styled("map", "window")),
            partial(Splitter, column="work", label="Room for the pictures beside the map", least=240, css_classes=["work-bar"]),
            self._work,
            lambda: pn.Column(SelectionBar(**self._with_inputs), sizing_mode="stretch_width", **styled("acts", "window")),
            partial(
                Splitter,
                column="dock",
                label="Width of the evidence",
                start=376,
                least=376,
                closes=True,
                css_classes=["dock-bar"],
            ),
            lambda: Later(
                self._state,
                partial(Dock, **self._both),
                wanted=lambda: self._has_dock,
                on=["probe_version"],
                **styled("dock", "window"),
            ),
            self._over,
            lambda: Later(
                self._state,
                partial(BeginPane, **self._both),
                wanted=lambda: self._state.begin != Begin.NOT,
                on=["begin"],
                **styled("in-cover"),
            ),
            partial(self._card, partial(Guide, **self._both), lambda: self._state.guide, "guide", "hint"),
        )

    def _card(self, build: Callable[[], pn.viewable.Viewer], wanted: Callable[[], bool], on: str, style: str) -> Later:
        card = Later(self._state, build, wanted=wanted, on=[on], sizing_mode="stretch_width", **styled(style))
        self._cards.append(card)
        return card

    def _work(self) -> pn.Column:
        """Return the tabs, which the spot check or the pinned picture covers."""
        state, card = self._state, self._card
        return pn.Column(
            card(partial(BulkPane, **self._with_inputs), lambda: state.spot_check is not None, "spot_check", "in-cover"),
            card(partial(PinnedPicture, **self._with_inputs), lambda: state.pinned is not None, "pinned", "in-cover"),
            self._tabs,
            sizing_mode="stretch_both",
            **styled("work", "window", "holds-cover"),
        )

    def _over(self) -> pn.Column:
        """Return what lies at the foot of the stage, in most visits one at a time."""
        state, card = self._state, self._card
        return pn.Column(
            card(partial(FirstRun, **self._both), self._wants_first_run, "begin", "floats"),
            card(partial(ReminderCard, state=state), lambda: bool(state.reminder), "reminder", "floats"),
            card(partial(BulkResult, **self._both), lambda: state.bulk is not None, "bulk", "floats"),
            sizing_mode="stretch_width",
            **styled("over"),
        )

    def _wants_first_run(self) -> bool:
        return self._state.begin == Begin.NOT and wants_first_run(self._state.workspace)

    @property
    def _has_dock(self) -> bool:
        return bool(self._state.probe_version)

    def _arrange(self, *_: Any) -> None:
        """Give the stage to what has it now; the dock opens with the first probe."""
        dock = () if self._has_dock else ("no-dock",)
        self.row.css_classes = [*STYLE, *MODES[self._state.room], *dock]

    def _on_tab(self, event: Any) -> None:
        self._state.tab = list(Tab)[event.new]
        queue = self._panes[self._state.tab].pane
        if isinstance(queue, QueuePane):
            self._state.param.update(pinned=None, asked=queue.place)  # a pinned picture would cover what is asked for
            if queue.needs_refill:
                queue.refill()
        self.let_go()

    def let_go(self) -> None:
        """Let others be asked for what this tab's queue holds, while it is not on the screen."""
        if not (self._state.shows(PageName.MAP) and self._state.tab in ASKING_TABS):
            self._actions.hold([])

    def close(self) -> None:
        """Let go of what outlives the tab."""
        self.map.close()
