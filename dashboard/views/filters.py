"""The bar above the stage: what has the stage; what is shown of all images, as chips; further filters, and named views."""

from functools import partial
from typing import Any

import numpy as np
import panel as pn
import param

from core.catalog.views import NamedView
from core.filters.conditions import (
    AddedSince,
    WordsRead,
    with_condition,
)
from core.filters.masks import leaves_sealed_out
from core.filters.offers import Choice, Offer
from core.wording import counted
from dashboard.actions import Actions
from dashboard.choices import PageName, Tab
from dashboard.state import SessionState
from dashboard.times import minute
from dashboard.views.components.filter_bar import FilterBar, FilterWish, Saved

CHECK_NOTE = "Check ignores filters: its images are read in a fixed random order, or they would prove nothing."
SEALED_NOTE = "Sealed check images are left out, because what the model says of them stays hidden until an opening."
WORDS_NOTE = "Only pictures with much text on dark were read; finding clusters reads them."


class FiltersPane(pn.viewable.Viewer):
    """Sets `state.filters`, which map, gallery, counts, clusters and suggestions follow, and `state.room`."""

    state = param.ClassSelector(class_=SessionState)
    actions = param.ClassSelector(class_=Actions)

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self._bar = FilterBar(on_wish=lambda wish: self.actions.soon(partial(self._do, wish)), sizing_mode="stretch_width")
        self.state.param.watch(self._draw, ["filters", "kept", "filters_read", "filter_turn", "tab", "page", "whole", "zone"])
        self.state.param.watch(lambda event: setattr(self._bar, "room", event.new), "room")
        self._bar.room = self.state.room
        self._draw()

    def _do(self, wish: FilterWish) -> None:
        state, actions = self.state, self.actions
        if wish.open:
            actions.offer_filters(self._offer)
        elif wish.add is not None:
            actions.set_filters(partial(with_condition, state.filters, wish.add))
        elif wish.remove is not None and 0 <= wish.remove < len(state.filters):
            state.filters = tuple(one for at, one in enumerate(state.filters) if at != wish.remove)
        elif wish.clear:
            state.filters = ()
        elif wish.room is not None:
            state.give_room(wish.room)
        elif wish.select:
            rows = np.flatnonzero(~state.workspace.removed) if state.kept is None else np.flatnonzero(state.kept)
            state.select(rows)
        elif wish.save is not None:
            actions.save_view(wish.save, self._show_views)
        elif wish.show is not None:
            actions.show_view(wish.show)
        elif wish.rename is not None:
            actions.rename_view(wish.rename.name, wish.rename.to, self._show_views)
        elif wish.drop is not None:
            actions.remove_view(wish.drop, self._show_views)

    def _offer(self, offers: list[Offer], views: list[NamedView]) -> None:
        self._bar.offers = [self._timed(offer) if offer["form"] == "since" else offer for offer in offers]
        self._show_views(views)

    def _timed(self, offer: Offer) -> Offer:
        """Return an offer of times with the reader's clock in its words."""
        choices = [Choice(**choice | {"words": minute(choice["value"], self.state.zone)}) for choice in offer["choices"]]
        return Offer(**offer | {"choices": choices})

    def _show_views(self, views: list[NamedView]) -> None:
        self._bar.views = [Saved(name=view.name, by=f"by {view.analyst}") for view in views]

    def _draw(self, *_: Any) -> None:
        state = self.state
        n, is_read = state.workspace.n_here, state.filters_read == state.filter_turn
        n_kept = n if state.kept is None else int(np.count_nonzero(state.kept))
        said = "filtering …" if not is_read else f"{n_kept:,} of {counted(n, 'image')}" if state.filters else "all images"
        self._bar.param.update(
            chips=[
                f"added since {minute(one.parts()[0], state.zone)}" if isinstance(one, AddedSince) else one.words
                for one in state.filters
            ],
            said=said,
            note=self._note(n_kept, is_read=is_read),
            can_select=bool(state.filters) and is_read and 0 < n_kept != len(state.whole),
        )

    def _note(self, n_kept: int, *, is_read: bool) -> str:
        state = self.state
        if not state.filters or not is_read:
            return ""
        if state.shows(PageName.MAP, Tab.CHECK):
            return CHECK_NOTE
        if not n_kept:
            searched = any(isinstance(one, WordsRead) for one in state.filters)
            return f"No image passes these filters; remove one of them. {WORDS_NOTE if searched else ''}".strip()
        beside = state.shared.shows_model(state.colour_by)
        return SEALED_NOTE if state.workspace.sealed.any() and leaves_sealed_out(state.filters, beside_model=beside) else ""

    def __panel__(self) -> pn.viewable.Viewable:
        return self._bar
