"""Reading queues with one key per answer; here the suggestions, each with its reason. `views.check` has the blind ones."""

import html
from typing import Any

import numpy as np
import panel as pn
import panel_material_ui as pmui
import param

from core.acquisition import FIRST_ROUND, OFFERED
from core.labels import UNSURE
from core.workspace import Suggestion
from dashboard.actions import Actions
from dashboard.state import SessionState
from dashboard.views.class_buttons import ClassButtons
from dashboard.views.components.picture_card import PictureCard


class QueuePane(pn.viewable.Viewer):
    """One picture at a time; an answer labels it and brings the next."""

    state = param.ClassSelector(class_=SessionState)
    actions = param.ClassSelector(class_=Actions)

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self._waiting: list[Suggestion] = []
        self._asked = 0
        self._card = PictureCard(sizing_mode="stretch_width", styles={"height": "min(300px, 34vh)"})
        self._words = pn.pane.HTML("", sizing_mode="stretch_width", margin=(6, 8), css_classes=["queue-words"])
        self._buttons = ClassButtons(state=self.state, on_class=self.answer)
        self._skip = pmui.Button(label="Skip (S)", variant="outlined", color="default", size="small", on_click=self.skip)
        self._layout = pn.Column(
            *self._head(),
            self._card,
            self._buttons,
            self._words,
            pn.Row(self._skip, *self._more_answers(), margin=0),
            sizing_mode="stretch_both",
            margin=8,
        )
        self.state.param.watch(self._draw, ["privacy_view", "reveal", "labels_version"])
        self._draw()

    def _head(self) -> list[Any]:
        return []

    @property
    def current(self) -> Suggestion | None:
        """Return the image that is asked for now."""
        return self._waiting[0] if self._waiting else None

    @property
    def needs_refill(self) -> bool:
        """Tell whether nothing is asked for."""
        return not self._waiting

    def answer(self, class_name: str | None) -> None:
        """Label the current image and go on."""
        if self.current is None:
            return
        self._give(self.current.row, class_name)
        self.skip()

    def _give(self, row: int, class_name: str | None) -> None:
        self.actions.label_rows(np.array([row]), class_name, source="single", criterion=self._why())

    def _more_answers(self) -> list[Any]:
        return []

    def unsure(self) -> None:
        """Leave the current image open, for good; only where that is an answer."""

    def _why(self) -> dict[str, str]:
        return {"strategy": self.current.strategy} if self.current else {}

    def skip(self, *_: Any) -> None:
        """Go on without a label."""
        if self._waiting:
            self._waiting.pop(0)
        self._draw()
        if not self._waiting:
            self.refill()

    def refill(self) -> None:
        """Fetch more images."""
        raise NotImplementedError

    def take(self, round_: list[Suggestion]) -> None:
        """Show a new round."""
        self._waiting, self._asked = list(round_), len(round_)
        self._draw()

    def _draw(self, *_: Any) -> None:
        self._waiting = self._still_open(self._waiting)
        current = self.current
        self._card.param.update(
            image_id=current.id if current else "",
            next_id=self._waiting[1].id if len(self._waiting) > 1 else "",
            view=self.state.privacy_view,
            reveal=self.state.reveal,
            description=f"image asked for, {self.state.privacy_view}" if current else "no image is asked for",
        )
        self._words.object = html.escape(self._say()).replace("\n", "<br>")
        self._buttons.disabled = self._skip.disabled = current is None

    def _still_open(self, waiting: list[Suggestion]) -> list[Suggestion]:
        """Drop what somebody else has answered meanwhile."""
        codes = self.state.workspace.labels.codes
        return [s for s in waiting if codes[s.row] < 0]

    def _say(self) -> str:
        raise NotImplementedError

    def __panel__(self) -> pn.viewable.Viewable:
        return self._layout


class SuggestionsPane(QueuePane):
    """Images that teach the model most, each with its reason."""

    def _head(self) -> list[Any]:
        self._strategy = pmui.Select(
            label="Strategy", options=["auto", *OFFERED], value="auto", size="small", width=150, margin=(4, 6)
        )
        self._size = pmui.Select(label="Round", options=[10, 20, 30], value=FIRST_ROUND, size="small", width=90, margin=(4, 6))
        self._next = pmui.Button(
            label="New round", variant="outlined", size="small", margin=(10, 6), on_click=lambda _: self.refill()
        )
        return [pn.Row(self._strategy, self._size, self._next, sizing_mode="stretch_width", margin=0)]

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self.state.param.watch(self._follow_encoder, "encoder")

    def _follow_encoder(self, *_: Any) -> None:
        self.take([])  # the other encoder asked for these
        if self.state.tab == "suggestions":
            self.refill()

    def _more_answers(self) -> list[Any]:
        self._unsure = pmui.Button(
            label="Unsure (U)",
            description="Keep it as unsure: not learned from, not asked for again",
            variant="outlined",
            color="default",
            size="small",
            on_click=lambda _: self.unsure(),
        )
        return [self._unsure]

    def unsure(self) -> None:
        """Keep the current image as unsure, and go on."""
        if self.current is not None:
            self.actions.label_rows(np.array([self.current.row]), None, source=UNSURE, criterion=self._why())
            self.skip()

    def refill(self) -> None:
        """Ask the workspace for a round with the labels as they are."""
        self.actions.suggest(self._size.value, self._strategy.value, self.take)

    def _say(self) -> str:
        if self.current is None:
            return "The tool asks for the images that teach the model most: first 10 diverse ones, then uncertain ones."
        number = self._asked - len(self._waiting) + 1
        words = f"{number} of {self._asked} · {self.current.strategy}\nWhy: {self.current.reason}.\nHold R to see it clear."
        missing = self.state.workspace.missing_side()
        if missing:
            side = "flagged image" if missing == "flagged" else "image that is not flagged"
            words += f"\nNo {side} among the labels yet. If you know one, click it on the map and press M for more like it."
        return words
