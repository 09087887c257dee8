"""The sheet that the Operating point page prints: the promise, its figures, the curve and how the evidence was made."""

import html
from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np

from core.evidence.openings import Opening, promised_figures
from core.evidence.plan import read_words
from core.evidence.sentences import footer, headline, left_up_words, precision_words, say_threshold
from core.evidence.subject import PROBE
from core.evidence.threshold import PointFigures, Sample, figures_at
from core.wording import between, counted, percent, target
from core.workspace import Workspace
from dashboard.openings import OpeningView
from dashboard.times import minute
from dashboard.views.operating_words import PER_1000, grid, paragraphs, thousand_rows

LEFT, TOP, WIDE, HIGH = 46, 8, 420, 240  # px of the chart's frame
MOST_POINTS = 400  # of a line


def sheet(workspace: Workspace, view: OpeningView, threshold: float | None, *, analyst: str) -> str:
    """Return the sheet as HTML; "" while nothing is opened.

    Args:
        threshold: the one that the page shows; the point of that threshold is named.
    """
    opened, sample = view.opened, view.sample
    if opened is None or sample is None or threshold is None:
        return ""
    promised, shown = promised_figures(opened, sample), figures_at(sample, threshold)
    about = [
        ("Workspace", workspace.name),
        ("Printed", minute(datetime.now(UTC).isoformat())),
        ("By", analyst),
        ("Policy", f"{opened.policy or 'all flagged classes'}: {', '.join(opened.flagged_names)}"),
        ("Scores by", f"probe {opened.probe} on encoder {opened.encoder}" if opened.scorer == PROBE else opened.scorer),
        ("Operating point", _point(view, opened, sample, threshold)),
        ("Threshold", f"score ≥ {say_threshold(threshold, sample)}"),
    ]
    parts = [
        "<h1>Operating point</h1>",
        _table(about),
        f'<p class="promise">{html.escape(headline(opened, promised, sample))}</p>',
        paragraphs(_about_promise(opened, promised, shown)),
        f"<h2>{html.escape(PER_1000)}</h2>",
        grid(["of 1,000 images", "number", "95% range"], thousand_rows(shown), kind="figures"),
        "<h2>Precision by recall</h2>",
        _curve(sample, promised, shown),
        "<h2>How the evidence was made</h2>",
        _table(_evidence(view, opened)),
        paragraphs(footer(opened, view.status, covered=view.covered, tie=sample.largest_tie, drift=view.drift)),
    ]
    return "".join(parts)


def _point(view: OpeningView, opened: Opening, sample: Sample, threshold: float) -> str:
    mine = [point for point in view.points if point.opening == opened.number]
    same = next((p for p in mine if sample.counted_above(p.threshold) == sample.counted_above(threshold)), None)
    if same is None:
        return "a threshold without a name"
    return f"'{same.name}', {'in force' if same.in_force else 'not in force'}, chosen by {same.analyst}, {minute(same.at)}"


def _about_promise(opened: Opening, promised: PointFigures | None, shown: PointFigures) -> list[str]:
    what = " or ".join(opened.flagged_names)
    words = []
    if promised is None or shown.threshold > promised.threshold:
        words.append("The promise does not cover the threshold of this sheet; the figures below are estimates.")
    words.append(
        f"At this threshold {counted(shown.reviewed, 'image')} of {opened.frame:,} are reviewed, "
        f"{percent(shown.reviewed_share)} (counted). Estimated recall {percent(shown.recall.value)} "
        f"({between(shown.recall.low, shown.recall.high)}, 95%)."
    )
    return [*words, precision_words(shown, what), left_up_words(shown, what)]


def _evidence(view: OpeningView, opened: Opening) -> list[tuple[str, str]]:
    return [
        (
            "Opening",
            f"{opened.number}: check set {opened.check_set}, look {opened.look}, by {opened.analyst}, {minute(opened.at)}",
        ),
        ("Check labels", f"{opened.n:,}, read blind in a fixed random order; {opened.n_flagged:,} of the flagged classes"),
        ("Terms", f"recall {target(opened.recall)}, confidence {target(opened.confidence)} over all looks at the set together"),
        ("Teach labels", f"{opened.n_teach:,}, none of them a check label"),
        ("Order of the check images", "a hash of each image and the workspace's own salt, before any label or score"),
        ("By now", f"{read_words(view.path.plan, done=opened.threshold is not None)}; {view.n_since:,} read or changed since"),
    ]


def _table(rows: Sequence[tuple[str, str]]) -> str:
    body = "".join(f"<tr><th>{html.escape(name)}</th><td>{html.escape(value)}</td></tr>" for name, value in rows)
    return f'<table class="facts">{body}</table>'


def _curve(sample: Sample, promised: PointFigures | None, shown: PointFigures) -> str:
    """Draw the estimate with its range, the promise and the threshold as an SVG that needs no script."""
    curve, limits = sample.curve, sample.limits
    places = np.flatnonzero(sample.sure)
    places = places[np.linspace(0, len(places) - 1, min(MOST_POINTS, len(places))).astype(int)] if len(places) else places
    upper = _points(curve.recall[places], limits.precision_high[places])
    lower = _points(curve.recall[places][::-1], limits.precision_low[places][::-1])
    ticks = "".join(
        f'<line class="rule" x1="{_x(t):.1f}" x2="{_x(t):.1f}" y1="{TOP}" y2="{TOP + HIGH}"/>'
        f'<line class="rule" x1="{LEFT}" x2="{LEFT + WIDE}" y1="{_y(t):.1f}" y2="{_y(t):.1f}"/>'
        f'<text x="{_x(t):.1f}" y="{TOP + HIGH + 16}" text-anchor="middle">{t:g}</text>'
        f'<text x="{LEFT - 6}" y="{_y(t) + 4:.1f}" text-anchor="end">{t:g}</text>'
        for t in (0, 0.2, 0.4, 0.6, 0.8, 1)
    )
    dots = "".join(
        f'<circle class="{name}" cx="{_x(p.recall.value):.1f}" cy="{_y(p.precision.value):.1f}" r="5"/>'
        for name, p in (("promised", promised), ("handle", shown))
        if p is not None and p.precision is not None
    )
    bottom = TOP + HIGH + 34
    return (
        f'<svg viewBox="0 0 {LEFT + WIDE + 16} {bottom + 8}" role="img" aria-label="Precision by recall">{ticks}'
        f'<polygon class="band" points="{upper} {lower}"/>'
        f'<polyline class="estimate" points="{_points(curve.recall[places], curve.precision[places])}"/>{dots}'
        f'<text x="{LEFT + WIDE / 2}" y="{bottom}" text-anchor="middle">recall (precision upwards)</text>'
        "</svg><p>Line and band: the estimate with its 95% range; green: the promise; orange: this threshold.</p>"
    )


def _points(recall: np.ndarray, precision: np.ndarray) -> str:
    return " ".join(f"{_x(x):.1f},{_y(y):.1f}" for x, y in zip(recall.tolist(), precision.tolist(), strict=True))


def _x(recall: float) -> float:
    return LEFT + WIDE * recall


def _y(precision: float) -> float:
    return TOP + HIGH * (1 - precision)
