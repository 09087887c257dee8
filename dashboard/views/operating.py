"""The Operating point page: a closed panel that says what opening costs, then curve, handle, promise in words, and points."""

import html
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import panel as pn
import panel_material_ui as pmui
import param

from core.checking import OperatingPoint, promised_figures
from core.focus import is_offered
from core.operating import (
    PointFigures,
    Range,
    cheapest_threshold,
    cost_per_1000,
    figures_at,
    threshold_for_precision,
    threshold_for_recall,
)
from core.operating_words import at_handle, closed, footer, naive_warning, promise, what_more_would_buy
from dashboard.actions import Actions
from dashboard.openings import OpeningView
from dashboard.state import SessionState
from dashboard.views.components.gallery import Gallery
from dashboard.views.message import MessageLine
from dashboard.views.operating_charts import WIDTH, CurveChart, ScoreChart, legend

SIDE = 352  # px, of the columns left and right
NEAR = 5  # pictures shown on each side of the threshold
FOCUS = 50  # labels a focus draw asks for
GALLERY_HEIGHT = 112  # px


class OperatingPage(pn.viewable.Viewer):
    """Three columns: the check set, the charts, what a threshold does."""

    state = param.ClassSelector(class_=SessionState)
    actions = param.ClassSelector(class_=Actions)

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self._view: OpeningView | None = None
        self._wanted: int | None = None  # number of the opening to show; None = the newest
        self._threshold: float | None = None
        self._following = False  # widgets are being set from the threshold
        self._curve, self._histogram = CurveChart(), ScoreChart(self._on_drag)
        self._layout = pn.Column(
            MessageLine(state=self.state, page="operating"),
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
        self._closed = pn.pane.HTML("", width=SIDE, margin=(0, 8))
        self._recall = pmui.FloatInput(
            label="Recall", value=terms.recall, start=0.5, end=0.999, step=0.05, size="small", width=106
        )
        self._confidence = pmui.FloatInput(
            label="Confidence", value=terms.confidence, start=0.5, end=0.999, step=0.05, size="small", width=106
        )
        self._size = pmui.IntInput(label="Plan to read", value=terms.size, start=1, step=50, size="small", width=110)
        self._live = pmui.Switch(label="Watch live", value=terms.live, size="small", margin=(14, 8))
        terms_of = {"recall": self._recall, "confidence": self._confidence, "size": self._size, "live": self._live}
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
            label=f"Ask for {FOCUS} focus labels",
            description="Where the model is in doubt: for a sharper precision, never for the promise",
            size="small",
            variant="outlined",
            color="default",
            on_click=lambda _: self.actions.draw_focus(FOCUS),
        )
        self._history = pmui.Select(label="Opening", options={}, size="small", width=SIDE - 10, visible=False)
        self._history.param.watch(lambda event: self._load(event.new), "value")
        self._footer = pn.pane.HTML("", width=SIDE, margin=(4, 8))
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
        self._promise = pn.pane.HTML("", width=WIDTH, margin=(0, 8))
        self._slider = pmui.FloatSlider(
            label="Threshold",
            start=-1,
            end=1,
            step=0.01,
            value=0,
            width=WIDTH - 60,
            margin=(0, 24),
            size="small",
            disabled=True,
        )
        self._slider.param.watch(lambda event: self._on_widget(event.new), "value")
        self._charts = pn.Column(
            pn.pane.Bokeh(self._curve.figure, margin=4),
            pn.pane.HTML(legend(), width=WIDTH, margin=(0, 8)),
            pn.pane.Bokeh(self._histogram.figure, margin=4),
            self._slider,
            visible=False,
        )
        return pn.Column(self._promise, self._charts, width=WIDTH + 16, margin=4)

    def _handle_column(self) -> pn.Column:
        self._words = pn.pane.HTML("", width=SIDE, margin=(0, 8))
        self._typed = pmui.FloatInput(label="Threshold", value=None, step=0.1, size="small", width=108)
        self._want_recall, self._want_precision = (
            pmui.FloatInput(label=label, value=None, start=0, end=1, step=0.05, size="small", width=108)
            for label in ("Recall about", "Precision about")
        )
        self._typed.param.watch(lambda event: self._on_widget(event.new), "value")
        self._want_recall.param.watch(lambda event: self._on_target("recall", event.new), "value")
        self._want_precision.param.watch(lambda event: self._on_target("precision", event.new), "value")
        self._miss = pmui.FloatInput(label="A miss costs (reviews)", value=20.0, start=0.01, step=5, size="small", width=165)
        self._miss.param.watch(lambda _: self.actions.soon(self._draw_handle), "value")
        self._cheapest = pmui.Button(
            label="Cheapest", size="small", variant="outlined", color="default", margin=(12, 8), on_click=self._to_cheapest
        )
        self._cost = pn.pane.HTML("", width=SIDE, margin=(0, 8))
        self._above, self._below = (
            Gallery(view=self.state.privacy_view, empty="", tile_size=56, width=SIDE, height=GALLERY_HEIGHT, margin=(0, 4))
            for _ in range(2)
        )
        self._name = pmui.TextInput(label="Name of this point", value="", size="small", width=180)
        self._save = pmui.Button(label="Save", size="small", margin=(12, 8), on_click=lambda _: self._save_point())
        self._points = pn.Column(width=SIDE, margin=0)
        self._export = pmui.Button(
            label="Export the bundle",
            size="small",
            variant="outlined",
            margin=(8, 8),
            on_click=lambda _: self._on_export(),
        )
        self._download = pmui.FileDownload(label="Download", visible=False, margin=(8, 8))
        self._column = pn.Column(
            self._words,
            pn.Row(self._typed, self._want_recall, self._want_precision, margin=0),
            pn.Row(self._miss, self._cheapest, margin=0),
            self._cost,
            pn.Row(self._name, self._save, margin=0),
            self._points,
            pn.Row(self._export, self._download, margin=0),
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
        if not self._following:
            self._wanted = number
            self.actions.load_opening(number, self._show)

    def _show(self, view: OpeningView) -> None:
        before = self._view.opened if self._view else None
        self._view = view
        self._draw_check_set(view)
        opened, sample = view.opened, view.sample
        self._charts.visible = self._column.visible = self._slider.visible = opened is not None
        if opened is None or sample is None:
            self._promise.object = _closed_panel()
            return
        promised = promised_figures(opened, sample)
        words = [*promise(opened, promised, sample), what_more_would_buy(opened, sample)]
        self._promise.object = _paragraphs(words, first=True)
        n = self.state.workspace.n_images
        below = footer(opened, view.status, n_images=n, tie=sample.largest_tie, drift=view.drift)
        self._footer.object = _small([*below, _average_precision(sample.average_precision)])
        if before is None or before.number != opened.number or self._threshold is None:
            self._curve.show(sample, view.naive)
            self._histogram.show(sample, opened.threshold)
            shown = self._histogram.figure.x_range
            start, end = math.floor(100 * shown.start) / 100, math.ceil(100 * shown.end) / 100
            self._following = True
            self._slider.param.update(start=start, end=end, value=min(max(self._slider.value, start), end), disabled=False)
            self._following = False
            self._move(opened.threshold if opened.threshold is not None else threshold_for_recall(sample, opened.recall))
        else:
            self._draw_handle()
        self._draw_points()

    def _draw_check_set(self, view: OpeningView) -> None:
        status, names = view.status, self.state.workspace.flagged_names
        words = closed(status, names) + ([status.missing] if status.missing else [])
        title = f"<b>{status.n:,} images read, {status.check_set.size:,} planned</b>"
        if status.check_set.number > 1:
            title += f" (check set {status.check_set.number})"
        self._closed.object = f"<div>{title}</div>" + _paragraphs(words)
        again = status.known is not None
        self._open.label = "Opened" if again else f"Open: look {status.look}"
        self._open.disabled = bool(status.missing) or again
        opened_here = any(r.check_set == status.check_set.number for r in view.history)
        self._new_set.visible = opened_here
        self._confidence.disabled = self._live.disabled = opened_here
        self._focus.visible = is_offered(status.n, status.n_flagged) and opened_here
        options = {_title(r.number, r.check_set, r.look, r.at, r.analyst): r.number for r in view.history}
        terms = status.check_set
        self._following = True
        self._recall.value, self._confidence.value, self._size.value = terms.recall, terms.confidence, terms.size
        self._live.value = terms.live
        shown = view.opened.number if view.opened else None
        self._history.param.update(options=options, value=shown, visible=len(options) > 0)
        self._following = False

    def _on_term(self, term: str, value: Any) -> None:
        if not self._following and value is not None:
            self.actions.change_terms(term, value, lambda: self._load(self._wanted))

    # -- the handle --

    def _on_drag(self, threshold: float) -> None:
        self._move(threshold, dragged=True)

    def _on_widget(self, threshold: float | None) -> None:
        if not self._following and threshold is not None:
            self._move(float(threshold))

    def _on_target(self, target: str, value: float | None) -> None:
        if self._following or value is None or self._view is None or self._view.sample is None:
            return
        sample = self._view.sample
        find = threshold_for_recall if target == "recall" else threshold_for_precision
        found = find(sample, float(value))
        if found is None:
            self.actions.say(f"No threshold reaches {value:.0%} precision on these labels; choose a lower one.", error=True)
        else:
            self._move(found)

    def _to_cheapest(self, *_: Any) -> None:
        if self._view is not None and self._view.sample is not None and self._miss.value:
            self._move(cheapest_threshold(self._view.sample, miss=self._miss.value))

    def _move(self, threshold: float, *, dragged: bool = False) -> None:
        self._threshold = threshold

        def draw() -> None:
            if not dragged:
                self._histogram.move(threshold)
            if self._threshold == threshold:  # else a newer one is on the way
                self._draw_handle()

        self.actions.soon(draw)

    def _draw_handle(self) -> None:
        view, threshold = self._view, self._threshold
        if view is None or view.opened is None or view.sample is None or threshold is None:
            return
        figures = figures_at(view.sample, threshold)
        promised = promised_figures(view.opened, view.sample)
        self._curve.mark(figures, promised)
        naive = [naive_warning(view.naive, threshold)] if view.naive else []
        self._words.object = _paragraphs(at_handle(view.opened, figures, view.sample)) + _per_1000(figures) + _small(naive)
        precision = None if figures.precision is None else round(figures.precision.value, 3)
        self._following = True
        self._slider.value = min(max(round(threshold, 3), self._slider.start), self._slider.end)
        self._typed.value = round(threshold, 4)
        self._want_recall.value, self._want_precision.value = round(figures.recall.value, 3), precision
        self._following = False
        miss = self._miss.value or 0
        cost = cost_per_1000(figures, miss=miss)
        self._cost.object = _small([
            f"Per 1,000 images that is {_range(cost)} reviews' worth, of which {figures.reviewed:,.0f} are reviews (counted)."
        ])  # fmt: skip
        self._draw_pictures()

    def _draw_pictures(self, *_: Any) -> None:
        view, threshold = self._view, self._threshold
        if self.state.page != "operating" or view is None or view.scores is None or threshold is None:
            return
        space = self.state.workspace
        # Sealed images that are still to be read blind are not shown beside their score.
        free = ~(space.sealed & ~space.evidence())[: len(view.scores)]
        for gallery, above in ((self._above, True), (self._below, False)):
            rows = np.flatnonzero(free & ((view.scores >= threshold) == above))
            away = np.abs(view.scores[rows] - threshold)
            near = rows[np.argpartition(away, min(NEAR, len(rows) - 1))[:NEAR]] if len(rows) else rows
            near = near[np.argsort(np.abs(view.scores[near] - threshold), kind="stable")]
            gallery.param.update(
                tiles=[self._tile(row, float(view.scores[row])) for row in near.tolist()],
                total=len(near),
                view=self.state.privacy_view,
                reveal=self.state.reveal,
            )

    def _tile(self, row: int, score: float) -> dict[str, Any]:
        space = self.state.workspace
        code = int(space.labels.codes[row])
        label, colour = ("", "") if code < 0 else (space.classes[code].name, space.classes[code].colour)
        text = f"{label or 'unlabelled'}, score {score:+.2f}"
        return {"row": row, "id": space.image_id(row), "label": label, "colour": colour, "text": text}

    # -- saved points --

    def _save_point(self) -> None:
        if self._view is not None and self._view.opened is not None and self._threshold is not None:
            self.actions.save_point(self._name.value, self._threshold, self._view.opened, self._saved)

    def _saved(self) -> None:
        self._name.value = ""

    def _on_export(self) -> None:
        self._export.param.update(label="Exporting…", disabled=True)
        self._download.visible = False
        self.actions.export_bundle(self._exported, failed=self._export_ended)

    def _export_ended(self) -> None:
        self._export.param.update(label="Export the bundle", disabled=False)

    def _exported(self, file: Path) -> None:
        self._export_ended()
        self._download.param.update(file=str(file), filename=file.name, visible=True)
        self.actions.say(f"Exported {file.name}; score new uploads with 'lassoscope score'.")

    def _draw_points(self) -> None:
        view = self._view
        if view is None or view.opened is None or view.sample is None:
            return
        mine = [point for point in view.points if point.reveal == view.opened.number]
        rows: list[Any] = [_small(["Points of this opening, with what they come to:"])] if mine else []
        self._points.objects = [
            *(pn.pane.HTML(text, margin=(0, 8)) for text in rows),
            *(self._point_row(point, figures_at(view.sample, point.threshold)) for point in mine),
        ]

    def _point_row(self, point: OperatingPoint, figures: PointFigures) -> pn.Column:
        force = self._view.in_force if self._view else {}
        state = f" <b>in force</b> since {_minute(force['at'])}, by {html.escape(force['analyst'])}." if point.in_force else ""
        precision = "not said" if figures.precision is None else f"{figures.precision.value:.0%}"
        words = (
            f"<b>{html.escape(point.name)}</b> ≥ {point.threshold:.3f} ({html.escape(point.analyst)}): recall "
            f"{figures.recall.value:.0%} ({figures.recall.low:.0%} to {figures.recall.high:.0%}), precision {precision}, "
            f"{figures.share_above:.1%} flagged (counted).{state}"
        )
        go = pmui.Button(
            label="Show", size="small", variant="text", color="default", on_click=lambda _, t=point.threshold: self._move(t)
        )
        force_button = pmui.Button(
            label="Put in force", size="small", variant="text", on_click=lambda _, n=point.name: self.actions.put_in_force(n)
        )
        force_button.visible = not point.in_force
        return pn.Column(
            pn.pane.HTML(f'<div style="font-size:12px">{words}</div>', width=SIDE, margin=(2, 8, 0, 8)),
            pn.Row(go, force_button, margin=0),
            margin=0,
        )

    def __panel__(self) -> pn.viewable.Viewable:
        return self._layout


def _closed_panel() -> str:
    return (
        '<div style="border:1px dashed #8888;border-radius:8px;padding:48px 24px;text-align:center">'
        "<b>The check set is closed.</b><br>Curve, bands and promise appear here once it is opened. Until then nothing of them "
        "is shown, so that they stay evidence.</div>"
    )


def _title(number: int, check_set: int, look: int, at: str, analyst: str) -> str:
    return f"{number}: set {check_set}, look {look} · {_minute(at)} · {analyst}"


def _minute(at: str) -> str:
    return at[:16].replace("T", " ") + " UTC"


def _paragraphs(sentences: Sequence[str], *, first: bool = False) -> str:
    size = "16px" if first else "13px"
    words = [f'<p style="margin:4px 0;font-size:{size}">{html.escape(s)}</p>' for s in sentences[: 4 if first else None]]
    words += [f'<p style="margin:4px 0;font-size:12px">{html.escape(s)}</p>' for s in sentences[4:]] if first else []
    return "".join(words)


def _small(sentences: Sequence[str]) -> str:
    return "".join(f'<p style="margin:2px 0;font-size:12px">{html.escape(s)}</p>' for s in sentences if s)


def _range(found: Range) -> str:
    return f"{found.value:,.0f} ({found.low:,.0f} to {found.high:,.0f})"


def _per_1000(figures: PointFigures) -> str:
    cells = [
        ("reviewed", f"{figures.reviewed:,.0f}", "counted"),
        ("caught", f"{figures.caught.value:,.0f}", f"{figures.caught.low:,.0f} to {figures.caught.high:,.0f}"),
        ("missed", f"{figures.missed.value:,.1f}", f"{figures.missed.low:,.1f} to {figures.missed.high:,.1f}"),
    ]
    body = "".join(
        f'<div style="flex:1;text-align:center"><div style="font-size:20px">{value}</div><div style="font-size:11px">{name}<br>'
        f"({range_})</div></div>"
        for name, value, range_ in cells
    )
    return f'<div style="font-size:12px;margin-top:6px">Per 1,000 images:</div><div style="display:flex">{body}</div>'


def _average_precision(found: Range | None) -> str:
    if found is None:
        return "Average precision is not defined below 20 flagged check labels."
    return f"Average precision {found.value:.3f} ({found.low:.3f} to {found.high:.3f})."
