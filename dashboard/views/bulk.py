"""The spot check before a bulk label, and the card that says how pure the label is afterwards."""

import html
import time
from typing import Any

import numpy as np
import panel as pn
import panel_material_ui as pmui
import param

from core.labels.bulk import SPOT_CHECK_SIZE, SpotCheck, SpotCheckResult
from core.labels.purity import Purity
from dashboard.actions import Actions
from dashboard.inputs import Inputs, Verb
from dashboard.state import SessionState
from dashboard.theme import styled
from dashboard.views.components.gallery import Gallery, Tile
from dashboard.views.shown import draw_when_shown
from dashboard.views.words import plain, words

ODD_SHOWN = 8  # two rows: enough to see that they are odd
LEAVE = "leave as they are"
TOO_QUICK = 0.7  # s; the second press of a double press is no answer


def _button(label: str, on_click: Any, *, variant: str = "text", color: str = "default") -> pmui.Button:
    return pmui.Button(label=label, variant=variant, color=color, size="small", on_click=lambda _: on_click(), margin=(3, 4))


class BulkPane(pn.viewable.Viewer):
    """Covers the tabs during the spot check."""

    state = param.ClassSelector(class_=SessionState)
    actions = param.ClassSelector(class_=Actions)
    inputs = param.ClassSelector(class_=Inputs)

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self._since = 0.0
        self._head, self._worth = (words(margin=(2, 6)) for _ in range(2))
        self._warning = pmui.Alert(
            severity="warning", title="This selection looks mixed", sizing_mode="stretch_width", margin=(4, 6)
        )
        self._odd, self._shown = (
            Gallery(view=self.state.privacy_view, empty="", tile_size=72, sizing_mode="stretch_width") for _ in range(2)
        )
        for gallery in (self._odd, self._shown):
            gallery.param.watch(lambda _: self._draw_worth(), "picked")
        self._without_odd = _button("Leave all of these out", self._leave_odd)
        self._wrong_class = pmui.Select(label="Label wrong ones as", options=[LEAVE], size="small", margin=(6, 6))
        self._label = _button("", lambda: self._end(answered=True), variant="contained", color="primary")
        self._blind = _button("Without a spot check", lambda: self._end(answered=False))
        self._ask = pn.Column(
            self._head,
            self._warning,
            self._odd,
            self._without_odd,
            self._shown,
            self._wrong_class,
            self._worth,
            pn.FlexBox(self._label, self._blind, _button("Cancel  [Esc]", self.actions.cancel_spot_check)),
            sizing_mode="stretch_width",
            **styled("covers"),
            visible=False,
        )
        watch = self.state.param.watch
        watch(self._on_spot_check, "spot_check")
        self.inputs.add("spot_check", self)
        watch(self._follow, ["privacy_view", "reveal"])
        self._on_spot_check()

    @property
    def place(self) -> str:
        """Return the place of the spot check in progress, "" for none."""
        return self.state.place if self.state.spot_check is not None else ""

    @property
    def picture(self) -> str:
        """Return "": there are many."""
        return ""

    def act(self, verb: Verb, class_name: str | None) -> None:
        """End the spot check: the key of its class says that all images but the picked ones are right."""
        spot_check = self.state.spot_check
        if spot_check is not None and class_name == spot_check.class_name and time.monotonic() - self._since > TOO_QUICK:
            self._end(answered=True)

    def _end(self, *, answered: bool) -> None:
        spot_check = self.state.spot_check
        if spot_check is None:
            return
        wrong_class = self._wrong_class.value
        result = SpotCheckResult(
            spot_check.shown if answered else spot_check.shown[:0],
            np.array(self._shown.picked if answered else [], np.int64),
            None if wrong_class == LEAVE else wrong_class,
        )
        self.actions.end_spot_check(result, left_out=np.array(self._odd.picked, np.int64))

    def _leave_odd(self) -> None:
        spot_check = self.state.spot_check
        if spot_check is not None:
            self.actions.start_spot_check(np.setdiff1d(spot_check.rows, spot_check.oddities.rows), spot_check.class_name)

    # -- drawing --

    def _on_spot_check(self, *_: Any) -> None:
        spot_check = self.state.spot_check
        self._worth.object = ""
        if spot_check is not None:
            self._since = time.monotonic()
            self._fill(spot_check)
        self._ask.visible = spot_check is not None

    def _fill(self, spot_check: SpotCheck) -> None:
        n, name = len(spot_check.rows), spot_check.class_name
        n_shown = "All" if len(spot_check.shown) == n else f"{len(spot_check.shown)} of them, drawn at random"
        title = f"Spot-check more of the {n:,}" if spot_check.token else f"Spot check before {n:,} become"
        self._head.object = (
            f"<b>{title} '{html.escape(name)}'</b><br>{n_shown}. <b>Click those that are not '{html.escape(name)}'.</b> "
            "<small>Hold R over one to see it clear.</small>"
        )
        odd = spot_check.oddities.rows[:ODD_SHOWN]
        reasons = "; ".join(spot_check.oddities.reasons)
        self._warning.object = plain(f"{reasons}. The oddest come first. Click the images to leave out.")
        self._odd.param.update(tiles=self._tiles(odd), total=len(odd), picked=[])
        for part in (self._warning, self._odd, self._without_odd):
            part.visible = bool(len(odd))
        self._without_odd.label = f"Leave all {len(spot_check.oddities.rows):,} out"
        self._shown.param.update(tiles=self._tiles(spot_check.shown), total=len(spot_check.shown), picked=[])
        others = [other for other in self.state.workspace.class_names if other != name]
        self._wrong_class.param.update(options=[*others, LEAVE], value=(others or [LEAVE])[0])
        self._blind.visible = not spot_check.token
        self._draw_worth()

    def _tiles(self, rows: np.ndarray) -> list[Tile]:
        space = self.state.workspace
        codes, classes = space.labels.codes, space.classes
        tiles: list[Tile] = []
        for number, row in enumerate(rows.tolist(), start=1):
            known = classes[int(codes[row])] if codes[row] >= 0 else None
            label, colour = (known.name, known.colour) if known else ("", "")
            text = f"picture {number} of {len(rows)}, {label or 'unlabelled'}"
            tiles.append({"row": row, "id": space.image_id(row), "label": label, "colour": colour, "text": text})
        return tiles

    def _draw_worth(self) -> None:
        spot_check = self.state.spot_check
        if spot_check is None:
            return
        n_wrong, left_out = len(self._shown.picked), np.array(self._odd.picked, np.int64)
        rows, shown = (np.setdiff1d(of, left_out) for of in (spot_check.rows, spot_check.shown))
        known = spot_check.before
        if not spot_check.token:
            known = Purity(spot_check.class_name, len(rows), 0, 0)
        n_right = known.n_right + len(shown) - n_wrong
        would = Purity(spot_check.class_name, known.n_images, known.n_spot_checked + len(shown), n_right)
        self._worth.object = f"Then: {html.escape(would.sentence)}"
        self._wrong_class.visible = bool(n_wrong)
        key = next(c.key.upper() for c in self.state.workspace.classes if c.name == spot_check.class_name)
        n = len(rows) - n_wrong
        self._label.label = (
            f"Save this spot check  [{key}]" if spot_check.token else f"Label {n:,} '{spot_check.class_name}'  [{key}]"
        )

    def _follow(self, *_: Any) -> None:
        for gallery in (self._odd, self._shown):
            gallery.param.update(view=self.state.privacy_view, reveal=self.state.reveal)

    def __panel__(self) -> pn.viewable.Viewable:
        return self._ask


class BulkResult(pn.viewable.Viewer):
    """How pure a bulk label is, until the next selection or until it is closed."""

    state = param.ClassSelector(class_=SessionState)
    actions = param.ClassSelector(class_=Actions)

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self._told = words(margin=(2, 6))
        self._more = _button("", self._on_more, variant="outlined")
        self._card = pn.Column(
            self._told,
            pn.FlexBox(self._more, _button("Close", self._close)),
            sizing_mode="stretch_width",
            **styled("card", "success"),
            visible=False,
            margin=(4, 8),
        )
        draw_when_shown(self.state, self._draw, ["bulk", "labels_version", "tab", "room"])
        self.state.param.watch(lambda _: self._close(), "whole")

    def _on_more(self) -> None:
        if self.state.bulk is not None:
            self.actions.spot_check_more(self.state.bulk.token)

    def _close(self) -> None:
        self.state.bulk = None

    def _draw(self) -> None:
        bulk = self.state.bulk
        if bulk is None:
            self._card.visible = False
            return
        stands = self.state.workspace.book.stands(bulk.action.seq)
        self._card.visible = bool(stands) and not self.state.asks  # it would lie over the picture asked for
        worth, more = bulk.purity, bulk.purity.after(SPOT_CHECK_SIZE)
        self._told.object = f"<b>{len(bulk.action.rows):,} labelled '{html.escape(worth.class_name)}'</b>: " + html.escape(
            worth.sentence
        )
        self._more.visible = more.n_spot_checked > worth.n_spot_checked
        self._more.label = f"Spot-check {more.n_spot_checked - worth.n_spot_checked} more: could reach {more.percent}%"

    def __panel__(self) -> pn.viewable.Viewable:
        return self._card
