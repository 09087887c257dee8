"""A row of buttons that answer for what is in view: a click carries the place it was made on, as a key does."""

from collections.abc import Callable
from typing import ClassVar, TypedDict

import panel as pn
import param

from dashboard.inputs import Press
from dashboard.views.components.source import source


class Button(TypedDict):
    """One of the buttons."""

    verb: str
    value: str  # "" = none
    label: str
    note: str  # small, after the label
    title: str  # tooltip
    colour: str  # "" = plain


class Click(Press):
    """A click on one of the buttons."""

    verb: str
    value: str = ""  # "" = none


class AnswerButtons(pn.custom.JSComponent):
    """A row of buttons; a click calls `on_answer(press, verb, value)`."""

    buttons: list[Button] = param.List(default=[], item_type=dict, doc="In their order.")
    place = param.String(doc="What these buttons answer for, as the server names it.")
    disabled = param.Boolean(default=False)
    on_answer: Callable[[Press, str, str], None] = param.Parameter(doc="Called with each click.")

    _rename: ClassVar[dict[str, str | None]] = {"on_answer": None}  # stays in Python

    _esm = source("parts.js", "answer_buttons.js")
    _stylesheets = [source("answer_buttons.css")]

    def _handle_msg(self, msg: object) -> None:
        click = Click.read(msg)
        if click is not None and self.on_answer is not None:
            self.on_answer(click, click.verb, click.value)
