"""Keeps in the browser what the next page there begins with: the theme, in a cookie that the server reads, and the analyst."""

from collections.abc import Callable
from typing import ClassVar

import panel as pn
import param
from pydantic import Field

from dashboard.messages import Message
from dashboard.views.components.source import source


class Remembered(Message):
    """What the browser remembers."""

    analyst: str = Field(max_length=200)


class Memory(pn.custom.JSComponent):
    """An invisible keeper; put one on the page. `<html data-theme>` is "light" or "dark"."""

    dark: bool = param.Boolean(default=False, doc="The page is shown dark.")
    names: bool = param.Boolean(default=False, doc="The analyst's name is typed in the page, not that of a login.")
    analyst: str = param.String(doc="The name saved with labels.")
    is_set: bool = param.Boolean(
        default=False, doc="The settings name the analyst: only this tab's own name comes before theirs."
    )
    workspace: str = param.String(doc="Whose names these are: other workspaces may be served at this address.")
    on_name: Callable[[str], None] = param.Parameter(doc="Called with a name that was typed in this tab, or else this browser.")

    _rename: ClassVar[dict[str, str | None]] = {"on_name": None}  # stays in Python

    _esm = source("storage.js", "memory.js")
    _stylesheets = [source("connection.css")]

    def _handle_msg(self, msg: object) -> None:
        remembered = Remembered.read(msg)
        if remembered is not None and self.names and self.on_name is not None:
            self.on_name(remembered.analyst)
