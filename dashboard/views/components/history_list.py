"""The audit trail as a list with one button per action. Text is set as text, never as markup."""

from collections.abc import Callable
from typing import ClassVar, Literal, TypedDict

import panel as pn
import param

from dashboard.messages import Message
from dashboard.views.components.source import source

Verb = Literal["undo", "redo", "spot_check"]


class Entry(TypedDict):
    """One action, as the list shows it."""

    seq: int
    when: str
    who: str
    what: str
    how: str
    state: Literal["stands", "undone", ""]
    can: Literal["undo", "redo", ""]
    spot_check: bool  # more of its images can be spot-checked


class Click(Message):
    """A click on a button of one action."""

    verb: Verb
    seq: int


class HistoryList(pn.custom.JSComponent):
    """One row an action, with its buttons."""

    entries: list[Entry] = param.List(default=[], item_type=dict, doc="Newest first.")
    on_verb: Callable[[Verb, int], None] = param.Parameter(doc="Called with (verb, seq).")

    _rename: ClassVar[dict[str, str | None]] = {"on_verb": None}  # stays in Python

    _esm = source("history_list.js")
    _stylesheets = [source("history_list.css")]

    def _handle_msg(self, msg: object) -> None:
        if (click := Click.read(msg)) is not None:
            self.on_verb(click.verb, click.seq)
