"""The audit trail as a list with one button per action. Text is set as text, never as markup."""

from collections.abc import Callable
from typing import ClassVar, Literal

import panel as pn
import param

from dashboard.messages import Message
from dashboard.views.components.source import source

Verb = Literal["undo", "redo", "look"]


class Click(Message):
    """A click on a button of one action."""

    verb: Verb
    seq: int


class HistoryList(pn.custom.JSComponent):
    """Rows of {seq, when, who, what, how, can, spot_check}; a click on a row's button sends {seq, verb}."""

    entries = param.List(default=[], item_type=dict, doc="Newest first.")
    on_verb: Callable[[Verb, int], None] = param.Parameter(doc="Called with (verb, seq).")

    _rename: ClassVar[dict[str, str | None]] = {"on_verb": None}  # stays in Python

    _esm = source("history_list.js")
    _stylesheets = [source("history_list.css")]

    def _handle_msg(self, msg: object) -> None:
        if (click := Click.read(msg)) is not None:
            self.on_verb(click.verb, click.seq)
