"""The History page: who did what when and how, newest first; any label action can be undone or redone."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import panel as pn
import panel_material_ui as pmui
import param

from core.catalog.records import Action, ActionKind
from core.labels.actions import history
from core.labels.bulk import BulkLabel, bulk_labels, token_of
from core.wording import counted
from dashboard.actions import Actions
from dashboard.choices import PageName
from dashboard.state import SessionState
from dashboard.views.components.history_list import Entry, HistoryList, Verb
from dashboard.views.exposure import ExposureTable
from dashboard.views.shown import draw_when_shown

PAGE = 100  # actions shown at first, and more at each press of "Show older"


@dataclass(frozen=True)
class _Shown:
    """What the page shows."""

    entries: list[Entry]  # newest first
    tokens: dict[int, str]  # of the bulk labels that stand, by the seq of their action
    has_older: bool


class HistoryPage(pn.viewable.Viewer):
    """The audit trail."""

    state = param.ClassSelector(class_=SessionState)
    actions = param.ClassSelector(class_=Actions)

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self._list = HistoryList(on_verb=self._on_verb, sizing_mode="stretch_both")
        self._empty = pn.pane.Markdown("Nothing has been labelled yet. Every label will be listed here, and can be undone.")
        self._shown = PAGE
        self._wanted: tuple[int, int] = (0, 0)  # the newest action and the number of actions asked for last
        self._tokens: dict[int, str] = {}
        self._older = pmui.Button(label="Show older", variant="outlined", visible=False, on_click=self._on_older)
        seen = ExposureTable(state=self.state, actions=self.actions)
        self._layout = pn.Column(seen, self._empty, self._list, self._older, sizing_mode="stretch_both", margin=16)
        draw_when_shown(self.state, self._draw, ["labels_version"], page=PageName.HISTORY)

    def _draw(self) -> None:
        self._wanted = (self.state.labels_version, self._shown)
        self.actions.fetch(partial(self._read, self._shown), partial(self._show, self._wanted))

    def _read(self, n: int) -> _Shown:
        """Read the n newest actions, and the bulk labels among them."""
        actions = history(self.state.workspace, n + 1)
        shown = as_one(actions[:n])
        tokens = {action.seq: token for action, stands in shown if stands and (token := token_of(action)) is not None}
        bulk = {label.action.seq: label for label in bulk_labels(self.state.workspace, tokens.values())}
        entries = [entry(action, stands, bulk.get(action.seq)) for action, stands in shown]
        return _Shown(entries, tokens, has_older=len(actions) > n)

    def _show(self, wanted: tuple[int, int], found: _Shown) -> None:
        if wanted == self._wanted:  # else a newer list is on its way
            self._list.entries, self._tokens, self._older.visible = found.entries, found.tokens, found.has_older
            self._empty.visible = not self._list.entries

    def _on_older(self, _: object) -> None:
        self._shown += PAGE
        self._draw()

    def _on_verb(self, verb: Verb, seq: int) -> None:
        if verb == "undo":
            self.actions.undo(seq)
        elif verb == "spot_check":
            self._spot_check(seq)
        else:
            self.actions.redo(seq)

    def _spot_check(self, seq: int) -> None:
        if seq in self._tokens:
            self.actions.spot_check_more(self._tokens[seq])

    def __panel__(self) -> pn.viewable.Viewable:
        return self._layout


def as_one(history: Sequence[tuple[Action, bool | None]]) -> list[tuple[Action, bool | None]]:
    """Show the readings of one grid as one action, with all its images and classes."""
    grids: dict[str, list[Action]] = {}
    for action, _ in history:
        if token := _grid_token(action):
            grids.setdefault(token, []).append(action)
    shown = []
    for action, stands in history:
        members = grids.get(_grid_token(action), [action])
        if action is members[0]:
            rows = np.concatenate([member.rows for member in members])
            names = ", ".join(f"{member.class_name} {len(member.rows):,}" for member in members)
            shown.append((action if len(members) == 1 else replace(action, rows=rows, class_name=names), stands))
    return shown


def _grid_token(action: Action) -> str:
    return action.criterion.together or ""


def entry(action: Action, stands: bool | None, bulk: BulkLabel | None) -> Entry:
    """Turn an action into one row of the list.

    Args:
        stands: whether a label action stands; None for others.
        bulk: what it gave, if that is a bulk label that stands.
    """
    return {
        "seq": action.seq,
        "when": action.at[:19].replace("T", " ") + " UTC",
        "who": action.analyst,
        "what": _what(action) + (f"; {bulk.purity.sentence}" if bulk is not None else ""),
        "how": action.source if action.kind == ActionKind.LABEL else "",
        "state": "" if stands is None else "stands" if stands else "undone",
        "can": "" if stands is None else "undo" if stands else "redo",
        "spot_check": bulk is not None and len(bulk.spot_checked) < len(bulk.rows),
    }


def _what(action: Action) -> str:
    images = counted(len(action.rows), "image")
    if action.kind == ActionKind.SPOT_CHECK:
        wrong = action.criterion.wrong
        outcome = "its outcome cannot be read" if wrong is None else f"{len(wrong):,} wrong"
        return f"spot-checked {images} for '{action.class_name}': {outcome}"
    if action.kind != ActionKind.LABEL:
        return f"{action.kind} of action {action.target}"
    told = action.criterion
    flipped = " (flipped in a spot check)" if told.flipped is not None else ""
    copies = f" ({told.copies:,} as near-duplicates)" if told.copies else ""
    return f"{images} → {action.class_name or 'no label'}{flipped}{copies}"
