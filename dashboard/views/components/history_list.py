"""The audit trail as a list with one button per action. Text is set as text, never as markup."""

from typing import Any, ClassVar

import panel as pn
import param

from dashboard.views.components.source import source


class HistoryList(pn.custom.JSComponent):
    """Rows of {seq, when, who, what, how, can, spot_check}; a click on a row's button sends {seq, verb}."""

    entries = param.List(default=[], item_type=dict, doc="Newest first.")
    on_verb = param.Parameter(doc="Called with (verb, seq).")

    _rename: ClassVar[dict[str, str | None]] = {"on_verb": None}  # stays in Python

    _esm = source("history_list.js")
    _stylesheets = [source("history_list.css")]

    def _handle_msg(self, msg: dict[str, Any]) -> None:
        self.on_verb(msg["verb"], int(msg["seq"]))
