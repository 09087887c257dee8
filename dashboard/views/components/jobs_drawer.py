"""The server's jobs and inboxes, as a button in the header and a drawer: how far each is, what came of it, cancel and retry."""

from collections.abc import Callable
from typing import ClassVar, Literal, TypedDict

import panel as pn
import param
from pydantic import Field

from dashboard.messages import Message
from dashboard.views.components.source import source


class JobItem(TypedDict):
    """One job, as the drawer shows it."""

    number: int
    title: str
    who: str
    when: str  # of its last change, on the reader's clock
    state: str
    stage: str  # what is being done; "" while nothing is
    done: int
    total: int  # 0 = not known
    pace: str  # rate and remaining time, in words
    message: str  # what came of it
    can: Literal["cancel", "retry", ""]


class InboxItem(TypedDict):
    """One watched folder, as the drawer shows it."""

    folder: str
    said: str
    needs_help: bool


class Press(Message):
    """A press of a job's button."""

    verb: Literal["cancel", "retry"]
    number: int = Field(ge=1)


class JobsDrawer(pn.custom.JSComponent):
    """A button that says how much is being done and opens the drawer. Text is set as text, never as markup."""

    jobs: list[JobItem] = param.List(default=[], item_type=dict, doc="Newest first.")
    inboxes: list[InboxItem] = param.List(default=[], item_type=dict, doc="Watched folders.")
    on_press: Callable[[Press], None] = param.Parameter(doc="Called with a press of a job's button.")

    _rename: ClassVar[dict[str, str | None]] = {"on_press": None}  # stays in Python

    _esm = source("parts.js", "jobs_drawer.js")
    _stylesheets = [source("jobs_drawer.css")]

    def _handle_msg(self, msg: object) -> None:
        press = Press.read(msg)
        if press is not None and self.on_press is not None:
            self.on_press(press)
