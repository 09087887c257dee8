"""The two linked charts of the Operating point page: precision by recall, and the scores with the handle to drag."""

from collections.abc import Callable

import numpy as np

from core.evidence.threshold import PointFigures, Sample
from core.maths.precision_recall import PRCurve
from core.palette import UNLABELLED_COLOUR, WHITE
from dashboard.charts import NOTHING, Chart, band, bar_columns, bars, dots, line, tick_columns, ticks, upright
from dashboard.theme import ESTIMATE, HANDLE, NAIVE, PESSIMISTIC, PROMISED
from dashboard.views.terms import explained

HEIGHT, LOW_HEIGHT, SCORES_WIDTH = 340, 190, 520  # px; the curve is as wide as there is room
BINS = 60
SPAN = (0.001, 0.999)  # quantiles of the scores that the histogram shows; a few far ones would flatten the rest
TIPS = (
    ("score ≥", "@threshold{0.000}"),
    ("recall", "@recall{0.000}"),
    ("precision", "@precision{0.000} (@low{0.00} to @high{0.00})"),
)
LEGEND = (  # class of `charts.css`, words
    ("estimate", "estimate, with its 95% range"),
    ("edge", "lower limit of recall at all thresholds together, 95%"),
    ("pessimistic", "pessimistic curve, 95%"),
    ("naive", "scores on training labels: too optimistic"),
    ("promised", "the promise"),
    ("handle", "the threshold: drag it"),
)


def legend() -> str:
    """Name the lines of both charts, as HTML."""
    return explained(" ".join(f'<span class="key {name}">{words}</span>' for name, words in LEGEND))


class CurveChart:
    """Estimate, its limits, the pessimistic curve and, thin and dashed, the naive curve on training labels."""

    def __init__(self) -> None:
        pr = ("recall", "precision")
        self.chart = Chart(
            {
                "band": band("recall", "low", "high", colour=ESTIMATE),
                "naive": line(*pr, colour=NAIVE, dash="dashed", width=1),
                "edge": line(*pr, colour=ESTIMATE, dash="dotted", width=1.5),
                "pessimistic": line(*pr, colour=PESSIMISTIC, width=1.5),
                "few": line(*pr, colour=ESTIMATE, width=1.5, alpha=0.35),
                "estimate": line(*pr, colour=ESTIMATE, width=2.5, more=("threshold", "low", "high"), tips=TIPS),
                "promised": dots(*pr, colour=PROMISED, size=11, rim=WHITE),
                "handle": dots(*pr, colour=HANDLE, size=11, rim=WHITE),
            },
            x="recall", y="precision", xlim=(0, 1.01), ylim=(0, 1.03), height=HEIGHT,
        )  # fmt: skip
        self.figure = self.chart.figure

    def show(self, sample: Sample, naive: PRCurve | None) -> None:
        """Draw an opening."""
        curve, limits = sample.curve, sample.limits
        sure = sample.sure
        columns = {"recall": curve.recall, "precision": curve.precision, "threshold": curve.thresholds}
        columns |= {"low": limits.precision_low, "high": limits.precision_high}
        many = {name: values[sure] for name, values in columns.items()}
        few = ~sure | (np.cumsum(sure) == 1)  # up to where the sure part begins
        recall, precision = sample.pessimistic
        lines = {
            "estimate": many,
            "band": {name: many[name] for name in ("recall", "low", "high")},
            "few": {name: columns[name][few] for name in ("recall", "precision")},
            "edge": {"recall": limits.band[sure], "precision": many["precision"]},
            "pessimistic": {"recall": recall, "precision": precision},
            "naive": {
                "recall": NOTHING if naive is None else naive.recall,
                "precision": NOTHING if naive is None else naive.precision,
            },
        }
        for name, data in lines.items():
            self.chart.show(name, data)

    def mark(self, handle: PointFigures | None, promised: PointFigures | None) -> None:
        """Put the dots of the promise and of the handle on the curve."""
        for name, point in (("promised", promised), ("handle", handle)):
            there = [] if point is None or point.precision is None else [(point.recall.value, point.precision.value)]
            recall, precision = np.array(there, np.float64).reshape(-1, 2).T
            self.chart.show(name, {"recall": recall, "precision": precision})


class ScoreChart:
    """Scores of all images, ticks for the check labels, and a threshold that can be dragged."""

    def __init__(self, on_threshold: Callable[[float], None]) -> None:
        self._on_threshold, self._silent = on_threshold, False
        self._sample: Sample | None = None
        self.chart = Chart(
            {
                "scores": bars("score", "images", colour=UNLABELLED_COLOUR),
                "others": ticks(colour=ESTIMATE),
                "flagged": ticks(colour=PESSIMISTIC),
                "promised": upright(colour=PROMISED, width=2, dash="dashed"),
                "handle": upright(colour=HANDLE, width=5),
            },
            x="score", y="images", xlim=(-1, 1), ylim=(0, 1), yticks=3, width=SCORES_WIDTH, height=LOW_HEIGHT,
        )  # fmt: skip
        self.figure = self.chart.figure
        self._promised, self._handle = self.chart.span("promised"), self.chart.make_handle("handle")
        self._handle.on_change("location", self._dragged)

    def show(self, sample: Sample, promised: float | None) -> None:
        """Draw an opening."""
        self._sample = sample
        self._handle.visible = True
        self._promised.visible = promised is not None
        low, high = sample.quantiles(SPAN)
        low, high = min(low, sample.scores.min()) - 0.2, max(high, sample.scores.max()) + 0.2
        self._draw(float(low), float(high))
        if promised is not None:
            self._promised.location = promised

    def _draw(self, low: float, high: float) -> None:
        sample = self._sample
        if sample is None:
            return
        counts, edges = sample.histogram(BINS, low, high)
        top = max(float(counts.max()), 1.0)
        self.chart.zoom(x=(low, high), y=(-0.32 * top, 1.05 * top))
        self.chart.show("scores", bar_columns(edges, counts.astype(float)))
        for name, flagged, (y0, y1) in (("flagged", True, (-0.02, -0.15)), ("others", False, (-0.17, -0.3))):
            x = sample.scores[sample.flagged == flagged]
            self.chart.show(name, tick_columns(x, np.full(len(x), y0 * top), np.full(len(x), y1 * top)))

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
