"""The two linked charts of the Operating point page: precision by recall, and the scores with the handle to drag."""

from collections.abc import Callable
from typing import Any

import numpy as np
from bokeh.models import ColumnDataSource, CustomJS, HoverTool, Range1d, Span
from bokeh.plotting import figure

from core.evidence.threshold import FEWEST_ABOVE, PointFigures, Sample
from core.maths.precision_recall import PRCurve

WIDTH, HEIGHT, LOW_HEIGHT = 464, 310, 150  # px
ESTIMATE, PESSIMISTIC, NAIVE, HANDLE, PROMISED = "#0072b2", "#d55e00", "#888888", "#e69f00", "#009e73"
BINS = 60
SPAN = (0.001, 0.999)  # quantiles of the scores that the histogram shows; a few far ones would flatten the rest
NOTHING = np.array([], np.float64)


def legend() -> str:
    """Name the lines of both charts, as HTML."""
    named = [
        (ESTIMATE, "solid", "estimate, with its 95% range"),
        (ESTIMATE, "dotted", "lower edge of recall, everywhere at once, 95%"),
        (PESSIMISTIC, "solid", "pessimistic curve, 95%"),
        (NAIVE, "dashed", "naive: on the labels it learned from"),
        (PROMISED, "solid", "the promise"),
        (HANDLE, "solid", "the handle: drag it"),
    ]
    marks = [
        f'<span style="white-space:nowrap"><span style="display:inline-block;width:18px;vertical-align:middle;'
        f'border-top:3px {style} {colour}"></span> {name}</span>'
        for colour, style, name in named
    ]
    return f'<div style="font-size:11px;line-height:1.5">{" ".join(marks)}</div>'


class CurveChart:
    """Estimate, its limits, the pessimistic curve and, thin and dashed, the naive curve on training labels."""

    def __init__(self) -> None:
        self.figure = figure(
            width=WIDTH, height=HEIGHT, x_range=Range1d(0, 1.01), y_range=Range1d(0, 1.03), x_axis_label="recall",
            y_axis_label="precision", toolbar_location=None, tools="",
        )  # fmt: skip
        self._band = ColumnDataSource({"recall": NOTHING, "low": NOTHING, "high": NOTHING})
        self._line = ColumnDataSource(dict.fromkeys(("recall", "precision", "threshold", "low", "high"), NOTHING))
        self._few = ColumnDataSource({"recall": NOTHING, "precision": NOTHING})
        self._edge = ColumnDataSource({"recall": NOTHING, "precision": NOTHING})
        self._pessimistic = ColumnDataSource({"recall": NOTHING, "precision": NOTHING})
        self._naive = ColumnDataSource({"recall": NOTHING, "precision": NOTHING})
        self._marks = ColumnDataSource({"recall": NOTHING, "precision": NOTHING, "colour": np.array([], "U7")})
        chart = self.figure
        chart.varea("recall", "low", "high", source=self._band, color=ESTIMATE, alpha=0.15)

        def draw(source: ColumnDataSource, colour: str, **looks: Any) -> Any:
            return chart.line("recall", "precision", source=source, color=colour, **looks)

        draw(self._naive, NAIVE, line_dash="dashed", line_width=1)
        draw(self._edge, ESTIMATE, line_dash="dotted", line_width=1.5)
        draw(self._pessimistic, PESSIMISTIC, line_width=1.5)
        draw(self._few, ESTIMATE, line_width=1.5, alpha=0.35)
        line = draw(self._line, ESTIMATE, line_width=2.5)
        chart.scatter("recall", "precision", source=self._marks, color="colour", size=11, line_color="#ffffff")
        tips = [
            ("score ≥", "@threshold{0.000}"),
            ("recall", "@recall{0.000}"),
            ("precision", "@precision{0.000} (@low{0.00} to @high{0.00})"),
        ]
        chart.add_tools(HoverTool(renderers=[line], tooltips=tips, mode="vline"))

    def show(self, sample: Sample, naive: PRCurve | None) -> None:
        """Draw an opening."""
        curve, limits = sample.curve, sample.limits
        above = np.array([(sample.all_scores >= t).sum() for t in curve.thresholds])
        sure = above >= FEWEST_ABOVE
        data = {"recall": curve.recall, "precision": curve.precision, "threshold": curve.thresholds}
        data |= {"low": limits.precision_low, "high": limits.precision_high}
        self._line.data = {name: values[sure] for name, values in data.items()}
        self._band.data = {name: data[name][sure] for name in ("recall", "low", "high")}
        few = ~sure | (np.cumsum(sure) == 1)  # up to where the sure part begins
        self._few.data = {name: data[name][few] for name in ("recall", "precision")}
        self._edge.data = {"recall": limits.band[sure], "precision": curve.precision[sure]}
        recall, precision = sample.pessimistic
        self._pessimistic.data = {"recall": recall, "precision": precision}
        self._naive.data = {
            "recall": NOTHING if naive is None else naive.recall,
            "precision": NOTHING if naive is None else naive.precision,
        }

    def mark(self, handle: PointFigures | None, promised: PointFigures | None) -> None:
        """Put the dots of the promise and of the handle on the curve."""
        dots = [
            (p, colour) for p, colour in ((promised, PROMISED), (handle, HANDLE)) if p is not None and p.precision is not None
        ]
        self._marks.data = {
            "recall": np.array([p.recall.value for p, _ in dots]),
            "precision": np.array([p.precision.value if p.precision else np.nan for p, _ in dots]),
            "colour": np.array([colour for _, colour in dots], "U7"),
        }


class ScoreChart:
    """Scores of all images, ticks for the check labels, and a threshold that can be dragged."""

    def __init__(self, on_threshold: Callable[[float], None]) -> None:
        self._on_threshold, self._silent = on_threshold, False
        self._sample: Sample | None = None
        self.figure = figure(
            width=WIDTH, height=LOW_HEIGHT, x_range=Range1d(-1, 1), y_range=Range1d(0, 1), x_axis_label="score (logit)",
            y_axis_label="images", toolbar_location=None, tools="",
        )  # fmt: skip
        self._bars = ColumnDataSource(dict.fromkeys(("left", "right", "top"), NOTHING))
        self._ticks = {flagged: ColumnDataSource(dict.fromkeys(("x", "y0", "y1"), NOTHING)) for flagged in (True, False)}
        self.figure.quad("left", "right", "top", 0, source=self._bars, color="#9a9a9a", alpha=0.6, line_color=None)
        for flagged, colour in ((False, ESTIMATE), (True, PESSIMISTIC)):
            self.figure.segment("x", "y0", "x", "y1", source=self._ticks[flagged], color=colour, alpha=0.6)
        self._promised = Span(
            location=0, dimension="height", line_color=PROMISED, line_width=2, line_dash="dashed", visible=False
        )
        self._handle = Span(location=0, dimension="height", line_color=HANDLE, line_width=5, editable=True, visible=False)
        self.figure.add_layout(self._promised)
        self.figure.add_layout(self._handle)
        self.figure.yaxis.ticker.desired_num_ticks = 3
        self._handle.on_change("location", self._dragged)
        # A span may be dragged out of sight, where nobody could take hold of it again.
        keep = CustomJS(args={"range": self.figure.x_range}, code="""
            const at = Math.min(Math.max(cb_obj.location, range.start), range.end);
            if (at !== cb_obj.location) cb_obj.location = at;
        """)  # fmt: skip
        self._handle.js_on_change("location", keep)

    def show(self, sample: Sample, promised: float | None) -> None:
        """Draw an opening."""
        self._sample = sample
        self._handle.visible = True
        self._promised.visible = promised is not None
        low, high = np.quantile(sample.pool, SPAN)
        low, high = min(low, sample.scores.min()) - 0.2, max(high, sample.scores.max()) + 0.2
        self._draw(float(low), float(high))
        if promised is not None:
            self._promised.location = promised

    def _draw(self, low: float, high: float) -> None:
        sample = self._sample
        if sample is None:
            return
        counts, edges = np.histogram(sample.pool, BINS, (low, high))
        top = max(float(counts.max()), 1.0)
        self.figure.x_range.update(start=low, end=high)
        self.figure.y_range.update(start=-0.32 * top, end=1.05 * top)
        self._bars.data = {"left": edges[:-1], "right": edges[1:], "top": counts.astype(float)}
        for flagged, (y0, y1) in ((True, (-0.02, -0.15)), (False, (-0.17, -0.3))):
            x = sample.scores[sample.flagged == flagged]
            self._ticks[flagged].data = {"x": x, "y0": np.full(len(x), y0 * top), "y1": np.full(len(x), y1 * top)}

    def move(self, threshold: float) -> None:
        """Put the handle somewhere, from outside; what is shown is widened until it is in sight."""
        start, end = self.figure.x_range.start, self.figure.x_range.end
        if not start <= threshold <= end:
            self._draw(min(start, threshold - 0.2), max(end, threshold + 0.2))
        self._silent = True
        self._handle.location = threshold
        self._silent = False

    def _dragged(self, _name: str, _old: float, new: float) -> None:
        if not self._silent:
            self._on_threshold(float(new))
