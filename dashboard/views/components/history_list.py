"""The audit trail as a list with one button per action. Text is set as text, never as markup."""

from collections.abc import Callable
from typing import ClassVar, Literal, TypedDict

import panel as pn
import param
from pydantic import Field

from core.images.decode import PrivacyView
from dashboard.messages import Message
from dashboard.views.components.source import source

Verb = Literal["undo", "redo", "spot_check"]


class Entry(TypedDict):
    """One action, as the list shows it."""

    seq: int
    at: str  # ISO 8601, UTC
    when: str  # the same on the reader's clock
    who: str
    what: str
    how: str
    state: Literal["stands", "undone", ""]
    can: Literal["undo", "redo", ""]
    spot_check: bool  # more of its images can be spot-checked
    pictures: list[str]  # ids of some of its images


class Click(Message):
    """A click on a button of one action."""

    verb: Verb
    seq: int


class Picture(Message):
    """A click on a picture."""

    picture: str = Field(pattern=r"^[0-9a-f]{32}$")


class HistoryList(pn.custom.JSComponent):
    """One row an action, with its buttons."""

    entries: list[Entry] = param.List(default=[], item_type=dict, doc="Newest first.")
    on_verb: Callable[[Verb, int], None] = param.Parameter(doc="Called with (verb, seq).")

    on_picture: Callable[[str], None] = param.Parameter(default=lambda _: None, doc="Called with the id of a clicked picture.")
    view: PrivacyView = param.Selector(default=PrivacyView.BLURRED, objects=list(PrivacyView), doc="How pictures are shown.")
    reveal = param.Boolean(default=False, doc="The picture under the mouse is clear.")

    _rename: ClassVar[dict[str, str | None]] = {"on_verb": None, "on_picture": None}  # stay in Python

    _esm = source("parts.js", "history_list.js")
    _stylesheets = [source("history_list.css")]

    def _handle_msg(self, msg: object) -> None:
        if isinstance(msg, dict) and "picture" in msg:
            if (clicked := Picture.read(msg)) is not None:
                self.on_picture(clicked.picture)
        elif (click := Click.read(msg)) is not None:
            self.on_verb(click.verb, click.seq)
