"""The History page: who did what when and how, newest first; any label action can be undone or redone."""

import datetime as dt
import html
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import panel as pn
import panel_material_ui as pmui
import param

from core.catalog.labels import ActionFilter
from core.catalog.records import Action, ActionKind, Source
from core.labels.actions import history, named, rows_of
from core.labels.bulk import BulkLabel, bulk_labels, token_of
from core.labels.class_edits import Change, changes
from core.wording import counted
from core.workspace import Workspace
from dashboard.actions import Actions
from dashboard.choices import PageName, What, When
from dashboard.state import SessionState
from dashboard.times import minute
from dashboard.views.components.history_list import Entry, HistoryList, Verb
from dashboard.views.exposure import ExposureTable
from dashboard.views.shown import draw_when_shown
from dashboard.views.terms import hint
from dashboard.views.words import words

CHOSEN = ("history_who", "history_what", "history_class", "history_when")  # of the state, as the fields are
ANYBODY, ANY_CLASS = "anybody", "any class"
PAGE = 100  # actions shown at first, and more at each press of "Show older"
CHANGES = 50  # of the classes and the guideline that are listed
CHANGED = "Changes of the classes, the guideline and the name"
PICTURES = 4  # shown of an action, from all over its images
Kinds = tuple[tuple[ActionKind, ...], tuple[Source, ...]]
WHAT: dict[What, Kinds] = {
    What.ANYTHING: ((), ()),
    What.SINGLE: ((ActionKind.LABEL,), (Source.SINGLE,)),
    What.LASSO: ((ActionKind.LABEL,), (Source.LASSO,)),
    What.CLUSTER: ((ActionKind.LABEL,), (Source.CLUSTER,)),
    What.CHECK: ((ActionKind.LABEL,), (Source.CHECK,)),
    What.REVIEW: ((ActionKind.LABEL,), (Source.REVIEW,)),
    What.IMPORT: ((ActionKind.LABEL,), (Source.IMPORT,)),
    What.UNSURE: ((ActionKind.LABEL,), (Source.UNSURE,)),
    What.SPOT_CHECK: ((ActionKind.SPOT_CHECK,), ()),
    What.BACK: ((ActionKind.UNDO, ActionKind.REDO), ()),
}
WHEN: dict[When, dt.timedelta | None] = {
    When.ANY: None,
    When.HOUR: dt.timedelta(hours=1),
    When.DAY: dt.timedelta(days=1),
    When.WEEK: dt.timedelta(days=7),
    When.MONTH: dt.timedelta(days=30),
}
NOTHING_YET = "Nothing has been labelled yet. Every label will be listed here, and can be undone."
NOTHING_FITS = "No action fits these filters; *Show all* takes them away."
FAILED = "The history could not be read. *Show all* tries again."


@dataclass(frozen=True)
class _Shown:
    """What the page shows."""

    entries: list[Entry]  # newest first
    tokens: dict[int, str]  # of the bulk labels that stand, by the seq of their action
    has_older: bool
    analysts: list[str]
    classes: list[str]
    changes: list[Change]  # of the classes and the guideline, newest first


class HistoryPage(pn.viewable.Viewer):
    """The audit trail."""

    state = param.ClassSelector(class_=SessionState)
    actions = param.ClassSelector(class_=Actions)

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self._list = HistoryList(on_verb=self._on_verb, on_picture=self._on_picture, sizing_mode="stretch_both", margin=(0, 8))
        self._empty = pn.pane.Markdown("", visible=False)
        self._changes = words(visible=False, margin=(0, 8))
        self._who, self._what, self._class, self._when = (
            pmui.Select(label=label, options=options, value=value, size="small", width=190, margin=(6, 8))
            for label, options, value in (
                ("Who", {ANYBODY: ""}, ""),
                ("What", {what.value: what for what in What}, What.ANYTHING),
                ("Class", {ANY_CLASS: ""}, ""),
                ("When", {when.value: when for when in When}, When.ANY),
            )
        )
        self._all = pmui.Button(label="Show all", variant="text", size="small", margin=(6, 8), on_click=self._on_all)
        self._chosen = dict(zip(CHOSEN, (self._who, self._what, self._class, self._when), strict=True))
        self._follow_chosen()
        for name, choice in self._chosen.items():
            choice.param.watch(lambda event, name=name: self.state.param.update(**{name: event.new}), "value")
        self.state.param.watch(self._on_choice, list(CHOSEN))
        self._shown = PAGE
        self._asked = 0  # increases with each request
        self._tokens: dict[int, str] = {}
        self._older = pmui.Button(label="Show older", variant="outlined", visible=False, on_click=self._on_older)
        seen = ExposureTable(state=self.state, actions=self.actions)
        filters = pn.FlexBox(*self._chosen.values(), hint("spot check"), self._all, align_items="center", margin=0)
        self._layout = pn.Column(
            seen,
            filters,
            self._changes,
            self._empty,
            self._list,
            self._older,
            sizing_mode="stretch_both",
            margin=16,
            scroll="y-auto",
        )
        draw_when_shown(self.state, self._draw, ["labels_version", "zone"], page=PageName.HISTORY)
        draw_when_shown(self.state, self._follow_privacy, ["privacy_view", "reveal"], page=PageName.HISTORY)

    def _follow_privacy(self) -> None:
        self._list.param.update(view=self.state.privacy_view, reveal=self.state.reveal)

    def _draw(self) -> None:
        self._asked += 1
        read = partial(self._read, self._shown, self._filter())
        self.actions.fetch(read, partial(self._show, self._asked), failed=self._on_failed)

    def _filter(self) -> ActionFilter:
        state = self.state
        kinds, sources = WHAT[state.history_what]
        back = WHEN[state.history_when]
        since = "" if back is None else (dt.datetime.now(dt.UTC) - back).isoformat(timespec="microseconds")
        return ActionFilter(state.history_who, state.history_class, kinds, sources, since)

    def _read(self, n: int, wanted: ActionFilter) -> _Shown:
        """Read the n newest actions that are wanted, and the bulk labels among them."""
        space = self.state.workspace
        actions = history(space, n + 1, wanted=wanted)
        shown = as_one([(replace(action, class_name=self._named(action.class_name)), stands) for action, stands in actions[:n]])
        rows = rows_of(space, (action.target for action, _ in shown if action.target is not None))
        tokens = {action.seq: token for action, stands in shown if stands and (token := token_of(action)) is not None}
        bulk = {label.action.seq: label for label in bulk_labels(self.state.workspace, tokens.values())}
        entries = [
            entry(action, stands, bulk.get(action.seq), self.state.zone)
            | {"pictures": [space.image_id(row) for row in _some(_here(space, rows.get(action.target or 0, action.rows)))]}
            for action, stands in shown
        ]
        analysts, classes = self.state.shared.once("history names", space.labels.version, partial(named, space))
        return _Shown(entries, tokens, len(actions) > n, analysts, classes, changes(space)[:CHANGES])

    def _named(self, name: str | None) -> str | None:
        """Return a class by its name of then, with that of today."""
        today = name and self.state.workspace.renames.get(name)
        return f"{name} (now {today})" if today else name

    def _show(self, asked: int, found: _Shown) -> None:
        if asked != self._asked:  # a newer list is on its way
            return
        self._list.entries, self._tokens, self._older.visible = found.entries, found.tokens, found.has_older
        said = "" if found.entries else NOTHING_YET if self._filter() == ActionFilter() else NOTHING_FITS
        self._empty.param.update(object=said, visible=bool(said))
        self._offer(found.analysts, found.classes)
        said = "".join(
            f"<li>{minute(each['at'], self.state.zone)} · {html.escape(each['analyst'])} · {html.escape(each['said'])}</li>"
            for each in found.changes
        )
        self._changes.param.update(object=f"<details><summary>{CHANGED}</summary><ul>{said}</ul></details>", visible=bool(said))

    def _on_failed(self) -> None:
        self._empty.param.update(object=FAILED, visible=True)

    def _offer(self, analysts: Sequence[str], classes: Sequence[str]) -> None:
        """Offer names, and the one that a link asks for also where nobody has it."""
        for choice, none, names, asked in (
            (self._who, ANYBODY, analysts, self.state.history_who),
            (self._class, ANY_CLASS, classes, self.state.history_class),
        ):
            names = [*names, *({asked} - {*names, ""})]
            choice.param.update(options={none: "", **{name: name for name in names}}, value=asked)

    def _follow_chosen(self) -> None:
        analysts, classes = ([str(n) for n in choice.options.values() if n] for choice in (self._who, self._class))
        self._offer(analysts, classes)
        self._what.value, self._when.value = self.state.history_what, self.state.history_when

    def _on_choice(self, *_: object) -> None:
        self._follow_chosen()
        self._shown = PAGE
        self._draw()

    def _on_all(self, _: object) -> None:
        usual = {name: self.state.param[name].default for name in CHOSEN}
        if usual == {name: getattr(self.state, name) for name in CHOSEN}:
            self._on_choice()  # nothing to take away: read again
        self.state.param.update(**usual)

    def _on_picture(self, image_id: str) -> None:
        """Show a picture on the map."""

        def show(row: int | None) -> None:
            if row is not None:
                self.state.param.update(page=PageName.MAP, pinned=row)

        self.actions.fetch(partial(self.state.workspace.row_of, image_id), show)

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


def _here(space: Workspace, rows: np.ndarray) -> np.ndarray:
    """Return those of some rows whose images were not removed."""
    return rows[~space.removed[rows]]


def _some(rows: np.ndarray) -> list[int]:
    """Return a few of (K,) rows, from the first to the last."""
    return rows[np.linspace(0, len(rows) - 1, min(PICTURES, len(rows))).astype(np.int64)].tolist() if len(rows) else []


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


def entry(action: Action, stands: bool | None, bulk: BulkLabel | None, zone: str) -> Entry:
    """Turn an action into one row of the list.

    Args:
        stands: whether a label action stands; None for others.
        bulk: what it gave, if that is a bulk label that stands.
        zone: the reader's.
    """
    return {
        "seq": action.seq,
        "at": action.at,
        "when": minute(action.at, zone),
        "who": action.analyst,
        "what": _what(action) + (f"; {bulk.purity.sentence}" if bulk is not None else ""),
        "how": action.source if action.kind == ActionKind.LABEL else "",
        "state": "" if stands is None else "stands" if stands else "undone",
        "can": "" if stands is None else "undo" if stands else "redo",
        "spot_check": bulk is not None and len(bulk.spot_checked) < len(bulk.rows),
        "pictures": [],
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
