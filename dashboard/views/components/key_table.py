"""The table of keys, as a dialog: what each key does, and where it acts."""

import panel as pn
import param

from dashboard.inputs import KeyRow
from dashboard.views.components.source import source


class KeyTable(pn.custom.JSComponent):
    """A button that opens the table; so does raising `opens`. Escape closes it, and no key acts on the page behind it."""

    rows: list[KeyRow] = param.List(default=[], item_type=dict, doc="In their order.")
    opens = param.Integer(default=0, doc="Raised by one: show the table.")

    _esm = source("parts.js", "key_table.js")
    _stylesheets = [source("key_table.css")]
