"""The Selection tab: what is under the lasso, in words and as pictures, least certain or highest in a score column first."""

import html
from functools import partial
from typing import Any

import numpy as np
import panel as pn
import panel_material_ui as pmui
import param

from core.catalog.label_book import UNLABELLED
from core.duplicates.search import group_sizes, one_of_each
from core.missing import missing_for_map
from dashboard.actions import Actions
from dashboard.choices import Order, Tab
from dashboard.inputs import KEYS, Verb
from dashboard.state import SessionState
from dashboard.views.components.gallery import PAGE, Gallery, Tile
from dashboard.views.shown import draw_when_shown
from dashboard.views.terms import term
from dashboard.views.words import words

HERE = (
    *((KEYS[verb].shown, KEYS[verb].does) for verb in (Verb.UNDO, Verb.REVEAL)),
    ("Shift, Alt", "held while dragging: add, subtract"),
    *((KEYS[verb].shown, KEYS[verb].does) for verb in (Verb.MORE, Verb.ROOM, Verb.NOTHING, Verb.KEYS)),
)


ORDERS = {
    "least certain": Order.UNCERTAINTY,
    "highest score": Order.SCORE,
    "newest": Order.TIME,
    "file name": Order.NAME,
    "most alike": Order.LIKENESS,
}
FIRST = {
    Order.UNCERTAINTY: "Least certain first. ",
    Order.SCORE: "Highest score first, sealed check images last. ",
    Order.TIME: "Newest first. ",
    Order.NAME: "By file name. ",
    Order.LIKENESS: "Most like the picked or pinned ones first, else most like the whole selection. ",
}
BESIDE = (2, 8, 2, 0)  # px around what stands in a row
MANY = 20_000  # pictures that are ordered in a thread


class SelectionPane(pn.viewable.Viewer):
    """Counts and a gallery with picks, of the Selection tab and of an opened cluster."""

    state = param.ClassSelector(class_=SessionState)
    tab: Tab = param.Selector(default=Tab.SELECTION, objects=list(Tab), doc="Where it stands.")
    open: bool = param.Boolean(default=True, doc="It is on the screen while its tab is; else it draws nothing.")
    actions = param.ClassSelector(class_=Actions)

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self._n_shown, self._turn = PAGE, 0
        self._words = words(margin=(4, 8))
        self._gallery = Gallery(
            view=self.state.privacy_view, empty="", answers=True, on_pin=self._pin, on_more=self._more, on_look=self._look,
            sizing_mode="stretch_both", margin=4,
        )  # fmt: skip
        self._gallery.param.watch(self._on_picked, "picked")
        more = pmui.Button(
            label="More like these  [M]",
            description="Select the images most like the picked ones, or like the whole selection",
            variant="outlined",
            color="default",
            size="small",
            margin=BESIDE,
            visible=False,
            on_click=lambda _: self.actions.more_like(self.state.targets()),
        )
        self._others = [
            more,
            *(
                pmui.Button(
                    label=f"{label}  [{KEYS[verb].shown}]",
                    description=KEYS[verb].does,
                    variant="outlined",
                    color="default",
                    size="small",
                    margin=BESIDE,
                    visible=False,
                    on_click=lambda _, act=act: act(),
                )
                for verb, label, act in (
                    (Verb.GROW, "Grow", lambda: self.actions.change_selection(grow=True)),
                    (Verb.SHRINK, "Shrink", lambda: self.actions.change_selection(grow=False)),
                    (Verb.CLUSTER, "Whole cluster", self.actions.select_cluster),
                )
            ),
        ]
        self._order = pmui.Select.from_param(
            self.state.param.order,
            label="Order",
            description="",
            options=ORDERS,
            size="small",
            width=150,
            margin=BESIDE,
            visible=False,
        )
        self._layout = pn.Column(
            self._words,
            pn.FlexBox(self._order, *self._others, align_items="center", sizing_mode="stretch_width", margin=(4, 8, 0, 8)),
            self._gallery,
            sizing_mode="stretch_both",
            margin=0,
            scroll="y-auto",
        )
        self.state.param.watch(self._on_selected, ["selected"])
        self.state.param.watch(self._follow, ["picked", "privacy_view", "reveal", "images", "embedding"])
        self.state.param.watch(lambda event: setattr(self._gallery, "pointed", event.new), "pointed_at")
        on = [
            "selected",
            "labels_version",
            "probe_version",
            "copies",
            "encoder",
            "layout",
            "colour_by",
            "kept",
            "hidden",
            "order",
            "places",
        ]
        draw_when_shown(self.state, self._draw, on, tab=self.tab)
        self.param.watch(self._draw, "open")

    def _on_picked(self, event: Any) -> None:
        self.state.picked = list(event.new)

    def _pin(self, row: int) -> None:
        self.state.pinned = row

    def _look(self, row: int | None) -> None:
        self.state.looked_at = row

    def _more(self) -> None:
        self._n_shown += PAGE
        self._draw()

    def _on_selected(self, *_: Any) -> None:
        self._n_shown = PAGE
        self.state.picked = []

    def _follow(self, *_: Any) -> None:
        self._gallery.param.update(picked=self.state.picked, view=self.state.privacy_view, reveal=self.state.reveal)
        if not len(self._rows()):
            self._words.object = self._nothing()

    def _draw(self, *_: Any) -> None:
        if not self.open:
            return
        rows, self._turn = self._rows(), self._turn + 1
        if len(rows) > MANY:  # ordering them would take a moment of all windows
            turn = self._turn
            self.actions.fetch(
                partial(self._firsts, rows), lambda firsts: self._show(rows, firsts) if turn == self._turn else None
            )
        else:
            self._show(rows, self._firsts(rows))

    def _rows(self) -> np.ndarray:
        """Return the rows whose pictures are shown: the selection, or else what passes the filters."""
        if len(self.state.selected) or not self.state.filters or self.state.kept is None:
            return self.state.selected
        shown = self.state.shown()
        return np.flatnonzero(self.state.kept if shown is None else shown)

    def _firsts(self, rows: np.ndarray) -> np.ndarray:
        firsts = self._in_order(rows)
        return one_of_each(self.state.workspace, firsts) if self.state.copies else firsts

    def _show(self, rows: np.ndarray, firsts: np.ndarray) -> None:
        space = self.state.workspace
        codes = space.labels.codes
        shown = firsts[: self._n_shown]
        classes = space.classes
        tiles: list[Tile] = []
        for row, n_copies in zip(shown.tolist(), group_sizes(space, shown).tolist(), strict=True):
            code = int(codes[row])
            label, colour = ("", "") if code == UNLABELLED else (classes[code].name, classes[code].colour)
            half = "check half" if space.is_check[row] else "teach half"
            n_alike = n_copies if self.state.copies else 1
            alike = f", one of {n_alike} near-duplicates" if n_alike > 1 else ""
            tiles.append(
                {
                    "row": row,
                    "id": space.image_id(row),
                    "label": label,
                    "colour": colour,
                    "text": f"{label or 'unlabelled'}, {half}{alike}",
                    "alike": n_alike,
                }
            )
        self._words.object = self._say(rows, codes, len(firsts))  # first: tiles that move after they appeared are missed
        for button in self._others:
            button.visible = bool(len(self.state.selected))
        self._order.visible = bool(len(rows))
        self._gallery.param.update(tiles=tiles, total=len(firsts))

    @property
    def _column(self) -> str:
        """Return the score column that the map is coloured by and pictures follow, "" for none."""
        return self.state.colour_by if self.state.colour_by in self.state.shared.score_columns() else ""

    def _in_order(self, rows: np.ndarray) -> np.ndarray:
        fitted, order, sealed = self.state.workspace.fitted, self.state.order, self.state.workspace.sealed
        if order == Order.TIME:  # rows are given in the order of ingest
            return np.sort(rows)[::-1]
        if order in (Order.NAME, Order.LIKENESS):
            places = self.state.places
            return rows if places is None else rows[np.argsort(places[rows], kind="stable")]  # NaN last
        if order == Order.SCORE and fitted is not None:
            hidden = np.isnan(fitted.score[rows]) | sealed[rows]
            return rows[np.argsort(np.where(hidden, np.inf, -fitted.score[rows]), kind="stable")]
        if self._column:
            values = self.state.shared.colouring(self._column).values[rows]
            hidden = np.isnan(values) | self.state.workspace.sealed[rows]  # sealed labels must not choose between columns
            return rows[np.argsort(np.where(hidden, np.inf, -values), kind="stable")]
        if fitted is None or not len(rows):
            return rows
        return rows[np.argsort(-np.nan_to_num(fitted.uncertainty[rows], nan=-1.0), kind="stable")]

    def _say(self, rows: np.ndarray, codes: np.ndarray, n_different: int) -> str:
        if not len(rows):
            return self._nothing()
        what = "selected" if len(self.state.selected) else "pass the filters; none is selected"
        n_check = int(self.state.workspace.is_check[rows].sum())
        found = np.bincount(codes[rows] + 1, minlength=len(self.state.workspace.classes) + 1)
        names = ["unlabelled", *self.state.workspace.class_names]
        parts = ", ".join(f"{html.escape(name)} {n:,}" for name, n in zip(names, found, strict=True) if n)
        alike = f", {n_different:,} different pictures" if n_different < len(rows) else ""
        n_hidden = len(self.state.whole) - len(self.state.selected)
        left_out = f" · {n_hidden:,} more are hidden by the legend or the filters and are not labelled" if n_hidden else ""
        order = FIRST.get(self.state.order, "") if self.state.workspace.fitted or self.state.order != Order.UNCERTAINTY else ""
        if self._column and self.state.order == Order.UNCERTAINTY:
            order = f"Most likely flagged by {html.escape(self._column)} first, sealed check images last. "
        taught, checked = f"{len(rows) - n_check:,} teach", f"{n_check:,} check half"
        halves = f"{term('teach half', taught)}, {term('check half', checked)}"
        return (
            f"<b>{len(rows):,} {what}</b> · {halves}{alike}{left_out}<br>"
            f"{parts}<br>"
            f"<small>{order}Click or drag picks, shift-click or Range all between, double-click enlarges; R or a finger "
            "held shows one clear.</small>"
        )

    def _nothing(self) -> str:
        space = self.state.workspace
        if self.state.filters and self.state.kept is not None and not self.state.kept.any():
            return '<div class="room"><b>No image passes the filters.</b> Remove one of them in the bar above.</div>'
        if not space.has_map:
            return f'<div class="room">{html.escape(self.state.embedding or missing_for_map(space))}</div>'
        keys = "".join(
            f"<kbd>{html.escape(key)}</kbd><span>{html.escape(meaning)}</span>"
            for key, meaning in (*((c.key.upper(), f"label as {c.name}") for c in space.classes if not c.retired), *HERE)
        )
        return (
            '<div class="room"><b>Nothing selected.</b> Drag a lasso around a cluster of the map: its pictures '
            f"appear here, {html.escape(self.state.privacy_view.replace('-', ' and '))}. "
            f"A label for many at once asks for a {term('spot check')} first."
            f'<div class="keys">{keys}</div></div>'
        )

    def __panel__(self) -> pn.viewable.Viewable:
        return self._layout
