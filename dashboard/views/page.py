"""The page of one tab: header, desk and the further pages, and where a press of a key goes."""

import hashlib
from concurrent.futures import Executor
from functools import partial
from typing import Any

import panel as pn
import panel_material_ui as pmui
from panel.util import edit_readonly

from dashboard.actions import Actions
from dashboard.choices import PageName
from dashboard.inputs import Inputs, Press, Verb, key_rows, meant, verbs_by_key
from dashboard.skeleton import template
from dashboard.state import SessionState
from dashboard.theme import css, page_theme, styled, tokens
from dashboard.times import known
from dashboard.views.components.add_images import AddImages
from dashboard.views.components.address import AddressBar
from dashboard.views.components.connection import Connection
from dashboard.views.components.exposure_watch import ExposureWatch
from dashboard.views.components.key_table import KeyTable
from dashboard.views.components.keys import Keys
from dashboard.views.components.memory import Memory
from dashboard.views.components.terms import Terms
from dashboard.views.components.time_zone import TimeZone
from dashboard.views.desk import Desk
from dashboard.views.experiment import ExperimentPage
from dashboard.views.header import Header
from dashboard.views.history import HistoryPage
from dashboard.views.jobs import JobsPane
from dashboard.views.message import Toast
from dashboard.views.operating import OperatingPage
from dashboard.views.picture import EnlargedPicture
from dashboard.views.shown import Later, Steps
from dashboard.views.training import TrainingPage

FURTHER = {
    PageName.OPERATING: OperatingPage,
    PageName.TRAINING: TrainingPage,
    PageName.EXPERIMENT: ExperimentPage,
    PageName.HISTORY: HistoryPage,
}


class Page:
    """Puts the panes together; `template` is what the server shows."""

    def __init__(self, *, state: SessionState, actions: Actions, draw_pool: Executor, dark: bool = False) -> None:
        self.state, self.actions = state, actions
        self._inputs = Inputs(lambda sentence: actions.say(sentence, error=True), actions.soon)
        both = {"state": state, "actions": actions}
        self._desk = Desk(state=state, actions=actions, inputs=self._inputs, draw_pool=draw_pool)
        desk = pn.Column(self._desk.row, sizing_mode="stretch_both", margin=0, **styled("window"))  # a grid cannot be hidden
        self._pages: dict[str, pn.Column | Later] = {"map": desk}
        for name, kind in FURTHER.items():
            self._pages[name] = Later(state, partial(kind, **both), wanted=partial(state.shows, name), visible=False)
        self._connection = Connection()
        self._keys = Keys(on_key=self._on_key, place=state.place, verbs=verbs_by_key(state.workspace.classes))
        state.param.watch(lambda event: setattr(self._keys, "place", event.new), "place")
        self._key_table = KeyTable(rows=key_rows(state.workspace.classes), align="center", margin=(0, 4))
        self._inputs.add("picture", EnlargedPicture(state, actions))
        main = pn.Column(
            *(self._pages[name] for name in PageName), sizing_mode="stretch_both", margin=0, **styled("window", "type")
        )
        steps = Steps(pn.state.curdoc)
        steps.put(self._desk.row, *self._desk.parts())
        watch = partial(ExposureWatch, on_seen=actions.seen)
        self.address = AddressBar(state=state, soon=actions.soon, on_cluster=actions.select_named)
        steps.put(
            main,
            lambda: self._keys,
            partial(Toast, state=state),
            watch,
            Terms,
            self._memory,
            partial(TimeZone, on_zone=lambda zone: actions.soon(lambda: setattr(state, "zone", known(zone)))),
            lambda: self.address,
            lambda: self._connection,
        )  # which ends the skeleton
        self.template = pmui.Page(
            title="Lassoscope",
            template=template(),
            header=[Header(state=state), *self._intake(), JobsPane(**both), self._key_table],
            main=[main],
            theme_toggle=True,
            theme_config=page_theme(),
        )
        steps.start()
        self.template.config.raw_css = [tokens(), css("document")]
        with edit_readonly(self.template):
            # pmui follows a global parameter here, which keeps the page alive after its tab has closed and walks all its
            # models several times per click (half of the time from a label to its curves). Only a new reference ends the
            # old one.
            self.template.busy = state.param.fitting
        self.template.dark_theme = dark
        state.dark = dark
        self.template.param.watch(lambda event: setattr(state, "dark", event.new), "dark_theme")
        state.param.watch(self._on_page, "page")

    def _memory(self) -> Memory:
        state, soon = self.state, self.actions.soon
        memory = Memory(
            dark=state.dark,
            names=not state.signed_in,
            analyst=state.analyst,
            is_set=state.analyst_is_set,
            workspace=hashlib.sha256(str(state.workspace.folder.resolve()).encode("utf-8", "surrogateescape")).hexdigest()[:16],
            on_name=lambda name: soon(lambda: setattr(state, "analyst", name)),
        )
        state.param.watch(lambda event: setattr(memory, "dark", event.new), "dark")
        state.param.watch(lambda event: setattr(memory, "analyst", event.new), "analyst")
        return memory

    def _intake(self) -> list[AddImages]:
        if not self.state.workspace.writable:
            return []
        return [AddImages(root=self.actions.intake_root, align="center", margin=(0, 4))]

    def renew(self) -> None:
        """Load the page again at its address: what it was built from, such as the classes, is another."""
        self._connection.renew()

    def close(self) -> None:
        """Let go of what outlives the tab."""
        self._desk.close()

    def _on_page(self, event: Any) -> None:
        self._desk.let_go()
        for name, page in self._pages.items():
            room = page if name == "map" else page.room
            room.visible = event.new == name

    def _on_key(self, press: Press) -> None:
        self.actions.soon(partial(self._do, press))  # a component's message comes without the document's lock

    def _do(self, press: Press) -> None:
        if press.touch:
            self.state.reveal = press.down
            return
        verb, class_name = meant(press, self.state.workspace.classes)
        if verb == Verb.REVEAL and not (press.ctrl or press.alt):
            self.state.reveal = press.down
        if verb is None or not press.down or press.ctrl or press.alt:
            return
        if not self.state.shows(PageName.MAP):
            if verb == Verb.NOTHING:
                self.actions.forget_error()
            return
        if verb == Verb.KEYS:
            self._key_table.opens += 1
        elif verb == Verb.ROOM:
            self.state.turn_room()
        elif verb == Verb.NOTHING:
            self._nothing()
        elif self.state.spot_check is not None and verb != Verb.LABEL:
            return  # the spot check waits for its answer
        elif verb == Verb.UNDO:
            if not self._inputs.undo(press):
                self.actions.undo()
        elif verb in (Verb.GROW, Verb.SHRINK):
            self.actions.change_selection(grow=verb == Verb.GROW)
        elif verb == Verb.CLUSTER:
            self.actions.select_cluster()
        elif verb == Verb.MORE:
            if self.state.pinned is not None or not self.state.asks:  # else the examples are not on the screen
                self.actions.more_like(self.state.examples())
        else:
            self._inputs.act(press, verb, class_name)

    def _nothing(self) -> None:
        """Cancel the spot check, or else forget an error, or unpin, or select nothing: what lies on top goes first."""
        if self.state.spot_check is not None:
            self.actions.cancel_spot_check()
        elif self.state.message_is_error:
            self.actions.forget_error()
        elif self.state.pinned is not None:
            self.state.pinned = None
        else:
            self._desk.map.clear_selection()
