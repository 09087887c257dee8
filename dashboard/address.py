"""The address of a view: what a tab shows as the query of its URL, and back. Pure functions.

A query comes from a link, so from anybody: it is bounded, and what does not fit is left out.
"""

import math
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any
from urllib.parse import parse_qs, urlencode

from pydantic import Field, ValidationError

from core.filters.conditions import MOST, Conditions, Reads, conditions_of, text_of
from core.map.colourings import GRAIN
from core.map.density import GRAINS
from core.map.grid import View
from dashboard.choices import ColourBy, Order, PageName, Tab, What, When
from dashboard.messages import Message

CLUSTER = re.compile(r"[A-Z][0-9]{1,6}")  # names of clusters; the group of notices has another one
LONGEST = 8_000  # characters of a query
MOST_CODES = 64  # hidden entries of a legend
TROUBLE = "Part of this link could not be used; the usual view is shown instead. Copy the link again if you need it."


class Address(Message):
    """What a link shows; each default is the usual view."""

    page: PageName = PageName.MAP
    tab: Tab = Tab.SELECTION
    colour: str = Field(default=ColourBy.LABEL, max_length=200)
    grain: str = Field(default=GRAIN, pattern=f"^({'|'.join(GRAINS)})$")  # of clusters
    hide: tuple[int, ...] = Field(default=(), max_length=MOST_CODES)  # legend codes; -1 = images without a class
    filter: Conditions = Field(default=(), max_length=MOST)
    order: Order = Order.UNCERTAINTY
    zoom: View | None = None  # (x0, x1, y0, y1), map units
    cluster: str = Field(default="", pattern=f"^({CLUSTER.pattern})?$")  # the one selected
    opening: int | None = Field(default=None, ge=1)  # None = the newest
    who: str = Field(default="", max_length=200)  # of History: whose actions, "" = anybody's
    what: What = What.ANYTHING
    label: str = Field(default="", max_length=200)  # its class, "" = any
    when: When = When.ANY
    image: str = Field(default="", pattern=r"^([0-9a-f]{32})?$")  # id of the pinned picture
    encoder: str = Field(default="", max_length=200)  # whose map and scores were shown; "" = of the one in use


# Each change of these is a step that the browser's Back button takes again.
STEPS = (
    "page",
    "tab",
    "cluster",
    "opening",
    "image",
    "filter",
    "who",
    "what",
    "label",
    "when",
)


def query_of(address: Address) -> str:
    """Return the query, without "?"; "" for the usual view."""
    usual = Address()
    words: dict[str, str] = {}
    for name in Address.model_fields:
        value = getattr(address, name)
        if value == getattr(usual, name):
            continue
        if name == "filter":
            words[name] = text_of(value)
            continue
        words[name] = ",".join(f"{part:.6g}" for part in value) if isinstance(value, tuple) else str(value)
    return urlencode(words, safe=":,;!")


def address_of(query: str) -> tuple[Address, bool]:
    """Return the address of a query, and whether all of it could be read; names that are not ours are ignored."""
    if len(query) > LONGEST:
        return Address(), False
    try:
        found = {name: values[-1] for name, values in parse_qs(query.removeprefix("?")).items()}
    except ValueError:
        return Address(), False
    read: dict[str, Any] = {}
    for name, value in found.items():
        if name in Address.model_fields:
            try:
                part = _PARTS.get(name, str)(value)
                Address.model_validate({name: part})
            except (ValidationError, ValueError, OverflowError):
                return Address.model_validate(read), False
            read[name] = part
    return Address.model_validate(read), True


def on_map_of(address: Address, encoder: str, known: Collection[str]) -> tuple[Address, str]:
    """Return what of an address can be shown on the map of the encoder in use, and a sentence on what cannot, "" if all can.

    A place on the map and the names of clusters belong to one encoder's map; on another they would show something else.

    Args:
        encoder: the one in use, "" while there is no map.
        known: encoders that have a map here.
    """
    if address.encoder in ("", encoder):
        return address, ""
    rest = address.model_copy(
        update={
            "zoom": None,
            "cluster": "",
            "filter": tuple(condition for condition in address.filter if condition.reads != Reads.CLUSTERS),
            "hide": () if address.colour == ColourBy.CLUSTER else address.hide,
            "encoder": encoder,
        }
    )
    if not encoder:
        return rest, ""
    made = f"the encoder {address.encoder}" if address.encoder in known else "an encoder that this workspace does not have"
    told = f"This link was made with {made}, and {encoder} is in use: map, clusters and scores are those of {encoder}."
    if address.encoder in known:
        told += f" To see what was meant, choose {address.encoder} as the encoder and open the link again."
    return rest, told


def _codes(text: str) -> tuple[int, ...]:
    codes = tuple(sorted({int(part) for part in text.split(",")}))
    if not all(-1 <= code < MOST_CODES for code in codes):
        raise ValueError(text)
    return codes


def _view(text: str) -> View:
    x0, x1, y0, y1 = (float(part) for part in text.split(","))
    if not (all(map(math.isfinite, (x0, x1, y0, y1))) and x0 < x1 and y0 < y1):
        raise ValueError(text)
    return x0, x1, y0, y1


_PARTS: Mapping[str, Callable[[str], object]] = {"hide": _codes, "zoom": _view, "filter": conditions_of, "opening": int}
