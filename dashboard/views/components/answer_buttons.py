"""A row of buttons that answer for what is in view: a click carries the place it was made on, as a key does."""

from collections.abc import Callable
from typing import ClassVar

import panel as pn
import param

from dashboard.inputs import Press
from dashboard.views.components.source import source


class Click(Press):
    """A click on one of the buttons."""

    verb: str
    value: str = ""  # "" = none


class AnswerButtons(pn.custom.JSComponent):
    """Buttons of {verb, value, label, note, title, colour}; a click calls `on_answer(press, verb, value)`."""

    buttons = param.List(default=[], item_type=dict, doc="In their order; colour '' = plain, value '' = none.")
    place = param.String(doc="What these buttons answer for, as the server names it.")
    disabled = param.Boolean(default=False)
    on_answer: Callable[[Press, str, str], None] = param.Parameter(doc="Called with each click.")

    _rename: ClassVar[dict[str, str | None]] = {"on_answer": None}  # stays in Python

    _esm = source("answer_buttons.js")
    _stylesheets = [source("answer_buttons.css")]

    def _handle_msg(self, msg: object) -> None:
        click = Click.read(msg)
        if click is not None and self.on_answer is not None:
            self.on_answer(click, click.verb, click.value)
