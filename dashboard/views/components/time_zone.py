"""Learns the reader's time zone from the browser."""

from collections.abc import Callable
from typing import ClassVar

import panel as pn
import param
from pydantic import Field

from dashboard.messages import Message
from dashboard.views.components.source import source


class Zone(Message):
    """The browser's time zone."""

    zone: str = Field(max_length=64, pattern=r"^[A-Za-z][A-Za-z0-9_+/-]*$")


class TimeZone(pn.custom.JSComponent):
    """An invisible messenger; put one on the page."""

    on_zone: Callable[[str], None] = param.Parameter(doc="Called with the name of the zone.")

    _rename: ClassVar[dict[str, str | None]] = {"on_zone": None}  # stays in Python
    _esm = source("time_zone.js")
    _stylesheets = [source("connection.css")]

    def _handle_msg(self, msg: object) -> None:
        told = Zone.read(msg)
        if told is not None and self.on_zone is not None:
            self.on_zone(told.zone)
