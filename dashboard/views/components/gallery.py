"""The pictures of a selection as a grid of tiles. Text is set as text; a picture is clear only while it is revealed."""

from collections.abc import Callable
from typing import ClassVar, NotRequired, TypedDict

import panel as pn
import param

from dashboard.messages import Message
from dashboard.views.components.source import source

PAGE = 300  # tiles a page: 60 ms to build, and more than anybody looks through at once


class Tile(TypedDict):
    """One picture of the grid."""

    row: int
    id: str  # of the image
    label: str  # "" = none
    colour: str  # of the label
    text: str  # tooltip
    alike: NotRequired[int]  # near-duplicates it stands for, itself included; 1 if absent


class Wish(Message):
    """A tile to pin or to look at, or more tiles."""

    pin: int | None = None  # its row
    more: bool = False
    look: int | None = None  # row of the tile under the mouse, or of the enlarged picture; -1 for none


class Gallery(pn.custom.JSComponent):
    """Tiles of `thumb/<view>/<id>`.

    Click or Space picks, shift-click picks a range, as does a click after Range; a drag (of a finger: one that begins sideways)
    picks what it covers, double click or Enter enlarges, P pins, arrows move. While `reveal` is on (the key is held), the tile
    under the mouse or the focus shows the clear picture, and no other. The enlarged picture is a dialog: arrows step through
    the gallery's order, Escape closes it. Where `answers` is on, class keys label what it shows: it names its place
    (`picture/<id>`) to `Keys`, and is in `window.lassoscopeShown`.
    """

    tiles: list[Tile] = param.List(default=[], item_type=dict, doc="In their order.")
    picked = param.List(default=[], item_type=int, doc="Rows that are picked, in both directions.")
    total = param.Integer(default=0, doc="How many images there are, of which `tiles` are the first.")
    view = param.String(default="blurred", doc="Privacy view of every picture that is not revealed.")
    reveal = param.Boolean(default=False, doc="The reveal key is held.")
    tile_size = param.Integer(default=96, bounds=(32, 512), doc="Smallest width of a tile, px.")
    empty = param.String(default="Draw a lasso on the map: its pictures appear here.", doc="Said while there is no tile.")
    answers = param.Boolean(default=False, doc="Class keys label the enlarged picture.")
    pointed: int | None = param.Parameter(doc="Row under the mouse on the map; its tile is ringed.")
    on_look: Callable[[int | None], None] = param.Parameter(doc="Called with the row that is looked at, None for none.")
    on_pin: Callable[[int], None] = param.Parameter(doc="Called with the row to enlarge.")
    on_more: Callable[[], None] = param.Parameter(doc="Called when more tiles are wanted.")

    _rename: ClassVar[dict[str, str | None]] = {"on_pin": None, "on_more": None, "on_look": None}  # stay in Python
    _esm = source("parts.js", "storage.js", "gallery.js")
    _stylesheets = [source("gallery.css")]

    def _handle_msg(self, msg: object) -> None:
        wish = Wish.read(msg)
        if wish is None:
            return
        if wish.look is not None and self.on_look is not None:
            self.on_look(wish.look if wish.look >= 0 else None)
        if wish.pin is not None and self.on_pin is not None:
            self.on_pin(wish.pin)
        elif wish.more and self.on_more is not None:
            self.on_more()
