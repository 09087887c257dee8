"""Queues of images, one key per answer. Here are the suggestions, each with its reason; `views.check` has the blind queues."""

import html
from typing import Any

import numpy as np
import panel as pn
import panel_material_ui as pmui
import param

from core.catalog.criterion import Criterion
from core.catalog.records import Source
from core.missing import missing_for_suggestions, missing_side
from core.probe.strategies import FIRST_ROUND, OFFERED
from core.probe.suggest import Suggestion
from dashboard.actions import Actions
from dashboard.choices import Tab
from dashboard.inputs import Inputs, Verb
from dashboard.state import SessionState
from dashboard.theme import styled
from dashboard.views.class_buttons import class_buttons
from dashboard.views.components.picture_card import Caption, PictureCard
from dashboard.views.shown import draw_when_shown

REMEMBERED = 200  # answers that an undo can bring back
SKIP = ("skip", "Skip  [S]", "Skip this picture")


class QueuePane(pn.viewable.Viewer):
    """One picture at a time: an answer labels it and shows the next one, an undo shows it again."""

    state = param.ClassSelector(class_=SessionState)
    actions = param.ClassSelector(class_=Actions)
    inputs = param.ClassSelector(class_=Inputs)

    tab: Tab
    more_answers: tuple[tuple[str, str, str], ...] = (SKIP,)

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self._waiting: list[Suggestion] = []
        self._answered: list[Suggestion] = []  # the last ones, in order; their labels may be on their way
        self._returned: list[Suggestion] = []  # brought back by an undo, and not answered again
        self._asked = 0
        self._card = PictureCard(sizing_mode="stretch_width", **styled("asked", sheet="picture"))
        self._words = Caption(sizing_mode="stretch_width", margin=(6, 8))
        self._buttons = class_buttons(self.state.workspace.classes, self.inputs.click, *self.more_answers)
        self._layout = pn.Column(
            *self._head(),
            self._card,
            self._buttons,
            self._words,
            sizing_mode="stretch_both",
            margin=8,
            scroll="y-auto",
            **styled("below-label"),
        )
        self.state.param.watch(self._bring_back, "undone")
        self.inputs.add(self.tab, self)
        on = ["privacy_view", "reveal", "labels_version"]
        draw_when_shown(self.state, self.draw, on, tab=self.tab)

    def _head(self) -> list[Any]:
        return []

    @property
    def current(self) -> Suggestion | None:
        """Return the image to answer for now."""
        return self._waiting[0] if self._waiting else None

    @property
    def needs_refill(self) -> bool:
        """Tell whether the queue is empty."""
        return not self._waiting

    @property
    def place(self) -> str:
        """Return the place of the current image, "" for none."""
        return f"{self.tab}/{self.current.id}" if self.current else ""

    @property
    def picture(self) -> str:
        """Return the id of the picture that must be on the screen before an answer counts."""
        return self.current.id if self.current else ""

    def act(self, verb: Verb, class_name: str | None) -> None:
        """Answer the current image."""
        if verb == Verb.LABEL and class_name is not None:
            self.answer(class_name)
        elif verb == Verb.SKIP:
            self._go_on()
            self._refill_if_empty()

    def answer(self, class_name: str) -> None:
        """Label the current image and show the next."""
        if self.current is not None:
            self._give(self.current, class_name)
            self._go_on()  # the next round is chosen once the label is kept

    def _give(self, asked: Suggestion, class_name: str | None, *, source: Source = Source.SINGLE) -> None:
        self.actions.label_rows(
            np.array([asked.row]),
            class_name,
            source=source,
            criterion=self._why(asked),
            done=self._refill_if_empty,
            failed=lambda: self._take_back([asked]),
        )

    def _why(self, asked: Suggestion) -> Criterion:
        return Criterion(strategy=asked.strategy)

    def _go_on(self) -> None:
        if self._waiting:
            self._answered = [*self._answered[-REMEMBERED:], self._waiting.pop(0)]
        self.draw()

    def _refill_if_empty(self) -> None:
        if not self._waiting:
            self.refill()

    def _bring_back(self, event: Any) -> None:
        """Show the images again whose answers this tab has undone, in their old places."""
        rows = set(event.new)
        self._take_back([asked for asked in self._answered if asked.row in rows])

    def _take_back(self, asked: list[Suggestion]) -> None:
        if asked:
            self._answered = [a for a in self._answered if a not in asked]
            self._waiting = [*asked, *(w for w in self._waiting if w not in asked)]
            self._asked = max(self._asked, len(self._waiting))
            self._returned += asked
            self.draw()

    def refill(self) -> None:
        """Fetch more images."""
        raise NotImplementedError

    def take(self, round_: list[Suggestion]) -> None:
        """Show a new round, after the images that an undo has brought back."""
        returned = [w for w in self._waiting if w in self._returned]
        self._waiting, self._returned = [*returned, *(s for s in round_ if s not in returned)], []
        self._asked = len(self._waiting)
        self.draw()

    def draw(self) -> None:
        """Show the current image."""
        before = self.current
        self._waiting = self._still_open(self._waiting)
        current = self.current
        if before is not None and before != current:
            self._say_who_was_faster(before)
        self._card.param.update(
            image_id=current.id if current else "",
            next_id=self._waiting[1].id if len(self._waiting) > 1 else "",
            view=self.state.privacy_view,
            reveal=self.state.reveal,
            description=f"image to label, {self.state.privacy_view}" if current else "no image to label",
        )
        words = html.escape(self._say()).replace("\n", "<br>")
        self._words.param.update(html=words, image_id=current.id if current else "")
        self._buttons.param.update(place=self.place, disabled=current is None)
        if self.state.tab == self.tab:
            self.state.asked = self.place
            self.actions.hold([asked.row for asked in self._waiting])

    def _say_who_was_faster(self, asked: Suggestion) -> None:
        space, row = self.state.workspace, asked.row
        who, code = space.labelled_by(row), int(space.labels.codes[row])
        if who not in (None, self.state.analyst) and code >= 0:
            name = space.class_names[code]
            self.actions.say(f"{who} has just labelled the image that was here as '{name}'. This is the next one.")

    def _still_open(self, waiting: list[Suggestion]) -> list[Suggestion]:
        """Drop the images that somebody else has labelled in the meantime."""
        codes = self.state.workspace.labels.codes
        return [s for s in waiting if codes[s.row] < 0]

    def _say(self) -> str:
        raise NotImplementedError

    def __panel__(self) -> pn.viewable.Viewable:
        return self._layout


class SuggestionsPane(QueuePane):
    """Images that teach the model most, each with its reason."""

    tab = Tab.SUGGESTIONS
    more_answers = (
        SKIP,
        (Verb.UNSURE, "Unsure  [U]", "Mark it as unsure: the model does not learn from it, and it is not suggested again"),
    )

    def _head(self) -> list[Any]:
        self._strategy = pmui.Select(
            label="Strategy",
            options=["auto", *OFFERED, *self.state.shared.score_columns()],
            value="auto",
            size="small",
            width=150,
            margin=(4, 6),
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
        self._returned = []
        self.take([])  # the other encoder asked for these
        if self.state.tab == "suggestions":
            self.refill()

    def act(self, verb: Verb, class_name: str | None) -> None:
        """Answer for the current image; here it may also be marked as unsure."""
        if verb == Verb.UNSURE and self.current is not None:
            self._give(self.current, None, source=Source.UNSURE)
            self._go_on()
        else:
            super().act(verb, class_name)

    def refill(self) -> None:
        """Ask the workspace for a round with the labels as they are."""
        self.actions.suggest(self._size.value, self._strategy.value, self.take)

    def _say(self) -> str:
        if self.current is None:
            how = "Suggestions are the images that teach the model most: first 10 diverse ones, then uncertain ones."
            return missing_for_suggestions(self.state.workspace) or how
        number = self._asked - len(self._waiting) + 1
        words = f"{number} of {self._asked} · {self.current.strategy}\nWhy: {self.current.reason}.\nHold R to see it clear."
        missing = missing_side(self.state.workspace)
        if missing:
            side = "flagged image" if missing == "flagged" else "image that is not flagged"
            words += f"\nNo {side} among the labels yet. If you know one, click it on the map and press M for more like it."
        return words
