"""The History page: who did what when and how, newest first; any label action can be undone or redone."""

from typing import Any

import panel as pn
import param

from core.catalog import Action
from dashboard.actions import Actions
from dashboard.state import SessionState
from dashboard.views.components.history_list import HistoryList

SHOWN = 500  # newest actions on the page; all of them are in the catalog and in `labels export`


class HistoryPage(pn.viewable.Viewer):
    """The audit trail."""

    state = param.ClassSelector(class_=SessionState)
    actions = param.ClassSelector(class_=Actions)

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self._list = HistoryList(on_verb=self._on_verb, sizing_mode="stretch_both")
        self._empty = pn.pane.Markdown("Nothing has been labelled yet. Every label will be listed here, and can be undone.")
        self._layout = pn.Column(self._empty, self._list, sizing_mode="stretch_both", margin=16)
        self.state.param.watch(self._follow, "labels_version")
        self._follow()

    def _follow(self, *_: Any) -> None:
        history = self.state.workspace.history()
        self._list.entries = [entry(action, stands) for action, stands in history[:SHOWN]]
        self._empty.visible = not history

    def _on_verb(self, verb: str, seq: int) -> None:
        if verb == "undo":
            self.actions.undo(seq)
        else:
            self.actions.redo(seq)

    def __panel__(self) -> pn.viewable.Viewable:
        return self._layout


def entry(action: Action, stands: bool | None) -> dict[str, Any]:
    """Turn an action into one row of the list.

    Args:
        stands: whether a label action stands; None for undo and redo.
    """
    if action.kind == "label":
        what = f"{len(action.rows):,} image{'s' if len(action.rows) != 1 else ''} → {action.class_name or 'no label'}"
    else:
        what = f"{action.kind} of action {action.target}"
    return {
        "seq": action.seq,
        "when": action.at[:19].replace("T", " ") + " UTC",
        "who": action.analyst,
        "what": what,
        "how": action.source if action.kind == "label" else "",
        "state": {True: "stands", False: "undone", None: ""}[stands],
        "can": {True: "undo", False: "redo", None: ""}[stands],
    }
