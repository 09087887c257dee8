"""The path to a promise as a list of steps; each leads to where it is done."""

from collections.abc import Callable
from typing import ClassVar, TypedDict

import panel as pn
import param

from dashboard.messages import Message
from dashboard.theme import css
from dashboard.views.components.source import source


class StepItem(TypedDict):
    """One step of the list."""

    key: str
    stage: str  # done, now or later
    title: str
    count: str
    hint: str
    told: str  # what its term means; "" = it has none
    possible: bool


class Chosen(Message):
    """A step that was chosen."""

    key: str


class Steps(pn.custom.JSComponent):
    """An ordered list; the title of a step is a button, disabled while the step cannot be done."""

    steps: list[StepItem] = param.List(default=[], item_type=dict, doc="In their order.")
    on_step: Callable[[str], None] = param.Parameter(doc="Called with the key of a step that was chosen.")

    _rename: ClassVar[dict[str, str | None]] = {"on_step": None}  # stays in Python

    _esm = source("parts.js", "steps.js")
    _stylesheets = [css("term"), source("steps.css")]

    def _handle_msg(self, msg: object) -> None:
        chosen = Chosen.read(msg)
        if chosen is not None and self.on_step is not None:
            self.on_step(chosen.key)
