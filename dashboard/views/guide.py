"""The guide of a first visit: five steps, ticked off as they are done, until the person dismisses it."""

import html
from functools import partial
from typing import Any

import panel as pn
import panel_material_ui as pmui
import param

from core.evidence.points import any_in_force
from dashboard.actions import Actions
from dashboard.state import SessionState
from dashboard.theme import styled
from dashboard.views.terms import explained
from dashboard.views.words import words

READ = ("Read the check half", "Check shows images that the model never learns from. Only they can prove how good it is.")
STEPS = (  # title, what to do
    (
        "Lasso a cluster",
        "Draw a line around a group of points. Their pictures appear beside it, blurred. Hold R to see one clear.",
    ),
    ("Label it", "Press the key of a class, or click its button below. Z undoes it."),
    (
        "Teach the model",
        "Suggestions shows the images that teach the model most; press one key for each. Colour by score to see it learn.",
    ),
    READ,
    (
        "Choose the operating point",
        "The Operating point page shows what share of the flagged images a threshold catches, and how certain that is.",
    ),
)


class Guide(pn.viewable.Viewer):
    """A card at the foot of the rail, until all is done or it is dismissed."""

    state = param.ClassSelector(class_=SessionState)
    actions = param.ClassSelector(class_=Actions)
    step = param.Integer(default=0, bounds=(0, len(STEPS) - 1), doc="The step on show.")

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self._done = [False] * len(STEPS)
        self._has_point = False  # an operating point is in force
        self._words = words(margin=0)
        self._back, self._next, dismiss = (
            pmui.Button(label=label, variant="text", size="small", on_click=on_click, margin=0)
            for label, on_click in (("Back", self._go_back), ("Next", self._go_on), ("Dismiss", self._dismiss))
        )
        self._layout = pn.Column(
            self._words,
            pn.FlexBox(self._back, self._next, dismiss, margin=0),
            sizing_mode="stretch_width",
            margin=0,
            **styled("card"),
        )
        self.state.param.watch(lambda *_: self._follow(), ["selected", "labels_version", "page"])
        self.state.param.watch(lambda *_: self._ask(), "openings")
        self.state.param.watch(self._show, ["guide", "layout"])  # the first map may come while the page is open
        self.state.param.watch(lambda *_: self._draw(), "reading")
        self._show()

    def _facts(self) -> list[bool]:
        """Tell which steps are done."""
        space, counts = self.state.workspace, self.state.shared.counts()
        return [
            bool(len(self.state.selected)) or counts["labelled"] > 0,
            counts["labelled"] > 0,
            counts["labelled_teach"] > 0 and space.fitted is not None,
            bool(space.evidence().any()),
            self.state.page == "operating" or self._has_point,
        ]

    def _ask(self, *, opens: bool = False) -> None:
        """Ask the catalog whether a point is in force."""

        def tell(has_point: bool) -> None:
            self._has_point = has_point
            self._follow(opens=opens)

        if self.state.guide:
            self.actions.fetch(partial(any_in_force, self.state.workspace), tell)

    def _follow(self, *, opens: bool = False) -> None:
        """Tick off what is done. The last step that is done closes the guide, unless it only opens now: somebody wants it."""
        if not self.state.guide:
            return
        before, self._done = self._done, [a or b for a, b in zip(self._done, self._facts(), strict=True)]
        if all(self._done) and not all(before):
            self.step = 0
            if not opens:
                self._dismiss()
        elif self._done != before and self._done[self.step]:
            self.step = self._done.index(False)
        if STEPS[self.step] is READ:
            self.actions.count_reading()
        self._draw()

    def _go_back(self, *_: Any) -> None:
        self.step = max(self.step - 1, 0)
        self._draw()

    def _go_on(self, *_: Any) -> None:
        self.step = min(self.step + 1, len(STEPS) - 1)
        self._draw()

    def _dismiss(self, *_: Any) -> None:
        self.actions.show_guide(False)

    def _show(self, *_: Any) -> None:
        self._layout.visible = self.state.guide and self.state.workspace.has_map
        if all(self._done):
            self.step = 0
        self._follow(opens=True)
        self._ask(opens=True)

    def _draw(self) -> None:
        title, told = STEPS[self.step]
        if STEPS[self.step] is READ and self.state.reading:
            told += f" So far: {self.state.reading}."
        signs = ["✓" if done else "●" if number == self.step else "○" for number, done in enumerate(self._done)]
        dots = "".join(f'<span class="step{" now" if n == self.step else ""}">{sign}</span> ' for n, sign in enumerate(signs))
        where = f"Step {self.step + 1} of {len(STEPS)}" + (" (done)" if self._done[self.step] else "")
        self._words.object = (
            f'<div role="status"><span aria-hidden="true">{dots}</span> <small>{where}</small>'
            f"<br><b>{html.escape(title)}</b><br>{explained(html.escape(told))}</div>"
        )
        self._back.disabled, self._next.disabled = self.step == 0, self.step == len(STEPS) - 1

    def __panel__(self) -> pn.viewable.Viewable:
        return self._layout
