"""Tables of the page: Panel's Tabulator with one look, sorted by a click on a head. Built where a table is shown."""

from collections.abc import Collection, Sequence
from typing import Any

import pandas as pd
import panel as pn


def table(heads: Sequence[str], rows: Sequence[Sequence[Any]], *, long: Collection[str] = ()) -> pn.widgets.Tabulator:
    """Return a table that is read and not edited.

    Args:
        rows: values in the order of `heads`; integers get thousands separators, NaN is shown as "not defined".
        long: heads of columns whose text is broken into lines.
    """
    frame = pd.DataFrame(list(rows), columns=list(heads))
    formatters: dict[str, Any] = dict.fromkeys(long, "textarea")
    for head in frame.columns[[kind.kind == "i" for kind in frame.dtypes]]:
        formatters[head] = {"type": "money", "thousand": ",", "precision": False}
    return pn.widgets.Tabulator(
        frame,
        formatters=formatters,
        text_align={head: "right" if frame[head].dtype.kind in "if" else "left" for head in frame.columns},
        show_index=False,
        disabled=True,
        selectable=False,
        layout="fit_columns" if long else "fit_data_table",
        theme="materialize",
        sizing_mode="stretch_width",
        margin=(4, 8),
    )
