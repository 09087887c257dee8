"""The Operating point page: the path to a promise, the promise, what a threshold does; everything else is behind Details."""

import html
import math
import time
from dataclasses import replace
from typing import Any

import panel as pn
import panel_material_ui as pmui
import param

from core.errors import InputError
from core.evidence.openings import promised_figures
from core.evidence.path import Path, StepKey
from core.evidence.queues import Queue
from core.evidence.sentences import (
    at_handle,
    footer,
    headline,
    naive_warning,
    promise,
    scored,
    shown_curve,
    what_more_would_buy,
)
from core.evidence.subject import PROBE, Subject
from core.evidence.threshold import Sample, figures_at, threshold_for_precision, threshold_for_recall
from core.labels.policies import policies
from core.wording import target
from dashboard.actions import Actions
from dashboard.choices import PageName, Tab
from dashboard.documents import one_message
from dashboard.openings import OpeningView, fingerprint
from dashboard.state import SessionState
from dashboard.theme import css
from dashboard.views.components.ask import Ask
from dashboard.views.components.fold import Fold
from dashboard.views.components.printed import Printed
from dashboard.views.components.steps import Steps
from dashboard.views.echoes import Echoes
from dashboard.views.number_field import asked_number, number_field, written
from dashboard.views.operating_charts import SCORES_WIDTH, CurveChart, ScoreChart, legend
from dashboard.views.operating_check import CheckColumn
from dashboard.views.operating_details import CostsTab, classes_html
from dashboard.views.operating_points import PointsColumn
from dashboard.views.operating_sheet import sheet
from dashboard.views.operating_sides import BothSides
from dashboard.views.operating_words import (
    SIDE,
    average_precision,
    closed_panel,
    lead,
    paragraphs,
    small,
    thousand_table,
    threshold_line,
)
from dashboard.views.terms import TERMS, explained
from dashboard.views.words import words

STEP_TERMS = {  # the term of each step's title
    StepKey.TEACH: "teach half",
    StepKey.READ: "check half",
    StepKey.OPEN: "look",
    StepKey.CHOOSE: "threshold",
    StepKey.EXPORT: "bundle",
}
BEYOND = 0.2  # of the scores' span that may still be typed beyond them: all or nothing is reviewed
PATH_WIDTH = 290  # px
SETTLE = 0.2  # s after the last move: then the other widgets and the pictures follow; charts and words follow at once


class OperatingPage(pn.viewable.Viewer):
    """What can be promised and what a threshold does; the threshold is one, however it is moved."""

    state = param.ClassSelector(class_=SessionState)
    actions = param.ClassSelector(class_=Actions)

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self._view: OpeningView | None = None
        self._subject = Subject()  # whose openings are shown; a policy that is not declared stands for the first
        self._turn = 0  # what was asked in an earlier one is not shown
        self._threshold: float | None = None  # the one that words, handle, slider and inputs show
        self._moved = False  # by this person, on the shown opening
        self._moved_at, self._settling = 0.0, False
        self._drawn = b""  # what the charts show
        self._curve, self._histogram = CurveChart(), ScoreChart(self._on_drag)
        self._ask = Ask(width=0, height=0, margin=0)
        self._printed = Printed(margin=(6, 8))
        names = [policy.name for policy in policies(self.state.workspace)]
        self._policies = pmui.RadioButtonGroup(
            label="Policy", options=names, value=names[0], size="small", visible=len(names) > 1, margin=(4, 12)
        )
        self._policies.param.watch(lambda event: self._on_subject(policy=event.new), "value")
        scorers = self._scorers_now()
        self._scorers = pmui.RadioButtonGroup(
            label="Scores by", options=scorers, value=PROBE, size="small", visible=len(scorers) > 1, margin=(4, 12)
        )
        self._scorers.param.watch(lambda event: self._on_subject(scorer=event.new), "value")
        both = {"actions": self.actions, "ask": self._ask}
        self._check = CheckColumn(**both, load=self._load, reload=self._read)
        self._points = PointsColumn(**both, hold=self._hold)
        self._costs = CostsTab(actions=self.actions, hold=self._hold)
        self._fold = Fold(name_kept="details", label="Details", sizing_mode="stretch_width", margin=(4, 8, 0, 8))
        self._fold.param.watch(lambda _: self._on_fold(), "open")
        self._tabs = self._detail_tabs()
        self._details = pn.Column(sizing_mode="stretch_width", margin=0, visible=False)
        self._promise = words(margin=(0, 8), sheets=["operating"])
        self._since = words(margin=(0, 8), visible=False)
        self._steps = Steps(on_step=self._on_step, width=PATH_WIDTH, margin=(4, 8))
        self._layout = pn.Column(
            pn.Row(
                self._promise, self._policies, self._scorers, self._points.download, self._printed, self._ask,
                sizing_mode="stretch_width", margin=0,
            ),
            self._since,
            pn.Row(self._steps, self._chart_column(), self._handle_column(), sizing_mode="stretch_width", margin=0),
            self._fold,
            self._details,
            sizing_mode="stretch_both",
            scroll="y-auto",
            margin=8,
        )  # fmt: skip
        self.state.param.watch(self._on_state, ["page", "labels_version", "openings", "probe_version", "opening", "zone"])
        self.state.param.watch(self._offer_scorers, "images")
        self.state.param.watch(self._draw_pictures, ["privacy_view", "reveal"])
        self._on_state()

    # -- columns --

    def _chart_column(self) -> pn.Column:
        self._closed = words("Loading…", margin=(0, 8), sheets=["operating"])
        self._slider = pmui.FloatSlider(
            label="Threshold",
            start=-1,
            end=1,
            step=0.01,
            format="0.000",
            value=0,
            sizing_mode="stretch_width",
            margin=(0, 24),
            size="small",
            disabled=True,
        )
        self._slid = Echoes(self._slider)
        self._slider.param.watch(lambda event: self._on_slider(event.new), "value")
        self._slider.param.watch(lambda event: self._on_release(event.new), "value_throttled")
        self._charts = pn.Column(
            pn.pane.Bokeh(self._curve.figure, margin=4, sizing_mode="stretch_width"),
            pn.pane.HTML(legend(), sizing_mode="stretch_width", margin=(0, 8), stylesheets=[css("charts"), css("term")]),
            self._slider,
            sizing_mode="stretch_width",
            margin=0,
            visible=False,
        )  # fmt: skip
        return pn.Column(self._closed, self._charts, sizing_mode="stretch_width", max_width=1100, margin=(0, 4))

    def _handle_column(self) -> pn.Column:
        self._outcome = words(margin=(0, 8), sheets=["operating"])
        self._sides = BothSides(state=self.state)
        self._column = pn.Column(
            self._outcome,
            self._sides,
            width=SIDE + 16,
            margin=(0, 4),
            visible=False,
        )
        return self._column

    def _detail_tabs(self) -> pmui.Tabs:
        self._shown = words(margin=(0, 8))
        self._words = words(margin=(0, 8), sheets=["operating"])
        self._by_class = words(margin=(0, 8), sheets=["operating"])
        self._typed, self._want_recall, self._want_precision = (
            number_field(label, width=130) for label in ("Threshold", "Recall about", "Precision about")
        )
        self._typing, self._recalls, self._precisions = map(Echoes, (self._typed, self._want_recall, self._want_precision))
        self._typed.param.watch(lambda event: self._on_typed(event.new), "value")
        self._want_recall.param.watch(lambda event: self._on_target("recall", event.new), "value")
        self._want_precision.param.watch(lambda event: self._on_target("precision", event.new), "value")
        fields = pn.Row(self._typed, self._want_recall, self._want_precision, margin=(8, 0, 0, 0))
        scores = pn.pane.Bokeh(self._histogram.figure, margin=4)
        said = pn.Column(fields, self._words, sizing_mode="stretch_width", margin=0)
        self._by_hand = pn.Row(
            said, pn.Column(scores, self._shown, width=SCORES_WIDTH + 16, margin=0), sizing_mode="stretch_width", margin=0
        )
        return pmui.Tabs(
            ("Points", self._points),
            ("Costs", self._costs),
            ("By class", self._by_class),
            ("Evidence", self._check),
            sizing_mode="stretch_width",
            margin=0,
        )

    def _on_fold(self) -> None:
        self._details.visible = self._fold.open
        if self._fold.open and not self._details.objects:
            # Now, and not in the tabs: a chart that is drawn while it is hidden, or inside Material's tabs, has no width.
            self._details.objects = [self._by_hand, self._tabs]
        self._draw_details()

    # -- the path --

    def _on_step(self, key: str) -> None:
        step = StepKey(key) if key in list(StepKey) else None
        found = None if self._view is None else next((s for s in self._view.path.steps if s.key == step), None)
        if found is None or not found.possible:
            return
        self.actions.forget_error()
        if step == StepKey.TEACH:
            self.state.param.update(page=PageName.MAP, tab=Tab.SUGGESTIONS)
        elif step == StepKey.READ:
            self.state.param.update(page=PageName.MAP, tab=Tab.CHECK, read_for=Queue.PROMISE)
        elif step == StepKey.OPEN:
            self._check.ask_open()
        elif step == StepKey.CHOOSE:
            self._points.ask_name()
        elif step == StepKey.FORCE:
            self._points.ask_force()
        else:
            self._points.ask_export()

    def _show_path(self, path: Path) -> None:
        self._steps.steps = [
            {
                "key": s.key,
                "stage": s.stage,
                "title": s.title,
                "count": s.count,
                "hint": s.hint,
                "told": TERMS[STEP_TERMS[s.key]] if s.key in STEP_TERMS else "",
                "possible": s.possible,
            }
            for s in path.steps
        ]

    # -- following --

    def _on_state(self, *_: Any) -> None:
        if self.state.page == "operating":
            self._read()
        else:
            self._printed.sheet = ""  # other pages print themselves

    def _load(self, number: int | None) -> None:
        """Show an opening, None for the newest."""
        if number == self.state.opening:
            self._read()
        else:
            self.state.opening = number

    def _read(self) -> None:
        turn = self._turn
        self.actions.load_opening(
            self.state.opening, self._subject, lambda view: self._show(view) if turn == self._turn else None
        )

    def _scorers_now(self) -> list[str]:
        return [PROBE, *(column.name for column in self.state.shared.score_columns().values())]

    def _offer_scorers(self, *_: Any) -> None:
        """Offer the score columns that there are now; a column that is removed gives way to the probe."""
        scorers = self._scorers_now()
        if self._subject.scorer not in scorers:
            self._turn_to(replace(self._subject, scorer=PROBE))
        self._scorers.param.update(options=scorers, value=self._subject.scorer, visible=len(scorers) > 1)

    def _on_subject(self, **chosen: str | None) -> None:
        subject = replace(self._subject, **{name: value for name, value in chosen.items() if value is not None})
        if subject != self._subject:  # else the page itself has put it there
            self._turn_to(subject)

    def _turn_to(self, subject: Subject) -> None:
        """Show the newest opening of another policy or scorer."""
        self.actions.forget_error()
        self._subject, self._moved, self._turn = subject, False, self._turn + 1
        self._load(None)

    def _show(self, view: OpeningView) -> None:
        before = self._view.opened if self._view else None
        other = before is not None and view.opened is not None and view.opened.number != before.number
        if before is not None and other and self._moved and self.state.opening is None:
            self._load(before.number)  # another analyst has opened the set: a user who is dragging keeps the current opening
            return
        self._view = view
        self._subject = view.status.subject  # of the opening, where a link names one
        self._policies.param.update(options=list(view.policies), value=view.status.policy.name, visible=len(view.policies) > 1)
        self._scorers.value = self._subject.scorer
        told = explained(f'<p class="text error" role="alert">{html.escape(view.since)}</p>')
        self._since.param.update(object=told, visible=bool(view.since))
        self._check.show(view)
        self._show_path(view.path)
        opened, sample = view.opened, view.sample
        if self.state.opening not in (None, opened.number if opened else None):
            self.actions.say(f"There is no opening {self.state.opening}; this is the newest.", error=True)
            self.state.opening = None
        shown = sample is not None
        self._charts.visible = self._column.visible = self._by_hand.visible = shown
        self._closed.param.update(object=closed_panel(), visible=not shown)
        if opened is None or sample is None:
            self._promise.object = lead(self._before(view), [view.problem, view.advice])
            self._check.conclude([])
            self._printed.sheet, self._drawn = "", b""
            return
        promised = promised_figures(opened, sample)
        whole = promise(opened, promised, sample, ahead=view.ahead)
        self._promise.object = lead(
            headline(opened, promised, sample), whole[:1] if promised is None else [" ".join(whole[2:])]
        )
        newest = next(found for found in view.history if found.subject == opened.subject)
        more = what_more_would_buy(opened, sample, ahead=view.ahead)
        self._shown.object = small([shown_curve(opened, view.n_since, newest=newest), self._next_look(view), more])
        below = footer(opened, view.status, covered=view.covered, tie=sample.largest_tie, drift=view.drift)
        self._check.conclude([*view.beside, *below, average_precision(sample.average_precision)])
        self._draw_charts(view, opened.threshold, sample)
        self._points.show(view)
        if before is None or before.number != opened.number or self._threshold is None:
            self._moved = False
            self._move(opened.threshold if opened.threshold is not None else threshold_for_recall(sample, opened.recall))
        else:
            self._draw_handle()
            self._settle()

    @staticmethod
    def _before(view: OpeningView) -> str:
        """Say what is next while nothing is opened."""
        step = view.path.next
        if step is None or not view.status.policy.classes:
            return "No promise yet."
        count = f" ({step.count})" if step.count else ""
        return f"No promise yet. Next: {step.title[0].lower()}{step.title[1:]}{count}."

    def _draw_charts(self, view: OpeningView, promised: float | None, sample: Sample) -> None:
        """Draw curve and scores again where anything they are drawn from has changed: not only with the opening's number."""
        drawn = fingerprint(view)
        if drawn == self._drawn:
            return
        self._drawn = drawn
        self._curve.show(sample, view.naive)
        self._histogram.show(sample, promised)
        turned = view.opened is not None and view.opened.higher_is_safer
        self._slider.label = "Threshold, with the opposite sign" if turned else "Threshold"  # so it runs as the chart does
        if self._threshold is not None:
            self._histogram.move(self._threshold)

    @staticmethod
    def _next_look(view: OpeningView) -> str:
        if not view.n_since or view.status.known is not None:
            return ""
        return view.status.missing or f"Opening the set again, look {view.status.look}, includes them."

    # -- the handle: one threshold, however it is moved --

    def _on_drag(self, threshold: float) -> None:
        self._hold(threshold, by="handle")

    def _on_slider(self, threshold: float) -> None:
        if self._slid.is_persons(threshold):
            self._hold(float(threshold), by="slider")
        elif threshold != self._slid.shown:
            self._settle()

    def _on_release(self, threshold: float | None) -> None:
        """Take the slider's final value; only a user changes it."""
        if threshold is not None and threshold == self._slider.value != self._threshold:
            self._slid.is_persons(threshold)
            self._hold(float(threshold), by="slider")

    def _asked(self, echoes: Echoes, text: str) -> float | None:
        """Return the number a user has entered in a field; None if there is none. A value put there by an echo is reset."""
        if not echoes.is_persons(text):
            if text != echoes.shown:
                self._settle()
            return None
        value = asked_number(self.actions, text) if self._view is not None and self._view.sample is not None else None
        if value is None:
            self._settle()
        return value

    def _on_typed(self, text: str) -> None:
        threshold = self._asked(self._typing, text)
        view = self._view
        if threshold is None or view is None or view.opened is None or view.sample is None:
            return
        low, high = sorted(view.opened.as_given(float(score)) for score in view.sample.pool[[0, -1]])
        beyond = BEYOND * (high - low)
        if low - beyond <= threshold <= high + beyond:
            self._hold(view.opened.as_given(threshold), by="typed")
        else:
            self._refuse(f"Scores go from {low:.2f} to {high:.2f} here; type a threshold between, got {threshold:g}.")

    def _on_target(self, wanted: str, text: str) -> None:
        value = self._asked(self._recalls if wanted == "recall" else self._precisions, text)
        if value is None or self._view is None or self._view.sample is None:
            return
        find = threshold_for_recall if wanted == "recall" else threshold_for_precision
        try:
            found = find(self._view.sample, value)
        except InputError as error:
            self._refuse(str(error))
            return
        if found is None:
            self._refuse(f"No threshold reaches {target(value)} precision on these labels; choose a lower one.")
        else:
            self._hold(found, by=wanted)

    def _refuse(self, sentence: str) -> None:
        self.actions.say(sentence, error=True)
        self._settle()

    def _hold(self, threshold: float, *, by: str) -> None:
        """Move the threshold as a person has."""
        self._moved = True
        self.actions.forget_error()
        self._move(threshold, by=by)

    def _move(self, threshold: float, *, by: str = "") -> None:
        """Let everything show a threshold.

        Args:
            by: what a hand may be on now; that is not moved under it.
        """
        self._threshold, self._moved_at = threshold, time.monotonic()

        def draw() -> None:
            if self._threshold != threshold:
                return  # a newer one is on the way
            if by != "handle":
                self._histogram.move(threshold)
            self._draw_handle()
            self._settle()

        self.actions.soon(draw)

    def _draw_handle(self) -> None:
        view, threshold = self._view, self._threshold
        if view is None or view.opened is None or view.sample is None or threshold is None:
            return
        figures = figures_at(view.sample, threshold)
        promised = promised_figures(view.opened, view.sample)
        self._curve.mark(figures, promised)
        reached = scored(view.opened, threshold, view.sample, by_probe="Review images that score", by_column="Review scores")
        covered = view.opened.threshold is not None and threshold <= view.opened.threshold
        self._outcome.object = threshold_line(reached, covered=covered) + thousand_table(figures)
        self._points.follow(threshold)
        self._draw_details()

    def _draw_details(self) -> None:
        """Draw what depends on the threshold behind Details, while that is open."""
        view, threshold = self._view, self._threshold
        if not self._fold.open or view is None or view.opened is None or view.sample is None or threshold is None:
            return
        figures = figures_at(view.sample, threshold)
        naive = [naive_warning(view.naive, threshold)] if view.naive else []
        told = at_handle(view.opened, figures, view.sample, ahead=view.ahead)
        self._words.object = explained(paragraphs(told) + small(naive))
        self._points.draw()
        self._costs.show(view, threshold)
        self._by_class.object = classes_html(view, threshold, self.state.workspace.class_names)

    def _settle(self) -> None:
        """Let the other widgets and the pictures follow once the hand rests: a widget that is written to fast echoes."""
        document = pn.state.curdoc
        if document is None:
            self._follow()
        elif not self._settling:
            self._settling = True
            document.add_timeout_callback(self._follow_when_at_rest, int(1000 * SETTLE))

    def _follow_when_at_rest(self) -> None:
        self._settling = False
        if time.monotonic() - self._moved_at < SETTLE:
            self._settle()
            return
        with one_message(pn.state.curdoc):
            self._follow()

    def _follow(self) -> None:
        view, threshold = self._view, self._threshold
        if view is None or view.opened is None or view.sample is None or threshold is None:
            return
        figures = figures_at(view.sample, threshold)
        shown = self._histogram.figure.x_range
        start, end = math.floor(100 * shown.start) / 100, math.ceil(100 * shown.end) / 100
        at = threshold if threshold == self._slider.value else round(threshold, 3)  # a hand may be on it
        self._slid.write(at, start=start, end=end, disabled=False)
        self._typing.write(written(view.opened.as_given(threshold)))
        self._recalls.write(written(figures.recall.value, 3))
        self._precisions.write(written(None if figures.precision is None else figures.precision.value, 3))
        self._printed.sheet = sheet(self.state.workspace, view, threshold, analyst=self.state.analyst)
        self._draw_pictures()

    def _draw_pictures(self, *_: Any) -> None:
        view, threshold = self._view, self._threshold
        if self.state.page != "operating" or view is None or threshold is None:
            return
        self._sides.draw(view, threshold)

    def __panel__(self) -> pn.viewable.Viewable:
        return self._layout
