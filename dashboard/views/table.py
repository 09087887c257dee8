"""Tables of the page: Panel's Tabulator in one style, sorted by a click on a head. Built where a table is shown."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import panel as pn

from dashboard.theme import css

NOTHING = "–"  # a cell that can be reached by keys says something


def table(
    heads: Sequence[str], rows: Sequence[Sequence[Any]], *, widths: Mapping[str, str] | None = None
) -> pn.widgets.Tabulator:
    """Return a table that is read and not edited.

    Args:
        rows: values in the order of `heads`; integers get thousands separators, "" is shown as a dash.
        widths: of columns whose text is broken into lines, as CSS; a table without them is as wide as its text.
    """
    frame = pd.DataFrame([[NOTHING if value == "" else value for value in row] for row in rows], columns=list(heads))
    formatters: dict[str, str | dict[str, object]] = dict.fromkeys(widths or (), "textarea")
    for head in frame.columns[[kind.kind == "i" for kind in frame.dtypes]]:
        formatters[head] = {"type": "money", "thousand": ",", "precision": False}
    align = {head: "right" if frame[head].dtype.kind in "if" else "left" for head in frame.columns}
    return pn.widgets.Tabulator(
        frame,
        formatters=formatters,
        text_align=align,
        header_align=align,
        widths=dict(widths or {}),
        show_index=False,
        disabled=True,
        selectable=False,
        layout="fit_data_stretch" if widths else "fit_data_table",
        theme="simple",
        stylesheets=[css("table")],
        sizing_mode="stretch_width" if widths else None,
        margin=(4, 8),
    )
