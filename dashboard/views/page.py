"""The page of one tab: header, controls, map, tabs and the History page, and what the keys do."""

from concurrent.futures import Executor
from typing import Any

import panel as pn
import panel_material_ui as pmui
from panel.util import edit_readonly

from dashboard.actions import Actions
from dashboard.state import PAGES, TABS, SessionState
from dashboard.theme import page_theme
from dashboard.views.bulk import BulkPane
from dashboard.views.check import CheckPane
from dashboard.views.clusters import ClustersPane
from dashboard.views.components.exposure_watch import ExposureWatch
from dashboard.views.components.keys import KeyPress, Keys
from dashboard.views.controls import Controls
from dashboard.views.experiment import ExperimentPage
from dashboard.views.exposure import ReminderCard
from dashboard.views.guide import Guide
from dashboard.views.header import Header
from dashboard.views.history import HistoryPage
from dashboard.views.map import REVEAL_KEY, MapPane
from dashboard.views.message import MessageLine
from dashboard.views.operating import OperatingPage
from dashboard.views.picture import PinnedPicture
from dashboard.views.reading import SuggestionsPane
from dashboard.views.selection import SelectionPane
from dashboard.views.training import TrainingPage

# Panel makes every layout as high as its children's fixed heights together, hidden pages among them: the map would grow
# beyond the window. Here each part scrolls by itself instead.
WINDOW = {"min-height": "0"}
TYPE = {"--bokeh-font-size": "14px"}  # of running text: as large as Material's


class Page:
    """Puts the panes together; `template` is what the server shows."""

    def __init__(self, *, state: SessionState, actions: Actions, draw_pool: Executor) -> None:
        self.state, self.actions = state, actions
        self._map = MapPane(state=state, pool=draw_pool)
        self._suggestions = SuggestionsPane(state=state, actions=actions)
        self._check = CheckPane(state=state, actions=actions)
        self._clusters = ClustersPane(state=state, actions=actions)
        self._pinned = PinnedPicture(state=state, actions=actions)
        self._bulk = BulkPane(state=state, actions=actions)
        self._tabs = pmui.Tabs(
            ("Selection", SelectionPane(state=state, actions=actions)),
            ("Suggestions", self._suggestions),
            ("Clusters", self._clusters),
            ("Check", self._check),
            sizing_mode="stretch_both",
            margin=0,
        )
        self._tabs.param.watch(self._on_tab, "active")
        right = pn.Column(
            Guide(state=state, actions=actions), ReminderCard(state=state), self._bulk, self._pinned, self._tabs,
            width=390, sizing_mode="stretch_height", margin=4,
            styles=WINDOW | {"position": "relative"},
        )  # fmt: skip
        centre = pn.Column(self._map, MessageLine(state=state, page="map"), sizing_mode="stretch_both", margin=4)
        left = Controls(state=state, actions=actions)
        self._map_page = pn.Row(left, centre, right, sizing_mode="stretch_both", margin=0, styles=WINDOW)
        self._operating = pn.Column(OperatingPage(state=state, actions=actions), sizing_mode="stretch_both", visible=False)
        self._history = pn.Column(HistoryPage(state=state, actions=actions), sizing_mode="stretch_both", visible=False)
        self._training = pn.Column(TrainingPage(state=state, actions=actions), sizing_mode="stretch_both", visible=False)
        self._experiment = pn.Column(ExperimentPage(state=state, actions=actions), sizing_mode="stretch_both", visible=False)
        self.template = pmui.Page(
            title="Lassoscope",
            header=[Header(state=state)],
            main=[
                pn.Column(
                    self._map_page,
                    self._operating,
                    self._training,
                    self._experiment,
                    self._history,
                    Keys(on_key=self._on_key),
                    ExposureWatch(on_seen=actions.seen),
                    sizing_mode="stretch_both",
                    margin=0,
                    styles=WINDOW | TYPE,
                )
            ],
            theme_toggle=True,
            theme_config=page_theme(),
        )
        with edit_readonly(self.template):
            # pmui follows a global parameter here, which keeps the page alive after its tab has closed and walks all its
            # models several times per click (half of the time from a label to its curves). Only a new reference ends the
            # old one.
            self.template.busy = state.param.fitting
        state.dark = self.template.dark_theme
        self.template.param.watch(lambda event: setattr(state, "dark", event.new), "dark_theme")
        state.param.watch(self._on_page, "page")

    def close(self) -> None:
        """Let go of what outlives the tab."""
        self._map.close()

    def _on_page(self, event: Any) -> None:
        pages = (self._map_page, self._operating, self._training, self._experiment, self._history)
        for name, page in zip(PAGES, pages, strict=True):
            page.visible = event.new == name

    def _on_tab(self, event: Any) -> None:
        self.state.tab = TABS[event.new]
        if self.state.tab == "clusters":
            self._clusters.load()
        queue = {"suggestions": self._suggestions, "check": self._check}.get(self.state.tab)
        if queue is not None:
            self.state.pinned = None  # two pictures and two rows of class buttons: which one would a key label?
            if queue.needs_refill:
                queue.refill()

    def _on_key(self, press: KeyPress) -> None:
        key = press.key.lower()
        if self._bulk.asks and key != REVEAL_KEY and press.down:
            if not (press.ctrl or press.alt):  # those are the browser's
                self._bulk.on_key(key)
            return
        if self._map.on_key(press) or not press.down or press.ctrl or press.alt:
            return
        names = {c.key.lower(): c.name for c in self.state.workspace.classes}
        queue = {"suggestions": self._suggestions, "check": self._check}.get(self.state.tab)
        if key == "z":
            self.actions.undo()
        elif key in names and queue is not None:
            queue.answer(names[key])
        elif key in names:
            self.actions.label(names[key])
        elif key == "s" and queue is not None:
            queue.skip()
        elif key == "n" and queue is self._check:
            self._check.save_grid()
        elif key == "u" and queue is not None:
            queue.unsure()
        elif key == "m":
            self.actions.more_like(self.state.examples())
