"""Pieces of HTML of the Operating point page, in the classes of `css/words.css` and `css/operating.css`."""

import html
from collections.abc import Sequence

from core.evidence.openings import Opening
from core.evidence.thousand import thousand
from core.evidence.threshold import PointFigures
from core.maths.precision_recall import Range
from core.wording import ranged
from dashboard.times import minute
from dashboard.views.terms import explained

SIDE = 352  # px, of the columns left and right
PER_1000 = "Of 1,000 images"


def closed_panel() -> str:
    """Say why there is no curve yet."""
    return explained(
        '<div class="closed">'
        "<b>The check set is closed.</b><br>Curve, bands and promise appear here once you open it. Until then they are "
        "hidden, so that they stay evidence.</div>"
    )


def title(opened: Opening, policy: str, zone: str) -> str:
    """Name an opening in the list of a policy's openings."""
    about = f" · for {opened.policy or 'all flagged classes'}" if opened.policy != policy else ""
    return f"{opened.number}: set {opened.check_set}, look {opened.look} · {minute(opened.at, zone)} · {opened.analyst}{about}"


def paragraphs(sentences: Sequence[str]) -> str:
    """Write sentences; empty ones are left out."""
    return "".join(f'<p class="text">{html.escape(said)}</p>' for said in sentences if said)


def lead(sentence: str, others: Sequence[str] = ()) -> str:
    """Write the page's one large sentence, and what stands under it."""
    under = "".join(f'<p class="under">{html.escape(said)}</p>' for said in others if said)
    return explained(f'<p class="promise">{html.escape(sentence)}</p>{under}')


def threshold_line(reached: str, *, covered: bool) -> str:
    """Write which images are reviewed at the threshold shown, and whether the promise covers it."""
    promised = "The promise covers this threshold." if covered else "The promise does not cover this threshold: estimates."
    return explained(f'<p class="threshold"><b>{html.escape(reached)}</b></p><p class="under">{promised}</p>')


def small(sentences: Sequence[str]) -> str:
    """Write sentences in small print; empty ones are left out."""
    return explained("".join(f'<p class="note">{html.escape(s)}</p>' for s in sentences if s))


def thousand_rows(figures: PointFigures) -> list[tuple[str, str, str]]:
    """Return (name, number, range or "counted") of 1,000 images; the numbers add up."""
    found = thousand(figures)
    return [
        ("reviewed", found.reviewed.said, "counted"),
        ("of those caught", found.caught.said, found.caught.range_said),
        ("of those false alarms", found.false_alarms.said, found.false_alarms.range_said),
        ("left up", found.left_up.said, "counted"),
        ("of those missed", found.missed.said, found.missed.range_said),
        ("of those rightly left up", found.left_rightly.said, found.left_rightly.range_said),
        ("of the flagged class in all (caught and missed)", found.flagged.said, found.flagged.range_said),
    ]


def thousand_table(figures: PointFigures) -> str:
    """Write what becomes of 1,000 images as a square whose rows and columns add up."""
    found = thousand(figures)

    def cell(name: str, number: str, note: str, kind: str = "") -> str:
        return f'<td class="{kind}"><b>{number}</b>{name}<small>{note}</small></td>'

    rows = (
        cell("reviewed", found.reviewed.said, "counted", "sum")
        + "<td>=</td>"
        + cell("caught", found.caught.said, found.caught.range_said)
        + "<td>+</td>"
        + cell("false alarms", found.false_alarms.said, found.false_alarms.range_said),
        cell("left up", found.left_up.said, "counted", "sum")
        + "<td>=</td>"
        + cell("missed", found.missed.said, found.missed.range_said)
        + "<td>+</td>"
        + cell("rightly left", found.left_rightly.said, found.left_rightly.range_said),
    )
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    return f'<table class="thousand"><caption>{PER_1000}</caption>{body}</table>'


def grid(heads: Sequence[str], rows: Sequence[Sequence[str]], *, marked: int | None = None, kind: str = "grid") -> str:
    """Write a table of text, in a class of the stylesheet; `marked` is the row that stands out."""
    head = "".join(f"<th>{html.escape(name)}</th>" for name in heads)
    body = "".join(
        f'<tr class="{"marked" if place == marked else ""}">'
        + "".join(f"<td>{html.escape(cell)}</td>" for cell in row)
        + "</tr>"
        for place, row in enumerate(rows)
    )
    return f'<table class="{kind}"><tr>{head}</tr>{body}</table>'


def average_precision(found: Range | None) -> str:
    """State average precision with its range."""
    if found is None:
        return "Average precision is not defined below 20 flagged check labels."
    return f"Average precision {ranged(*found)}."
