"""The server's jobs and inboxes, as a button in the header and a drawer: how far each is, cancel, retry, and which folders."""

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
    can_stop: bool  # the page may change it


class Press(Message):
    """A press of a job's button."""

    verb: Literal["cancel", "retry"]
    number: int = Field(ge=1)


class Watch(Message):
    """A folder to watch, or to watch no longer."""

    verb: Literal["watch", "unwatch"]
    folder: str = Field(min_length=1, max_length=4_096)  # as a person wrote it, or as the drawer shows it


class JobsDrawer(pn.custom.JSComponent):
    """A button that says how much is being done and opens the drawer. Text is set as text, never as markup."""

    jobs: list[JobItem] = param.List(default=[], item_type=dict, doc="Newest first.")
    inboxes: list[InboxItem] = param.List(default=[], item_type=dict, doc="Watched folders.")
    webhook: str = param.String(doc="Why decisions do not reach their receiver; '' while they do.")
    root: str = param.String(doc="The folder on the server below which folders may be watched; '' if none may.")
    told: str = param.String(doc="What came of the folder that was named last.")
    on_press: Callable[[Press], None] = param.Parameter(doc="Called with a press of a job's button.")
    on_watch: Callable[[Watch], None] = param.Parameter(doc="Called with a folder to watch, or to watch no longer.")

    _rename: ClassVar[dict[str, str | None]] = {"on_press": None, "on_watch": None}  # stay in Python

    _esm = source("parts.js", "jobs_drawer.js")
    _stylesheets = [source("jobs_drawer.css")]

    def _handle_msg(self, msg: object) -> None:
        if isinstance(msg, dict) and msg.get("verb") in ("watch", "unwatch"):
            watch = Watch.read(msg)
            if watch is not None and self.on_watch is not None:
                self.on_watch(watch)
            return
        press = Press.read(msg)
        if press is not None and self.on_press is not None:
            self.on_press(press)
