"""The Operating point page: what opening the check set costs, then its curve, the threshold, the promise and saved points."""

import html
import math
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import panel as pn
import panel_material_ui as pmui
import param

from core.errors import InputError
from core.evidence.focus import is_offered
from core.evidence.openings import promised_figures
from core.evidence.points import OperatingPoint
from core.evidence.sentences import (
    at_handle,
    between,
    closed,
    footer,
    naive_warning,
    per_1000,
    promise,
    say_threshold,
    shown_curve,
    what_more_would_buy,
)
from core.evidence.threshold import (
    PointFigures,
    Sample,
    cheapest_threshold,
    cost_per_1000,
    figures_at,
    nearest_to,
    threshold_for_precision,
    threshold_for_recall,
)
from core.maths.precision_recall import Range
from core.wording import counted, fraction, per_thousand, percent, signed, target
from dashboard.actions import Actions
from dashboard.choices import PageName
from dashboard.documents import one_message
from dashboard.openings import OpeningView, fingerprint
from dashboard.state import SessionState
from dashboard.theme import css
from dashboard.views.components.gallery import Gallery, Tile
from dashboard.views.download import Download
from dashboard.views.echoes import RARELY, Echoes
from dashboard.views.message import MessageLine
from dashboard.views.number_field import number, number_field, written
from dashboard.views.operating_charts import WIDTH, CurveChart, ScoreChart, legend
from dashboard.views.words import words

SIDE = 352  # px, of the columns left and right
NEAR = 5  # pictures shown on each side of the threshold
BEYOND = 1.0  # logit beyond the scores that may still be typed: all or nothing is reviewed
MISS = 20.0  # reviews that a miss costs, until the user sets another number
FOCUS = 50  # labels a focus draw asks for
GALLERY_HEIGHT = 112  # px
PER_1000 = "Per 1,000 images (sides counted on all scores, shares from the check labels on each side):"
SETTLE = 0.2  # s after the last move: then the other widgets and the pictures follow; charts and words follow at once


class OperatingPage(pn.viewable.Viewer):
    """Three columns: the check set, the charts, what a threshold does."""

    state = param.ClassSelector(class_=SessionState)
    actions = param.ClassSelector(class_=Actions)

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self._view: OpeningView | None = None
        self._wanted: int | None = None  # number of the opening to show; None = the newest
        self._threshold: float | None = None  # the one that words, handle, slider and inputs show
        self._moved = False  # by this person, on the shown opening
        self._moved_at, self._settling = 0.0, False
        self._drawn = b""  # what the charts show
        self._curve, self._histogram = CurveChart(), ScoreChart(self._on_drag)
        self._layout = pn.Column(
            MessageLine(state=self.state, page=PageName.OPERATING),
            pn.Row(self._check_column(), self._chart_column(), self._handle_column(), margin=0),
            sizing_mode="stretch_both",
            scroll="y-auto",
            margin=8,
        )
        self.state.param.watch(self._on_state, ["page", "labels_version", "openings", "probe_version"])
        self.state.param.watch(self._draw_pictures, ["privacy_view", "reveal"])
        self._on_state()

    # -- columns --

    def _check_column(self) -> pn.Column:
        terms = self.state.workspace.check_set
        self._closed = words(width=SIDE, margin=(0, 8))
        self._recall = number_field("Recall", width=106, value=terms.recall)
        self._confidence = number_field("Confidence", width=106, value=terms.confidence)
        self._size = number_field("Plan to read", width=110, value=terms.size)
        self._live = pmui.Switch(label="Watch live", value=terms.live, size="small", margin=(14, 8))
        terms_of = {"recall": self._recall, "confidence": self._confidence, "size": self._size, "live": self._live}
        self._terms = {name: Echoes(widget, seconds=RARELY) for name, widget in terms_of.items()}
        for name, widget in terms_of.items():
            widget.param.watch(lambda event, term=name: self._on_term(term, event.new), "value")
        self._open = pmui.Button(label="Open", size="small", on_click=lambda _: self.actions.open_check_set(self._load))
        self._new_set = pmui.Button(
            label="New check set",
            size="small",
            variant="outlined",
            color="default",
            on_click=lambda _: self.actions.begin_set(),
        )
        self._focus = pmui.Button(
            label=f"Request {FOCUS} focus labels",
            description="Images where the model is uncertain: for a sharper precision, never for the promise",
            size="small",
            variant="outlined",
            color="default",
            on_click=lambda _: self.actions.draw_focus(FOCUS),
        )
        self._history = pmui.Select(label="Opening", options={}, size="small", width=SIDE - 10, visible=False)
        self._openings = Echoes(self._history, seconds=RARELY)
        self._history.param.watch(lambda event: self._on_opening(event.new), "value")
        self._footer = words(width=SIDE, margin=(4, 8))
        return pn.Column(
            pmui.Typography(object="Check set", variant="h6", margin=(0, 8)),
            self._closed,
            pn.Row(self._recall, self._confidence, self._size, margin=0),
            self._live,
            pn.Row(self._open, self._new_set, margin=0),
            self._focus,
            self._history,
            self._footer,
            width=SIDE + 16,
            margin=4,
        )

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
        self._name = pmui.TextInput(label="Name of this point", value="", size="small", width=180)
        self._save = pmui.Button(label="Save", size="small", margin=(12, 8), on_click=lambda _: self._save_point())
        self._points = pn.Column(width=SIDE, margin=0)
        self._export, self._export_shown = (
            pmui.Button(label="", size="small", variant="outlined", margin=(4, 8), on_click=on_click)
            for on_click in (lambda _: self._on_export(), lambda _: self._on_export(shown=True))
        )
        self._download = Download(label="Download", actions=self.actions)
        self._column = pn.Column(
            self._words,
            pn.Row(self._typed, self._want_recall, self._want_precision, margin=0),
            pn.Row(self._miss, self._cheapest, margin=0),
            self._cost,
            pn.Row(self._name, self._save, margin=0),
            self._points,
            self._export,
            self._export_shown,
            self._download,
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
        self.actions.load_opening(number, self._show)

    def _on_opening(self, number: int | None) -> None:
        if self._openings.is_persons(number):
            self._load(number)
        else:
            self._openings.restore()

    def _show(self, view: OpeningView) -> None:
        before = self._view.opened if self._view else None
        other = before is not None and view.opened is not None and view.opened.number != before.number
        if before is not None and other and self._moved and self._wanted is None:
            self._load(before.number)  # another analyst has opened the set: a user who is dragging keeps the current opening
            return
        self._view = view
        self._draw_check_set(view)
        opened, sample = view.opened, view.sample
        shown = sample is not None
        self._charts.visible = self._column.visible = self._slider.visible = shown
        if opened is None or sample is None:
            self._promise.object = _small([view.problem]) if view.problem else _closed_panel()
            self._footer.object, self._drawn = "", b""
            return
        promised = promised_figures(opened, sample)
        more = what_more_would_buy(opened, sample, left=view.left)
        self._promise.object = _paragraphs([*promise(opened, promised, sample, left=view.left), more], first=True)
        self._shown.object = _small([shown_curve(opened, view.n_since, newest=view.history[0]), self._next_look(view)])
        n = self.state.workspace.n_images
        below = footer(opened, view.status, n_images=n, tie=sample.largest_tie, drift=view.drift)
        self._footer.object = _small([*below, _average_precision(sample.average_precision)])
        self._draw_charts(view, opened.threshold, sample)
        if before is None or before.number != opened.number or self._threshold is None:
            self._moved = False
            self._move(opened.threshold if opened.threshold is not None else threshold_for_recall(sample, opened.recall))
        else:
            self._draw_handle()
            self._settle()
        self._draw_points()

    def _draw_charts(self, view: OpeningView, promised: float | None, sample: Sample) -> None:
        """Draw curve and scores again where anything they are drawn from has changed: not only with the opening's number."""
        drawn = fingerprint(view)
        if drawn == self._drawn:
            return
        self._drawn = drawn
        self._curve.show(sample, view.naive)
        self._histogram.show(sample, promised)
        if self._threshold is not None:
            self._histogram.move(self._threshold)

    @staticmethod
    def _next_look(view: OpeningView) -> str:
        if not view.n_since or view.status.known is not None:
            return ""
        return view.status.missing or f"'Open: look {view.status.look}', on the left, includes them."

    def _draw_check_set(self, view: OpeningView) -> None:
        status, names = view.status, self.state.workspace.flagged_names
        told = closed(status, names) + ([status.missing] if status.missing else [])
        title = f"<b>{counted(status.n, 'image')} read, {status.planned:,} planned</b>"
        if status.check_set.number > 1:
            title += f" (check set {status.check_set.number})"
        self._closed.object = f"<div>{title}</div>" + _paragraphs(told)
        again = status.known is not None
        self._open.label = "Opened" if again else f"Open: look {status.look}"
        self._open.disabled = bool(status.missing) or again
        opened_here = any(r.check_set == status.check_set.number for r in view.history)
        self._new_set.visible = opened_here
        self._confidence.disabled = self._live.disabled = opened_here
        self._focus.visible = is_offered(status.n, status.n_flagged) and opened_here
        options = {_title(r.number, r.check_set, r.look, r.at, r.analyst): r.number for r in view.history}
        terms = status.check_set
        for name, echoes in self._terms.items():
            echoes.write(terms.live if name == "live" else written(getattr(terms, name)))
        shown = view.opened.number if view.opened else None
        self._openings.write(shown, options=options, visible=len(options) > 0)

    def _on_term(self, term: str, value: Any) -> None:
        echoes = self._terms[term]
        if not echoes.is_persons(value):
            echoes.restore()
            return
        self._forget_error()
        wanted = value if term == "live" else self._number(value)
        if wanted is None:
            self._load(self._wanted)  # shows the terms in force again
        else:
            self.actions.change_terms(term, int(wanted) if term == "size" else wanted, lambda: self._load(self._wanted))

    def _forget_error(self) -> None:
        if self.state.message_is_error:  # it was about what is now another value
            self.actions.say("")

    def _number(self, text: str) -> float | None:
        """Read a number field; None, and a sentence, where it holds none."""
        try:
            return number(text)
        except InputError as error:
            self.actions.say(str(error), error=True)
            return None

    def _on_miss(self, text: str) -> None:
        if self._misses.is_persons(text):
            costs = self._number(text)
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
        value = self._number(text) if self._view is not None and self._view.sample is not None else None
        if value is None:
            self._settle()
        return value

    def _on_typed(self, text: str) -> None:
        threshold = self._asked(self._typing, text)
        if threshold is None or self._view is None or self._view.sample is None:
            return
        pool = self._view.sample.pool
        low, high = float(pool[0]) - BEYOND, float(pool[-1]) + BEYOND
        if low <= threshold <= high:
            self._hold(threshold, by="typed")
        else:
            self._refuse(f"Scores go from {pool[0]:.2f} to {pool[-1]:.2f} here; type a threshold between, got {threshold:g}.")

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
        self._forget_error()
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
        self._words.object = _paragraphs(told) + _per_1000(figures) + _small(naive)
        cost = cost_per_1000(figures, miss=self._miss_costs)
        self._cost.object = _small([
            f"Per 1,000 images that is {_range(cost)} reviews' worth, of which "
            f"{per_thousand(figures.reviewed_per_1000)} are reviews (counted)."
        ])  # fmt: skip
        self._name_exports()

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
        if view is None or view.sample is None or threshold is None:
            return
        figures = figures_at(view.sample, threshold)
        shown = self._histogram.figure.x_range
        start, end = math.floor(100 * shown.start) / 100, math.ceil(100 * shown.end) / 100
        at = threshold if threshold == self._slider.value else round(threshold, 3)  # a hand may be on it
        self._slid.write(at, start=start, end=end, disabled=False)
        self._typing.write(written(threshold))
        self._recalls.write(written(figures.recall.value, 3))
        self._precisions.write(written(None if figures.precision is None else figures.precision.value, 3))
        self._draw_pictures()

    def _draw_pictures(self, *_: Any) -> None:
        view, threshold = self._view, self._threshold
        if self.state.page != "operating" or view is None or threshold is None:
            return
        if view.scores is None or view.sample is None:
            return
        space = self.state.workspace
        # Sealed images that are still to be read blind are not shown beside their score.
        free = ~(space.sealed & ~space.evidence())[: len(view.scores)]
        for gallery, above in ((self._above, True), (self._below, False)):
            near = nearest_to(threshold, view.scores, view.sample.pool, free, NEAR, above=above)
            gallery.param.update(
                tiles=[self._tile(row, float(view.scores[row])) for row in near.tolist()],
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

    # -- saved points --

    def _save_point(self) -> None:
        if self._view is not None and self._view.opened is not None and self._threshold is not None:
            self.actions.save_point(self._name.value, self._threshold, self._view.opened, self._saved)

    def _saved(self) -> None:
        self._name.value = ""

    def _name_exports(self) -> None:
        """Say on each button what it writes."""
        view, threshold = self._view, self._threshold
        if view is None or view.opened is None or view.sample is None or threshold is None:
            return
        kept = view.export[0] if len(view.export) == 1 else None
        of_this = kept is not None and kept.opened is not None and kept.opened.number == view.opened.number
        if kept is not None:
            at = say_threshold(kept.threshold, view.sample) if of_this else f"{kept.threshold:.3f}"
            self._export.label = f"Export the bundle of {kept.title}, ≥ {at}"
        same = kept is not None and of_this and _flags_alike(view.sample, kept.threshold, threshold)
        self._export_shown.label = f"Export the threshold shown, ≥ {say_threshold(threshold, view.sample)}, without a name"
        self._export.param.update(visible=kept is not None, disabled=False)
        self._export_shown.param.update(visible=not same, disabled=False)

    def _on_export(self, *, shown: bool = False) -> None:
        if self._view is None or self._view.opened is None:
            return
        for button in (self._export, self._export_shown):
            button.disabled = True
        (self._export_shown if shown else self._export).label = "Exporting…"
        self._download.withdraw()
        threshold, opened = (self._threshold, self._view.opened) if shown else (None, None)
        self.actions.export_bundle(self._exported, failed=self._name_exports, threshold=threshold, opened=opened)

    def _exported(self, file: Path, what: str) -> None:
        self._name_exports()
        self._download.offer(file.name, file, file.read_bytes)
        self.actions.say(f"Exported {file.name}: {what}. Score new uploads with 'lassoscope score'.")

    def _draw_points(self) -> None:
        view = self._view
        if view is None or view.opened is None or view.sample is None:
            return
        mine = [point for point in view.points if point.opening == view.opened.number]
        rows: list[Any] = [_small(["Points of this opening, with their figures:"])] if mine else []
        self._points.objects = [
            *(words(text, margin=(0, 8)) for text in rows),
            *(self._point_row(point, figures_at(view.sample, point.threshold)) for point in mine),
        ]

    def _point_row(self, point: OperatingPoint, figures: PointFigures) -> pn.Column:
        force = self._view.in_force if self._view else {}
        state = f" <b>in force</b> since {_minute(force['at'])}, by {html.escape(force['analyst'])}." if point.in_force else ""
        precision = "not said" if figures.precision is None else percent(figures.precision.value)
        shown = say_threshold(point.threshold, self._view.sample) if self._view and self._view.sample else ""
        told = (
            f"<b>{html.escape(point.name)}</b> ≥ {shown} ({html.escape(point.analyst)}): recall "
            f"{percent(figures.recall.value)} ({between(figures.recall)}), precision {precision}, "
            f"{percent(figures.reviewed_share)} reviewed (counted).{state}"
        )
        show = partial(self._hold, point.threshold, by="point")
        go = pmui.Button(label="Show", size="small", variant="text", color="default", on_click=lambda _: show())
        force_button = pmui.Button(
            label="Put in force", size="small", variant="text", on_click=lambda _, n=point.name: self.actions.put_in_force(n)
        )
        force_button.visible = not point.in_force
        return pn.Column(
            words(f'<div class="note">{told}</div>', width=SIDE, margin=(2, 8, 0, 8)),
            pn.Row(go, force_button, margin=0),
            margin=0,
        )

    def __panel__(self) -> pn.viewable.Viewable:
        return self._layout


def _flags_alike(sample: Sample, one: float, other: float) -> bool:
    return sample.counted_above(one) == sample.counted_above(other)


def _closed_panel() -> str:
    return (
        '<div class="closed">'
        "<b>The check set is closed.</b><br>Curve, bands and promise appear here once you open it. Until then they are "
        "hidden, so that they stay evidence.</div>"
    )


def _title(number: int, check_set: int, look: int, at: str, analyst: str) -> str:
    return f"{number}: set {check_set}, look {look} · {_minute(at)} · {analyst}"


def _minute(at: str) -> str:
    return at[:16].replace("T", " ") + " UTC"


def _paragraphs(sentences: Sequence[str], *, first: bool = False) -> str:
    """Write sentences; `first` of the page, four are large and the others small."""
    kinds = ["lead" if number < 4 else "note" for number in range(len(sentences))] if first else ["text"] * len(sentences)
    return "".join(f'<p class="{kind}">{html.escape(s)}</p>' for kind, s in zip(kinds, sentences, strict=True))


def _small(sentences: Sequence[str]) -> str:
    return "".join(f'<p class="note">{html.escape(s)}</p>' for s in sentences if s)


def _range(found: Range) -> str:
    return f"{per_thousand(found.value)} ({per_thousand(found.low, down=True)} to {per_thousand(found.high, up=True)})"


def _per_1000(figures: PointFigures) -> str:
    cells = per_1000(figures)
    body = "".join(f"<div><b>{value}</b>{name}<br>({range_})</div>" for name, value, range_ in cells)
    return f'<div class="per-1000-title">{PER_1000}</div><div class="per-1000">{body}</div>'


def _average_precision(found: Range | None) -> str:
    if found is None:
        return "Average precision is not defined below 20 flagged check labels."
    low, high = fraction(found.low, down=True), fraction(found.high, up=True)
    return f"Average precision {fraction(found.value)} ({low} to {high})."
