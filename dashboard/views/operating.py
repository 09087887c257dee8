"""The Operating point page: the check set of a policy, its curve, the threshold, the promise and saved points."""

import math
import time
from dataclasses import replace
from typing import Any

import panel as pn
import panel_material_ui as pmui
import param

from core.errors import InputError
from core.evidence.openings import promised_figures
from core.evidence.sentences import (
    at_handle,
    footer,
    naive_warning,
    promise,
    shown_curve,
    what_more_would_buy,
)
from core.evidence.subject import PROBE, Subject
from core.evidence.threshold import (
    Sample,
    cheapest_threshold,
    cost_per_1000,
    figures_at,
    nearest_to,
    threshold_for_precision,
    threshold_for_recall,
)
from core.labels.policies import policies
from core.wording import per_thousand, signed, target
from dashboard.actions import Actions
from dashboard.choices import PageName
from dashboard.documents import one_message
from dashboard.openings import OpeningView, fingerprint
from dashboard.state import SessionState
from dashboard.theme import css
from dashboard.views.components.gallery import Gallery, Tile
from dashboard.views.echoes import Echoes
from dashboard.views.message import MessageLine
from dashboard.views.number_field import asked_number, number_field, written
from dashboard.views.operating_charts import WIDTH, CurveChart, ScoreChart, legend
from dashboard.views.operating_check import CheckColumn
from dashboard.views.operating_points import PointsColumn
from dashboard.views.operating_words import SIDE, average_precision, closed_panel, paragraphs, per_1000_table, ranged, small
from dashboard.views.words import words

NEAR = 5  # pictures shown on each side of the threshold
BEYOND = 0.2  # of the scores' span that may still be typed beyond them: all or nothing is reviewed
MISS = 20.0  # reviews that a miss costs, until the user sets another number
GALLERY_HEIGHT = 112  # px
SETTLE = 0.2  # s after the last move: then the other widgets and the pictures follow; charts and words follow at once


class OperatingPage(pn.viewable.Viewer):
    """Three columns: the check set, the charts, what a threshold does."""

    state = param.ClassSelector(class_=SessionState)
    actions = param.ClassSelector(class_=Actions)

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self._view: OpeningView | None = None
        self._subject = Subject()  # whose openings are shown; a policy that is not declared stands for the first
        self._wanted: int | None = None  # number of the opening to show; None = the newest
        self._threshold: float | None = None  # the one that words, handle, slider and inputs show
        self._moved = False  # by this person, on the shown opening
        self._moved_at, self._settling = 0.0, False
        self._drawn = b""  # what the charts show
        self._curve, self._histogram = CurveChart(), ScoreChart(self._on_drag)
        names = [policy.name for policy in policies(self.state.workspace)]
        self._policies = pmui.RadioButtonGroup(
            label="Policy", options=names, value=names[0], size="small", visible=len(names) > 1, margin=(4, 12)
        )
        self._policies.param.watch(lambda event: self._on_policy(event.new), "value")
        columns = [column.name for column in self.state.shared.score_columns().values()]
        self._scorers = pmui.RadioButtonGroup(
            label="Scores by", options=[PROBE, *columns], value=PROBE, size="small", visible=bool(columns), margin=(4, 12)
        )
        self._scorers.param.watch(lambda event: self._turn_to(replace(self._subject, scorer=event.new)), "value")
        self._check = CheckColumn(actions=self.actions, load=self._load, reload=lambda: self._load(self._wanted))
        self._layout = pn.Column(
            MessageLine(state=self.state, page=PageName.OPERATING),
            pn.Row(self._policies, self._scorers, margin=0),
            pn.Row(self._check, self._chart_column(), self._handle_column(), margin=0),
            sizing_mode="stretch_both",
            scroll="y-auto",
            margin=8,
        )
        self.state.param.watch(self._on_state, ["page", "labels_version", "openings", "probe_version"])
        self.state.param.watch(self._draw_pictures, ["privacy_view", "reveal"])
        self._on_state()

    # -- columns --

    def _chart_column(self) -> pn.Column:
        self._promise = words(width=WIDTH, margin=(0, 8), stylesheets=[css("words"), css("operating")])
        self._slider = pmui.FloatSlider(
            label="Threshold",
            start=-1,
            end=1,
            step=0.01,
            format="0.000",
            value=0,
            width=WIDTH - 60,
            margin=(0, 24),
            size="small",
            disabled=True,
        )
        self._slid = Echoes(self._slider)
        self._slider.param.watch(lambda event: self._on_slider(event.new), "value")
        self._slider.param.watch(lambda event: self._on_release(event.new), "value_throttled")
        self._shown = words(width=WIDTH, margin=(0, 8))
        self._charts = pn.Column(
            self._shown,
            pn.pane.Bokeh(self._curve.figure, margin=4),
            pn.pane.HTML(legend(), width=WIDTH, margin=(0, 8), stylesheets=[css("charts")]),
            pn.pane.Bokeh(self._histogram.figure, margin=4),
            self._slider,
            visible=False,
        )
        return pn.Column(self._promise, self._charts, width=WIDTH + 16, margin=4)

    def _handle_column(self) -> pn.Column:
        self._words = words(width=SIDE, margin=(0, 8), stylesheets=[css("words"), css("operating")])
        self._typed, self._want_recall, self._want_precision = (
            number_field(label, width=108) for label in ("Threshold", "Recall about", "Precision about")
        )
        self._typing, self._recalls, self._precisions = map(Echoes, (self._typed, self._want_recall, self._want_precision))
        self._typed.param.watch(lambda event: self._on_typed(event.new), "value")
        self._want_recall.param.watch(lambda event: self._on_target("recall", event.new), "value")
        self._want_precision.param.watch(lambda event: self._on_target("precision", event.new), "value")
        self._miss = number_field("A miss costs (reviews)", width=165, value=MISS)
        self._misses, self._miss_costs = Echoes(self._miss), MISS
        self._miss.param.watch(lambda event: self._on_miss(event.new), "value")
        self._cheapest = pmui.Button(
            label="Cheapest", size="small", variant="outlined", color="default", margin=(12, 8), on_click=self._to_cheapest
        )
        self._cost = words(width=SIDE, margin=(0, 8))
        self._above, self._below = (
            Gallery(view=self.state.privacy_view, empty="", tile_size=56, width=SIDE, height=GALLERY_HEIGHT, margin=(0, 4))
            for _ in range(2)
        )
        self._points = PointsColumn(actions=self.actions, hold=self._hold)
        self._column = pn.Column(
            self._words,
            pn.Row(self._typed, self._want_recall, self._want_precision, margin=0),
            pn.Row(self._miss, self._cheapest, margin=0),
            self._cost,
            self._points,
            pmui.Typography(object="Just above the threshold", variant="caption", margin=(4, 8, 0, 8)),
            self._above,
            pmui.Typography(object="Just below", variant="caption", margin=(4, 8, 0, 8)),
            self._below,
            width=SIDE + 16,
            margin=4,
            visible=False,
        )
        return self._column

    # -- following --

    def _on_state(self, *_: Any) -> None:
        if self.state.page == "operating":
            self._load(self._wanted)

    def _load(self, number: int | None) -> None:
        self._wanted = number
        subject = self._subject
        self.actions.load_opening(number, subject, lambda view: self._show(view) if subject == self._subject else None)

    def _on_policy(self, name: str | None) -> None:
        names = self._policies.options
        if name is None or name == (self._subject.policy if self._subject.policy in names else names[0]):
            return  # the page itself has put it there
        self._turn_to(replace(self._subject, policy=name))

    def _turn_to(self, subject: Subject) -> None:
        """Show the newest opening of another policy or scorer."""
        self.actions.forget_error()
        self._subject, self._moved = subject, False
        self._load(None)

    def _show(self, view: OpeningView) -> None:
        before = self._view.opened if self._view else None
        other = before is not None and view.opened is not None and view.opened.number != before.number
        if before is not None and other and self._moved and self._wanted is None:
            self._load(before.number)  # another analyst has opened the set: a user who is dragging keeps the current opening
            return
        self._view = view
        if self._policies.options != list(view.policies):
            self._policies.param.update(
                options=list(view.policies), value=view.status.policy.name, visible=len(view.policies) > 1
            )
        self._check.show(view)
        opened, sample = view.opened, view.sample
        shown = sample is not None
        self._charts.visible = self._column.visible = self._slider.visible = shown
        if opened is None or sample is None:
            self._promise.object = small([view.problem]) if view.problem else closed_panel()
            self._check.conclude([])
            self._drawn = b""
            return
        promised = promised_figures(opened, sample)
        more = what_more_would_buy(opened, sample, left=view.left)
        told = [*promise(opened, promised, sample, left=view.left), more, *view.beside]
        self._promise.object = paragraphs(told, first=True)
        newest = next(found for found in view.history if found.subject == opened.subject)
        self._shown.object = small([shown_curve(opened, view.n_since, newest=newest), self._next_look(view)])
        n = self.state.workspace.n_images
        below = footer(opened, view.status, n_images=n, tie=sample.largest_tie, drift=view.drift)
        self._check.conclude([*below, average_precision(sample.average_precision)])
        self._draw_charts(view, opened.threshold, sample)
        self._points.show(view)
        if before is None or before.number != opened.number or self._threshold is None:
            self._moved = False
            self._move(opened.threshold if opened.threshold is not None else threshold_for_recall(sample, opened.recall))
        else:
            self._draw_handle()
            self._settle()

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
        return view.status.missing or f"'Open: look {view.status.look}', on the left, includes them."

    def _on_miss(self, text: str) -> None:
        if self._misses.is_persons(text):
            costs = asked_number(self.actions, text)
            if costs is not None and costs <= 0:
                self.actions.say(f"A miss costs more than 0 reviews, got {text}; write for example {MISS:g}.", error=True)
            elif costs is not None:
                self._miss_costs = costs
            self._misses.write(written(self._miss_costs))
            self.actions.soon(self._draw_handle)

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

    def _to_cheapest(self, *_: Any) -> None:
        if self._view is not None and self._view.sample is not None:
            self._hold(cheapest_threshold(self._view.sample, miss=self._miss_costs), by="costs")

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
        naive = [naive_warning(view.naive, threshold)] if view.naive else []
        told = at_handle(view.opened, figures, view.sample, left=view.left)
        self._words.object = paragraphs(told) + per_1000_table(figures) + small(naive)
        cost = cost_per_1000(figures, miss=self._miss_costs)
        self._cost.object = small([
            f"Per 1,000 images that is {ranged(cost)} reviews' worth, of which "
            f"{per_thousand(figures.reviewed_per_1000)} are reviews (counted)."
        ])  # fmt: skip
        self._points.follow(threshold)

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
        self._draw_pictures()

    def _draw_pictures(self, *_: Any) -> None:
        view, threshold = self._view, self._threshold
        if self.state.page != "operating" or view is None or threshold is None:
            return
        if view.opened is None or view.scores is None or view.sample is None:
            return
        space = self.state.workspace
        # Sealed images that are still to be read blind are not shown beside their score.
        free = ~(space.sealed & ~space.evidence())[: len(view.scores)]
        for gallery, above in ((self._above, True), (self._below, False)):
            near = nearest_to(threshold, view.scores, view.sample.pool, free, NEAR, above=above)
            gallery.param.update(
                tiles=[self._tile(row, view.opened.as_given(float(view.scores[row]))) for row in near.tolist()],
                total=len(near),
                view=self.state.privacy_view,
                reveal=self.state.reveal,
            )

    def _tile(self, row: int, score: float) -> Tile:
        space = self.state.workspace
        code = int(space.labels.codes[row])
        label, colour = ("", "") if code < 0 else (space.classes[code].name, space.classes[code].colour)
        text = f"{label or 'unlabelled'}, score {signed(score)}"
        return {"row": row, "id": space.image_id(row), "label": label, "colour": colour, "text": text}

    def __panel__(self) -> pn.viewable.Viewable:
        return self._layout
