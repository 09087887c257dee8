"""A table whose rows a click on a head sorts, in the browser. Text is set as text, never as markup."""

import panel as pn
import param

from dashboard.theme import css
from dashboard.views.components.source import source


class SortedRows(pn.custom.JSComponent):
    """A plain table; numbers are aligned right."""

    heads: list[str] = param.List(default=[], item_type=str, doc="One a column.")
    rows: list[list[str | float]] = param.List(default=[], item_type=list, doc="Values in the order of the heads.")
    widths: dict[str, str] = param.Dict(default={}, doc="Of some heads' columns, as CSS.")
    told: dict[str, str] = param.Dict(default={}, doc="What some heads mean.")

    _esm = source("parts.js", "sorted_rows.js")
    _stylesheets = [css("term"), source("sorted_rows.css")]
