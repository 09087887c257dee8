"""The Check tab: blind reading of images the model never learns from, no score and no prediction, in the permanent order."""

from typing import Any

import numpy as np
import panel as pn
import panel_material_ui as pmui

from core.checking import second_class
from core.focus import focus_draws
from core.workspace import Suggestion
from dashboard.views.components.gallery import Gallery
from dashboard.views.reading import QueuePane

BATCH = 50  # images fetched ahead; the order is fixed, so the size changes nothing
GRID = 25  # images read at once
TILE = 62  # px: five in a row
PURPOSES = {
    "a promise (sealed)": "promise",
    "live curves": "live",
    "precision (focus)": "focus",
    "second reading": "second",
    "disagreements": "disagreements",
}
FIRST = ("promise", "live", "focus")  # purposes whose answer is the first reading of an image


class CheckPane(QueuePane):
    """One picture at a time, or 25 of which the flagged ones are clicked."""

    def _head(self) -> list[Any]:
        self._purpose = pmui.Select(label="Read for", options=PURPOSES, value="promise", size="small", width=165, margin=(4, 6))
        self._way = pmui.Select(label="How", options=["one by one", "25 at once"], size="small", width=130, margin=(4, 6))
        self._gallery = Gallery(
            view=self.state.privacy_view, empty="Nothing to read.", tile_size=TILE, sizing_mode="stretch_width", height=420
        )
        classes = self.state.workspace.classes
        self._flagged = pmui.Select(label="Clicked ones are", options=[c.name for c in classes if c.flagged], size="small")
        self._others = pmui.Select(label="All others are", options=[c.name for c in classes if not c.flagged], size="small")
        for choice in (self._flagged, self._others):
            choice.param.update(width=150, margin=(4, 6), value=next(iter(choice.options), None))
        self._save = pmui.Button(label="", size="small", margin=(4, 6), on_click=lambda _: self.save_grid())
        self._grid = pn.Column(
            self._gallery, pn.Row(self._flagged, self._others, margin=0), self._save, sizing_mode="stretch_width", visible=False
        )
        self._purpose.param.watch(lambda _: self.refill(), "value")
        self._way.param.watch(lambda _: self.refill(), "value")
        self._gallery.param.watch(lambda _: self._draw(), "picked")
        return [pn.Row(self._purpose, self._way, sizing_mode="stretch_width", margin=0), self._grid]

    @property
    def current(self) -> Suggestion | None:
        """Return the image that is asked for now; None while 25 are read at once."""
        return None if self._in_grid else super().current

    @property
    def _in_grid(self) -> bool:
        return self._way.value == "25 at once" and self._purpose.value in FIRST

    def refill(self) -> None:
        """Fetch the next images of the permanent order."""
        n = GRID if self._in_grid else BATCH
        self.actions.check_queue(self._purpose.value, n, self._take_rows)

    def _take_rows(self, rows: np.ndarray) -> None:
        workspace = self.state.workspace
        self._gallery.picked = []
        self.take([Suggestion(int(row), workspace.image_id(int(row)), "check", "") for row in rows])

    def _give(self, row: int, class_name: str | None) -> None:
        if class_name is None:
            return
        if self._purpose.value == "second":
            self.actions.read_again(row, class_name)
        elif self._purpose.value == "disagreements":
            self.actions.adjudicate(row, class_name)
        else:
            self.actions.label_rows(np.array([row]), class_name, source="check", criterion=self._why())

    def save_grid(self) -> None:
        """Keep the 25 as they stand: clicked ones flagged, the others not; then bring the next."""
        if not self._in_grid or not self._waiting:
            return
        picked = np.array(self._gallery.picked, np.int64)
        rest = np.setdiff1d(np.array([s.row for s in self._waiting], np.int64), picked)
        for rows, name in ((picked, self._flagged.value), (rest, self._others.value)):
            if len(rows) and name:
                self.actions.label_rows(rows, name, source="check", criterion=self._why())
        self._waiting = []
        self.refill()

    def _why(self) -> dict[str, str]:
        return {"order": "hash", "for": self._purpose.value, "read": self._way.value}

    def _still_open(self, waiting: list[Suggestion]) -> list[Suggestion]:
        if self._purpose.value not in FIRST:
            return waiting
        read = self.state.workspace.evidence()
        return waiting[:1] + [s for s in waiting[1:] if not read[s.row]]  # the one on show stays: a key must not hit another

    def _draw(self, *_: Any) -> None:
        super()._draw()
        grid = self._in_grid
        for part in (self._card, self._buttons, self._skip):
            part.visible = not grid
        self._grid.visible = grid
        if not grid:
            return
        tiles = [{"row": s.row, "id": s.id, "label": "", "colour": "", "text": "check image"} for s in self._waiting]
        self._gallery.param.update(tiles=tiles, total=len(tiles), view=self.state.privacy_view, reveal=self.state.reveal)
        n = len(self._gallery.picked)
        self._save.label = f"{n} of them: save  [N]" if n else "None of these: save  [N]"
        self._save.disabled = not tiles or not self._flagged.value or not self._others.value

    def _say(self) -> str:
        workspace, purpose = self.state.workspace, self._purpose.value
        evidence = workspace.evidence()
        read, sealed = int(evidence.sum()), int((evidence & workspace.sealed).sum())
        words = f"{read:,} of {int(workspace.is_check.sum()):,} check images read, {sealed:,} of them sealed for a promise.\n"
        if not self._waiting:
            return words + self._nothing_left(purpose)
        if purpose in FIRST:
            words += {
                "promise": "Sealed: nothing is shown of them before you open them on the Operating point page. ",
                "live": "For the curves that move while you label; no promise is made from these. ",
                "focus": "Drawn where the model is in doubt; weighted, for precision only. ",
            }[purpose]
            words += "The model never learns from these. Score and prediction are hidden, and the order is random, so what you "
            words += "read here is evidence."
        elif purpose == "second":
            words += "Somebody else has read this one; you do not see as what. Your answer is kept beside the first."
        else:
            row = self._waiting[0].row
            first, second = workspace.class_names[int(workspace.labels.codes[row])], second_class(workspace, row)
            words += f"Read as '{first}' first and as '{second}' second. Your answer decides."
        return words + "\nHold R to see it clear."

    def _nothing_left(self, purpose: str) -> str:
        if purpose == "second":
            return "No image waits for a second reading by you: it takes somebody else's readings."
        if purpose == "disagreements":
            return "No two readings differ."
        if purpose == "focus" and not focus_draws(self.state.workspace, self.state.workspace.check_set.number):
            return "No focus labels were asked for; the Operating point page offers them where flagged images are rare."
        return "Nothing is left to read here."
