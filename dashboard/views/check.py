"""The Check tab: images that the model never learns from, read blind (no score, no prediction) in a fixed random order."""

import html
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import panel as pn
import panel_material_ui as pmui

from core.catalog.criterion import Criterion
from core.catalog.records import Source
from core.evidence.focus import focus_draws
from core.evidence.queues import Queue
from core.evidence.second_reading import second_class
from core.labels.actions import standing
from core.missing import missing_for_check
from core.probe.suggest import Suggestion
from core.wording import counted
from dashboard.choices import Tab
from dashboard.inputs import Verb
from dashboard.views.class_buttons import class_buttons
from dashboard.views.components.gallery import Gallery, Tile
from dashboard.views.reading import REMEMBERED, QueuePane
from dashboard.views.shown import draw_when_shown

BATCH = 10  # images fetched ahead; no other window is asked for them
GRID = 25  # images read at once
TILE = 50  # px: six in a row, so that a window 720 px high has room for what is asked below
PURPOSES = {
    "a promise (sealed)": Queue.PROMISE,
    "live curves": Queue.LIVE,
    "precision (focus)": Queue.FOCUS,
    "second reading": Queue.SECOND,
    "disagreements": Queue.DISAGREEMENTS,
}
FIRST = (Queue.PROMISE, Queue.LIVE, Queue.FOCUS)  # purposes whose answer is the first reading of an image
GRIDS = 4  # whose picks an undo can bring back
BLIND = (
    "The model never learns from these. Score and prediction are hidden, and the order is random, so what you read here is "
    "evidence."
)
ABOUT = {
    Queue.PROMISE: "Sealed: their results stay hidden until you open the check set on the Operating point page. " + BLIND,
    Queue.LIVE: "For the curves that move while you label; they are not used for a promise. " + BLIND,
    Queue.FOCUS: "Drawn where the model is uncertain; weighted, and used for precision only. " + BLIND,
    Queue.SECOND: "Somebody else has read this image; their answer is hidden. Yours is kept beside it.",
    Queue.DISAGREEMENTS: "Two analysts have read this image differently.",
}
ONE_BY_ONE, AT_ONCE = "one by one", "25 at once"
CHOOSE = "choose …"


class CheckPane(QueuePane):
    """One picture at a time, or 25 of which the flagged ones are clicked."""

    tab = Tab.CHECK

    def __init__(self, **params: Any) -> None:
        self._doubt: tuple[int, str] | None = None  # row and class of an answer that contradicts the label there is
        self._doubted: dict[str, dict[str, int]] = {}  # of a grid: label there is -> reading -> images
        self._grids = 0
        self._of = Queue.PROMISE  # what the answered ones were read for
        super().__init__(**params)

    def _head(self) -> list[Any]:
        self._purpose = pmui.Select.from_param(
            self.state.param.read_for,
            label="Read for",
            options=PURPOSES,
            description="",
            size="small",
            width=165,
            margin=(4, 6),
        )
        self._way = pmui.Select(label="How", options=[ONE_BY_ONE, AT_ONCE], size="small", width=130, margin=(4, 6))
        self._gallery = Gallery(
            view=self.state.privacy_view, empty="Nothing to read.", tile_size=TILE, sizing_mode="stretch_width", height=340
        )
        classes = self.state.workspace.classes
        self._flagged = _choice("Clicked ones are", [c.name for c in classes if c.flagged])
        self._others = _choice("All others are", [c.name for c in classes if not c.flagged])
        self._save = class_buttons([], self.inputs.click, ("save", "Save  [N]", "Save these readings"))
        self._last_grids: list[tuple[list[Suggestion], list[int]]] = []  # saved ones with their picks, for an undo
        self._asks = pn.pane.HTML("", sizing_mode="stretch_width", margin=(2, 8))
        self._grid = pn.Column(
            self._gallery,
            pn.Row(self._flagged, self._others, margin=0),
            self._asks,
            self._save,
            sizing_mode="stretch_width",
            visible=False,
        )
        self.state.param.watch(lambda _: self.refill(), "read_for")
        draw_when_shown(self.state, self.actions.count_reading, ["labels_version", "openings", "encoder"], tab=Tab.CHECK)
        self.state.param.watch(lambda _: self.draw(), "reading")
        self._way.param.watch(self._on_way, "value")
        for widget, name in ((self._gallery, "picked"), (self._flagged, "value"), (self._others, "value")):
            widget.param.watch(lambda _: self._on_grid_changed(), name)
        return [pn.Row(self._purpose, self._way, sizing_mode="stretch_width", margin=0), self._grid]

    # -- one by one --

    @property
    def current(self) -> Suggestion | None:
        """Return the image to answer for now; None while 25 are read at once."""
        return None if self._in_grid else super().current

    @property
    def place(self) -> str:
        """Return the place of what is read now; a place changes when its answer has to be confirmed."""
        if self._in_grid:
            return f"{self.tab}/grid {self._grids}{'/again' if self._doubted else ''}" if self._waiting else ""
        return super().place

    def _place_of(self, asked: Suggestion) -> str:
        again = self._doubt is not None and self._doubt[0] == asked.row
        return super()._place_of(asked) + ("/again" if again else "")

    def _goes_ahead(self, asked: Suggestion) -> bool:
        """Tell whether an answer is followed by the next image at once: an image with a label may have to be read twice."""
        return self.state.read_for not in FIRST or self.state.workspace.labels.codes[asked.row] < 0 or asked.row in self._given

    @property
    def _in_grid(self) -> bool:
        return self._way.value == AT_ONCE and self.state.read_for in FIRST

    def act(self, verb: Verb, class_name: str | None) -> None:
        """Answer for the current image, or save the grid."""
        if verb == Verb.SAVE:
            self.save_grid()
        elif self._in_grid and verb == Verb.BACK:
            self.actions.say("Z undoes the last 25 readings and shows their pictures again.")
        else:
            super().act(verb, class_name)

    def answer(self, class_name: str) -> None:
        """Save the reading. One that contradicts the image's label is saved only when it is given twice."""
        asked = self.current
        if asked is None:
            return
        known = self._standing_name(asked.row)
        if (
            self.state.read_for in FIRST
            and asked is not self._again
            and known not in (None, class_name)
            and self._doubt != (asked.row, class_name)
        ):
            self._doubt = (asked.row, class_name)
            self.draw()
            return
        super().answer(class_name)

    def _go_on(self, answer: str) -> None:
        self._doubt = None
        super()._go_on(answer)

    def _take_back(self, asked: list[Suggestion]) -> None:
        if not self._in_grid:
            super()._take_back(asked)
            return
        back = [one for one in self._still_open(asked, shown=0) if one in asked]  # somebody else was faster: that reading stays
        if not back:
            return
        self._next_grid()
        self._forget(asked)
        self._waiting = back
        rows = set(self._rows(back))
        self._gallery.picked = sorted(rows & {row for grid, picked in self._last_grids if grid[0] in asked for row in picked})
        self.draw()

    def _standing_name(self, row: int) -> str | None:
        code = int(self.state.workspace.labels.codes[row])
        return self.state.workspace.class_names[code] if code >= 0 else None

    def _give(self, asked: Suggestion, class_name: str | None, *, source: Source = Source.CHECK) -> None:
        if class_name is None:
            return
        verb = {Queue.SECOND: self.actions.read_again, Queue.DISAGREEMENTS: self.actions.adjudicate}.get(self.state.read_for)
        if verb is None:
            super()._give(asked, class_name, source=source)
        else:
            failed = partial(self._not_saved, asked, class_name)
            verb(asked.row, class_name, done=self._top_up, failed=failed, unsaved=self._lost([asked]))

    def _change(self, asked: Suggestion, class_name: str) -> None:
        """Take back a reading of this window and save another one."""
        failed = partial(self._not_changed, asked, self._given.get(asked.row, ""))
        self.actions.read_anew(self.state.read_for, asked.row, class_name, self._why(asked), failed=failed)

    def undo(self) -> bool:
        """Take the last second reading back: it is no action of the history."""
        if self.state.read_for != Queue.SECOND or not any(self._given.get(asked.row) for asked in self._answered):
            return False
        asked = next(asked for asked in reversed(self._answered) if self._given.get(asked.row))
        self.actions.take_second_back(asked.row, lambda: self._take_back([asked]))
        return True

    def _not_changed(self, asked: Suggestion, before: str) -> None:
        self._given[asked.row] = before
        self.draw()

    # -- 25 at once --

    def _on_way(self, *_: Any) -> None:
        for choice in (self._flagged, self._others):
            choice.value = _only(choice)  # the class of the others has to be chosen each time
        self.refill()

    def _on_grid_changed(self) -> None:
        self._doubted = {}
        self.draw()

    def _readings(self) -> dict[str, np.ndarray]:
        picked = np.array(self._gallery.picked, np.int64)
        rest = np.setdiff1d(np.array([s.row for s in self._waiting], np.int64), picked)
        return {
            str(choice.value): rows
            for choice, rows in ((self._flagged, picked), (self._others, rest))
            if len(rows) and choice.value not in (None, CHOOSE)
        }

    def save_grid(self) -> None:
        """Save the 25 readings as one action, the clicked images as flagged and the others as chosen; then show the next 25."""
        if not self._in_grid or not self._waiting or not self._may_save():
            return
        readings = self._readings()
        if not self._doubted and (doubted := self._contradictions(readings)):
            self._doubted = doubted
            self.draw()
            return
        grid, self._waiting = self._waiting, []
        self._answered = [*self._answered[-REMEMBERED:], *grid]
        self._given |= {int(row): name for name, rows in readings.items() for row in rows}
        self._last_grids = [*self._last_grids[-GRIDS:], (grid, list(self._gallery.picked))]
        self._next_grid()
        self.actions.read_together(
            readings,
            self._why(grid[0]),
            done=self.refill,
            failed=lambda: self._take_back(grid),
            unsaved=self._lost(grid),
        )

    def _may_save(self) -> bool:
        return sum(map(len, self._readings().values())) == len(self._waiting)

    def _contradictions(self, readings: dict[str, np.ndarray]) -> dict[str, dict[str, int]]:
        found: dict[str, dict[str, int]] = {}
        for reading, rows in readings.items():
            for known, members in standing(self.state.workspace, rows).items():
                if known != reading:
                    found.setdefault(known, {})[reading] = len(members)
        return found

    def _next_grid(self) -> None:
        self._grids += 1
        self._doubt, self._doubted = None, {}
        self._gallery.picked = []

    # -- both --

    def refill(self) -> None:
        """Fetch the next images of the fixed order."""
        self._answered = self._answered if self._of == self.state.read_for else []
        self._of = self.state.read_for
        n = GRID if self._in_grid else BATCH
        self.actions.check_queue(self.state.read_for, n, self._take_rows)

    def fetch_more(self, mine: list[int], without: list[int], done: Callable[[list[Suggestion]], None]) -> None:
        """Fetch the next images of the fixed order, while the last ones of these are read."""
        self.actions.check_queue(
            self.state.read_for,
            BATCH,
            lambda rows: done(self._asked_for(rows)),
            mine=mine,
            without=without,
            failed=self._fetched,
        )

    def _take_rows(self, rows: np.ndarray) -> None:
        self._next_grid()
        self.take(self._asked_for(rows))

    def _asked_for(self, rows: np.ndarray) -> list[Suggestion]:
        return [Suggestion(int(row), self.state.workspace.image_id(int(row)), "check", "") for row in rows]

    def _why(self, asked: Suggestion) -> Criterion:
        return Criterion(order="hash", purpose=self.state.read_for, way=self._way.value)

    def _still_open(self, waiting: list[Suggestion], *, shown: int = 1) -> list[Suggestion]:
        removed = self.state.workspace.removed
        waiting = [s for s in waiting if not removed[s.row]]
        if self.state.read_for not in FIRST:
            return waiting
        read = self.state.workspace.evidence()
        keep = len(waiting) if self._in_grid and shown else shown  # what is on show stays: a key must not hit another
        return waiting[:keep] + [s for s in waiting[keep:] if not read[s.row]]

    def draw(self) -> None:
        """Show the image or the grid that is read."""
        super().draw()
        grid = self._in_grid
        self._card.visible = not grid
        self._grid.visible = grid
        if grid:
            self._draw_grid()

    def _draw_grid(self) -> None:
        tiles: list[Tile] = [
            {"row": s.row, "id": s.id, "label": "", "colour": "", "text": "check image"} for s in self._waiting
        ]
        self._gallery.param.update(tiles=tiles, total=len(tiles), view=self.state.privacy_view, reveal=self.state.reveal)
        n, others, may = len(self._gallery.picked), self._others.value, self._may_save()
        if may:
            label = f"{n} {self._flagged.value}, {len(tiles) - n} {others}: save  [N]"
        elif not tiles:
            label = "Nothing to save"
        else:
            label = "Choose a class for the clicked images" if others != CHOOSE else "Choose a class for all others"
        if self._doubted:
            label = "Save my readings anyway  [N]"
        title = "Save these readings"
        button = {"verb": "save", "value": "", "label": label, "note": "", "title": title, "colour": ""}
        self._save.param.update(buttons=[button], place=self.place, disabled=not may)
        said = [
            f"{n} labelled '{known}' {'is' if n == 1 else 'are'} read as '{reading}'"
            for known, readings in self._doubted.items()
            for reading, n in readings.items()
        ]
        asked = f'<div role="alert"><b>{html.escape("; ".join(said))}.</b> Check them again, or save once more.</div>'
        self._asks.object = asked if said else ""

    def _tell(self, asked: Suggestion) -> str:
        workspace, purpose, row = self.state.workspace, self.state.read_for, asked.row
        if self._doubt is not None and self._doubt[0] == row:
            who, known = workspace.labelled_by(row), self._standing_name(row)
            return (
                f"This image is labelled '{known}' by {who}. Press the key of '{self._doubt[1]}' again to keep your reading, "
                "or press another."
            )
        if purpose == Queue.DISAGREEMENTS:
            first, second = self._standing_name(row), second_class(workspace, row)
            return f"Read as '{first}' first and as '{second}' second. Your answer decides."
        return ""

    def _say(self) -> str:
        return f"{self._counts()}\n{ABOUT[self.state.read_for]} Hold R, or a finger on it, to see it clear."

    def _rest(self) -> str:
        return f"{self._counts()}\n{self._nothing_left(self.state.read_for)}"

    def _counts(self) -> str:
        workspace = self.state.workspace
        evidence = workspace.evidence()
        read, sealed = int(evidence.sum()), int((evidence & workspace.sealed).sum())
        n_check = counted(int(workspace.is_check.sum()), "check image")
        so_far = f": {self.state.reading}" if self.state.reading else ""
        return f"{read:,} of {n_check} read, {sealed:,} of them sealed for a promise{so_far}."

    def _nothing_left(self, purpose: Queue) -> str:
        if purpose == Queue.SECOND:
            return "No image is waiting for your second reading. Second readings need images that somebody else has read."
        if purpose == Queue.DISAGREEMENTS:
            return "No readings disagree."
        if purpose == Queue.FOCUS and not focus_draws(self.state.workspace, self.state.workspace.check_set.number):
            return "No focus labels have been requested. The Operating point page offers them where flagged images are rare."
        return missing_for_check(self.state.workspace, live=purpose == Queue.LIVE) or "Every image here has been read."


def _choice(label: str, names: list[str]) -> pmui.Select:
    """Return a choice of classes that is made by the person wherever there is more than one."""
    options = names if len(names) == 1 else [CHOOSE, *names]
    return pmui.Select(label=label, options=options, value=options[0], size="small", width=150, margin=(4, 6))


def _only(choice: pmui.Select) -> str:
    return str(choice.options[0])
