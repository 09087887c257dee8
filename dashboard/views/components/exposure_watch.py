"""Counts which pictures were really on the screen, and how clear. Sees through shadow roots; sends sums, never pictures."""

from collections.abc import Callable
from typing import ClassVar

import panel as pn
import param

from dashboard.messages import Message
from dashboard.views.components.source import source


class Report(Message):
    """What was on the screen since the last report, by privacy view."""

    views: dict[str, int]
    seconds: dict[str, float]


class ExposureWatch(pn.custom.JSComponent):
    """An invisible watcher of every picture of `routes.py` on the page; put one there.

    A picture counts when at least half of it is on the screen, not scrolled away, in a tab in front. One view = one picture
    continuously in one privacy view for `MOMENT` ms. Seconds of a view = time with at least one such picture.
    """

    on_seen: Callable[[dict[str, int], dict[str, float]], None] = param.Parameter(doc="Called with views and seconds by view.")

    _rename: ClassVar[dict[str, str | None]] = {"on_seen": None}  # stays in Python

    _esm = source("exposure_watch.js")
    _stylesheets = [source("exposure_watch.css")]

    def _handle_msg(self, msg: object) -> None:
        report = Report.read(msg)
        if report is not None and self.on_seen is not None:
            self.on_seen(report.views, report.seconds)
