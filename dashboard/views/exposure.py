"""The analyst's exposure today: a line in the left column, a reminder when a limit is passed, a table on History."""

from typing import Any

import panel as pn
import panel_material_ui as pmui
import param

from core.errors import InputError
from core.wellbeing.exposure import Exposure, Level, Limits
from core.wording import counted
from dashboard.actions import Actions
from dashboard.choices import PageName
from dashboard.state import SessionState
from dashboard.theme import css
from dashboard.times import midnight
from dashboard.views.number_field import LONGEST, number_field, whole_number, written
from dashboard.views.shown import draw_when_shown
from dashboard.views.table import table
from dashboard.views.words import plain, words

LIMITS = ("Clear views a day (0 = no limit)", "Break after minutes (0 = never)")
MOST = 100_000  # views, or minutes


class ExposureLine(pn.viewable.Viewer):
    """The headline; a click opens the History page."""

    state = param.ClassSelector(class_=SessionState)

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self._button = pmui.Button(
            label="",
            description="",
            variant="text",
            size="small",
            color="default",
            stylesheets=[css("exposure")],
            sizing_mode="stretch_width",
            margin=(0, 4),
            on_click=lambda _: self.state.param.update(page=PageName.HISTORY),
        )
        self.state.param.watch(self._draw, ["exposure", "limits"])
        self._draw()

    def _draw(self, *_: Any) -> None:
        seen, budget = self.state.exposure, self.state.limits.clear_budget
        if seen is None:
            self._button.label = "Today: nothing seen yet"
            return
        clear, worth = seen.views.get("clear", 0), seen.labels_per_clear_view
        of = f" of {budget:,}" if budget else ""
        said = f" · {worth:,.1f} labels per clear view" if worth is not None else f" · {counted(seen.labels, 'label')}"
        self._button.label = f"Today: {clear:,}{of} clear views{said}"

    def __panel__(self) -> pn.viewable.Viewable:
        return self._button


class ReminderCard(pn.viewable.Viewer):
    """A reminder to take a break, until it is dismissed. It blocks nothing."""

    state = param.ClassSelector(class_=SessionState)

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self._layout = pmui.Alert(severity="info", closeable=True, sizing_mode="stretch_width", margin=(4, 8), visible=False)
        self._layout.param.watch(self._dismiss, "closed")
        self.state.param.watch(self._draw, "reminder")
        self._draw()

    def _dismiss(self, event: Any) -> None:
        if event.new:
            self.state.reminder = ""

    def _draw(self, *_: Any) -> None:
        reminder = self.state.reminder
        self._layout.param.update(object=plain(reminder), closed=not reminder, visible=bool(reminder))

    def __panel__(self) -> pn.viewable.Viewable:
        return self._layout


class ExposureTable(pn.viewable.Viewer):
    """Every analyst's days, one's own first, and one's own limits."""

    state = param.ClassSelector(class_=SessionState)
    actions = param.ClassSelector(class_=Actions)

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self._fields = tuple(number_field(label, width=210) for label in LIMITS)
        self._fills = False  # the fields are being written, not typed into
        self._fill()
        for field in self._fields:
            field.param.watch(self._on_limits, "value")
        self.state.param.watch(lambda *_: self._fill(), "limits")  # they are read after the page is there, and for each name
        self._title = words(margin=(4, 8))
        self._table = pn.Column(sizing_mode="stretch_width", margin=0)
        self._layout = pn.Column(
            self._title,
            self._table,
            pn.Row(*self._fields, margin=(10, 0, 14, 0)),
            sizing_mode="stretch_width",
            margin=0,
        )
        draw_when_shown(self.state, self._draw, ["exposure", "zone"], page=PageName.HISTORY)

    def _fill(self) -> None:
        """Write the limits there are into the fields."""
        self._fills = True
        for field, value in zip(self._fields, (self.state.limits.clear_budget, self.state.limits.break_minutes), strict=True):
            field.value = written(value)
        self._fills = False

    def _on_limits(self, *_: Any) -> None:
        """Keep what was typed. Nothing but a number of its own takes a limit away."""
        if self._fills:
            return
        try:
            wanted = Limits(*(_whole(field.label, field.value) for field in self._fields))
        except InputError as error:
            self.actions.say(str(error), error=True)
            self._fill()
            return
        self.actions.set_limits(lambda: wanted)

    def _draw(self) -> None:
        self.actions.load_exposures(self._show)

    def _show(self, found: list[Exposure]) -> None:
        mine = sorted(found, key=lambda seen: seen.analyst != self.state.analyst)
        starts = midnight(seen.day, self.state.zone) if (seen := next(iter(found), None)) else "00:00"
        days = "by day" if starts == "00:00" else f"by day, each from {starts} to {starts} of the next on your clock"
        self._title.object = f"<b>Pictures seen</b> <small>{days}; stored in this workspace only</small>"
        heads = ("Day", "Who", *(level.capitalize() for level in Level), "Labels", "Labels per clear view")
        self._table.objects = [table(heads, [_row(seen) for seen in mine])]

    def __panel__(self) -> pn.viewable.Viewable:
        return self._layout


def _whole(label: str, text: str) -> int:
    found = whole_number(text)
    if found is None or found > MOST:
        raise InputError(f"{label}: a whole number from 0 to {MOST:,} is needed, got '{text.strip()[:LONGEST]}'.")
    return found


def _row(seen: Exposure) -> tuple[str | int, ...]:
    worth = seen.labels_per_clear_view
    levels = [f"{seen.views.get(level, 0):,} in {seen.seconds.get(level, 0):,.0f} s" for level in Level]
    return seen.day, seen.analyst, *levels, seen.labels, "not defined" if worth is None else f"{worth:,.1f}"
