"""The Review tab: what the point in force flags and nobody has decided on, one key each, and what the answers prove."""

import html
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import panel as pn
import panel_material_ui as pmui

from core.catalog.criterion import Criterion
from core.catalog.records import Source
from core.probe.suggest import Suggestion
from core.triage.drift import Drift
from core.triage.figures import Figures
from core.triage.queue import Order, Side
from core.triage.review import NO_POINT, Asked, AtWork
from core.triage.words import elusion_words, precision_words, waiting_words
from core.wording import signed
from dashboard.choices import PageName, Tab
from dashboard.inputs import Verb
from dashboard.views.reading import BACK, SKIP, UNSURE, QueuePane
from dashboard.views.shown import draw_when_shown
from dashboard.views.terms import explained
from dashboard.views.words import words

BATCH = 12  # images fetched ahead; no other window is asked for them
HOW = (
    "Score and order are hidden, and some of the images are drawn at random from what is left up. "
    "Hold R, or a finger on it, to see it clear."
)


class ReviewPane(QueuePane):
    """The queue of a point in force."""

    tab = Tab.REVIEW
    more_answers = (SKIP, UNSURE, BACK)

    def __init__(self, **params: Any) -> None:
        self._work: AtWork | None = None  # whose images are asked for
        self._policies: list[AtWork] = []
        self._known: dict[int, tuple[AtWork, Asked]] = {}  # row -> under which point it was asked for, and why
        self._reading = self._stale = False
        super().__init__(**params)
        self.state.param.watch(lambda _: self._take_more(), ["grid"])  # images were added or embedded
        on = ["labels_version", "grid", "openings", "zone"]
        draw_when_shown(self.state, self._read, on, tab=self.tab)

    def _head(self) -> list[Any]:
        self._policy = pmui.Select(label="Policy", options=[], size="small", width=150, margin=(4, 6), visible=False)
        self._order = pmui.Select(
            label="Order",
            options={order.value: order for order in Order},
            value=Order.NEWEST,
            size="small",
            width=190,
            margin=(4, 6),
        )
        self._policy.param.watch(lambda _: self._on_policy(), "value")
        self._order.param.watch(lambda _: self._ask_anew(), "value")
        self._waits = words(margin=(8, 8))
        self._figures = words(margin=(2, 8))
        self._banner = words(margin=(2, 8), visible=False)
        top = pn.Row(self._policy, self._order, self._waits, sizing_mode="stretch_width", margin=0)
        return [top, self._banner, self._figures]

    # -- figures --

    def _read(self) -> None:
        """Read the figures; once more if they change meanwhile."""
        if self._reading:
            self._stale = True
            return
        self._reading, self._stale = True, False
        self.actions.read_review(self._policy_name, self._show, failed=partial(self._show, [], None, None))

    @property
    def _policy_name(self) -> str:
        return str(self._policy.value or "")

    def _show(self, points: Sequence[AtWork], figures: Figures | None, drift: Drift | None) -> None:
        self._reading = False
        names = [work.policy.name for work in points]
        if names != self._policy.options:
            chosen = self._policy.value if self._policy.value in names else next(iter(names), None)
            self._policy.param.update(options=names, value=chosen, visible=len(names) > 1)
            self.draw()
        said = [] if figures is None else [waiting_words(figures), precision_words(figures), elusion_words(figures)]
        for pane, lines in ((self._waits, said[:1]), (self._figures, said[1:])):
            shown = "".join(f'<p class="text">{html.escape(line)}</p>' for line in lines)
            pane.param.update(object=explained(shown), visible=bool(lines))
        told = drift.sentence if drift is not None else ""
        banner = f'<p class="text error" role="alert">{html.escape(told)}</p>'
        self._banner.param.update(object=explained(banner), visible=bool(told))
        now = next((work for work in points if work.policy.name == self._policy_name), None)
        if self._work is not None and (now is None or (now.point.name, now.since) != (self._work.point.name, self._work.since)):
            self._ask_anew()  # another point is in force
        if self._stale:
            self._read()

    # -- the queue --

    def _on_policy(self) -> None:
        if self._work is not None and self._work.policy.name != self._policy_name:  # else the pane itself has named it
            self._ask_anew()
            self._read()

    def _ask_anew(self) -> None:
        """Begin again, for another point or in another order."""
        self._work, self._returned = None, []
        self.take([])
        if self.state.shows(PageName.MAP, self.tab):
            self.refill()

    def refill(self) -> None:
        """Fetch the next images."""
        self.actions.ask_review(self._policy_name, self._order.value, BATCH, self._begin)

    def _begin(self, work: AtWork | None, found: list[Asked]) -> None:
        self.take(self._asked_for(work, found))

    def fetch_more(self, mine: list[int], without: list[int], done: Callable[[list[Suggestion]], None]) -> None:
        """Fetch the images after those that wait."""
        self.actions.ask_review(
            self._policy_name,
            self._order.value,
            BATCH,
            lambda work, found: done(self._asked_for(work, found)),
            mine=mine,
            without=without,
            failed=self._fetched,
        )

    def _take_more(self) -> None:
        """Let new images join behind the one on the screen."""
        if not self.state.shows(PageName.MAP, self.tab):
            return
        here = self._waiting[:1]
        if not here:
            self.refill()
            return
        turn = self._turn

        def join(work: AtWork | None, found: list[Asked]) -> None:
            if turn != self._turn:
                return
            fresh = self._asked_for(work, found)
            still = [asked for asked in self._waiting if asked in here or asked in self._returned]
            self._waiting = [*still, *(asked for asked in fresh if asked not in still and asked not in self._answered)]
            self._numbers.clear()
            self.draw()

        rows = self._rows(here)
        without = self._rows(self._answered)
        self.actions.ask_review(self._policy_name, self._order.value, BATCH, join, mine=rows, without=without)

    def _asked_for(self, work: AtWork | None, found: list[Asked]) -> list[Suggestion]:
        self._work = work
        if work is not None:
            self._known |= {asked.row: (work, asked) for asked in found}
        return [Suggestion(asked.row, self.state.workspace.image_id(asked.row), "review", "") for asked in found]

    # -- answers --

    def act(self, verb: Verb, class_name: str | None) -> None:
        """Answer for the current image; here it may also be marked as unsure."""
        if verb == Verb.UNSURE and self.current is not None:
            self._give(self.current, None, source=Source.UNSURE)
            self._go_on("unsure")
        else:
            super().act(verb, class_name)

    def _give(self, asked: Suggestion, class_name: str | None, *, source: Source = Source.REVIEW) -> None:
        super()._give(asked, class_name, source=source)

    def _kept(self, asked: Suggestion) -> None:
        super()._kept(asked)
        work, known = self._known[asked.row]
        if known.drawn == Side.LEFT:
            self.actions.say(f"{self.state.message} It was a sample of what '{work.point.name}' leaves up.")

    def _why(self, asked: Suggestion) -> Criterion:
        work, known = self._known[asked.row]
        return Criterion(point=work.point.name, since=work.since, drawn=known.drawn or None)

    def _still_open(self, waiting: list[Suggestion]) -> list[Suggestion]:
        """Drop the images that somebody else has decided on in the meantime, or marked as unsure."""
        decided = self.state.workspace.book.givers_of(np.array(self._rows(waiting), np.int64)) > 0
        return [asked for asked, is_decided in zip(waiting, decided.tolist(), strict=True) if not is_decided]

    # -- words --

    def _tell(self, asked: Suggestion) -> str:
        return ""

    def _tell_after(self, asked: Suggestion) -> str:
        work, known = self._known[asked.row]
        score, threshold = (signed(work.opened.as_given(x)) for x in (known.score, work.point.threshold))
        if known.drawn == Side.LEFT:
            return f"\nA sample, drawn at random: '{work.point.name}' leaves it up (score {score}, threshold {threshold})."
        return f"\nFlagged by '{work.point.name}': score {score}, threshold {threshold}."

    def _say(self) -> str:
        return HOW

    def _rest(self) -> str:
        if not self._policy.options:
            return NO_POINT
        return "Nothing waits: every flagged image is decided on. New ones come here by themselves."
