"""The bar above the stage: what has it; filters as removable chips, a form for more, named views. Text is set as text."""

from collections.abc import Callable
from typing import ClassVar, TypedDict

import panel as pn
import param
from pydantic import Field

from core.filters.conditions import Condition
from core.filters.offers import Offer
from dashboard.choices import Room
from dashboard.messages import Message
from dashboard.views.components.source import source


class Saved(TypedDict):
    """A named view."""

    name: str
    by: str  # "saved by ann"


class Rename(Message):
    """A view's name and its new one."""

    name: str = Field(max_length=200)
    to: str = Field(max_length=200)


class FilterWish(Message):
    """What a person did in the bar; one of these."""

    open: bool = False  # the form or the menu is about to be shown
    add: Condition | None = None
    remove: int | None = None  # place of a chip
    clear: bool = False
    select: bool = False  # all images that pass
    save: str | None = Field(default=None, max_length=200)  # the present view under a name
    show: str | None = Field(default=None, max_length=200)  # a view
    rename: Rename | None = None
    drop: str | None = Field(default=None, max_length=200)
    room: Room | None = None  # what shall have the stage


class FilterBar(pn.custom.JSComponent):
    """Chips are removed by a click, or by Delete on them."""

    chips: list[str] = param.List(default=[], item_type=str, doc="The filters that are on, in words and in their order.")
    said: str = param.String(doc="How many images pass, or that they are being found.")
    note: str = param.String(doc="What there is to know about the filters now; '' for nothing.")
    offers: list[Offer] = param.List(default=[], item_type=dict, doc="The filters there are; [] before they were asked for.")
    views: list[Saved] = param.List(default=[], item_type=dict, doc="Named views, by name.")
    room: str = param.String(default=Room.BOTH, doc="What has the stage.")
    can_select: bool = param.Boolean(default=False, doc="Some images pass, and not all are selected.")
    on_wish: Callable[[FilterWish], None] = param.Parameter(doc="Called with what a person did.")

    _rename: ClassVar[dict[str, str | None]] = {"on_wish": None}  # stays in Python
    _esm = source("parts.js", "filter_bar.js")
    _stylesheets = [source("filter_bar.css")]

    def _handle_msg(self, msg: object) -> None:
        if (wish := FilterWish.read(msg)) is not None and self.on_wish is not None:
            self.on_wish(wish)
