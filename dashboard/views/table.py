"""Tables of the page: read, not edited, and sorted by a click on a head."""

from collections.abc import Mapping, Sequence

from dashboard.views.components.sorted_rows import SortedRows

NOTHING = "–"  # a cell that can be reached by keys says something


def table(
    heads: Sequence[str],
    rows: Sequence[Sequence[str | float]],
    *,
    widths: Mapping[str, str] | None = None,
    told: Mapping[str, str] | None = None,
) -> SortedRows:
    """Return a table.

    Args:
        rows: values in the order of `heads`; integers get thousands separators, "" is shown as a dash.
        widths: of columns, as CSS; a table without them is as wide as its text.
        told: what a head means, in a sentence, for heads that are terms.
    """
    return SortedRows(
        heads=list(heads),
        rows=[[NOTHING if value == "" else value for value in row] for row in rows],
        widths=dict(widths or {}),
        told=dict(told or {}),
        sizing_mode="stretch_width",
        margin=(4, 8),
    )
