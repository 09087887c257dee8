"""Pieces of HTML of the Operating point page, in the classes of `css/words.css` and `css/operating.css`."""

import html
from collections.abc import Sequence

from core.evidence.openings import Opening
from core.evidence.sentences import per_1000
from core.evidence.threshold import PointFigures
from core.maths.precision_recall import Range
from core.wording import fraction, per_thousand

SIDE = 352  # px, of the columns left and right
PER_1000 = "Per 1,000 images (sides counted on all scores, shares from the check labels on each side):"


def closed_panel() -> str:
    """Say why there is no curve yet."""
    return (
        '<div class="closed">'
        "<b>The check set is closed.</b><br>Curve, bands and promise appear here once you open it. Until then they are "
        "hidden, so that they stay evidence.</div>"
    )


def title(opened: Opening, policy: str) -> str:
    """Name an opening in the list of a policy's openings."""
    about = f" · for {opened.policy or 'all flagged classes'}" if opened.policy != policy else ""
    return f"{opened.number}: set {opened.check_set}, look {opened.look} · {minute(opened.at)} · {opened.analyst}{about}"


def minute(at: str) -> str:
    """Return a stored time to the minute."""
    return at[:16].replace("T", " ") + " UTC"


def paragraphs(sentences: Sequence[str], *, first: bool = False) -> str:
    """Write sentences; `first` of the page, four are large and the others small."""
    kinds = ["lead" if number < 4 else "note" for number in range(len(sentences))] if first else ["text"] * len(sentences)
    return "".join(f'<p class="{kind}">{html.escape(s)}</p>' for kind, s in zip(kinds, sentences, strict=True))


def small(sentences: Sequence[str]) -> str:
    """Write sentences in small print; empty ones are left out."""
    return "".join(f'<p class="note">{html.escape(s)}</p>' for s in sentences if s)


def ranged(found: Range) -> str:
    """Write a figure per 1,000 with its range."""
    return f"{per_thousand(found.value)} ({per_thousand(found.low, down=True)} to {per_thousand(found.high, up=True)})"


def per_1000_table(figures: PointFigures) -> str:
    """Write how many of 1,000 images are reviewed, caught and missed."""
    cells = per_1000(figures)
    body = "".join(f"<div><b>{value}</b>{name}<br>({range_})</div>" for name, value, range_ in cells)
    return f'<div class="per-1000-title">{PER_1000}</div><div class="per-1000">{body}</div>'


def average_precision(found: Range | None) -> str:
    """State average precision with its range."""
    if found is None:
        return "Average precision is not defined below 20 flagged check labels."
    low, high = fraction(found.low, down=True), fraction(found.high, up=True)
    return f"Average precision {fraction(found.value)} ({low} to {high})."
