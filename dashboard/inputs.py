"""The one table of keys and the one handler of what is pressed: a key or button acts on what it was pressed on, or not at all.

The browser sends every press with the *place* it was made on (as the server last named it) and the pictures that were really
loaded there. A press whose place is no more what is in view is refused with a sentence: four quick presses never label four
pictures of which two were seen.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from core.catalog.records import ImageClass


class Verb(StrEnum):
    """What a key or a button can mean."""

    LABEL = "label"  # with the class; its keys come from the workspace
    UNDO = "undo"
    REVEAL = "reveal"
    MORE = "more"
    SKIP = "skip"
    UNSURE = "unsure"
    SAVE = "save"
    NOTHING = "nothing"


# verb -> (key, what it does), as the page tells it
KEYS: dict[Verb, tuple[str, str]] = {
    Verb.UNDO: ("Z", "undo my last action"),
    Verb.REVEAL: ("R held", "see the one picture under the mouse clear"),
    Verb.MORE: ("M", "more like the pinned picture, or like these"),
    Verb.SKIP: ("S", "skip this picture"),
    Verb.UNSURE: ("U", "unsure: leave it open for good"),
    Verb.SAVE: ("N", "keep these 25 as they stand"),
    Verb.NOTHING: ("Esc", "select nothing, or cancel"),
}
BY_KEY = {
    "z": Verb.UNDO,
    "r": Verb.REVEAL,
    "m": Verb.MORE,
    "s": Verb.SKIP,
    "u": Verb.UNSURE,
    "n": Verb.SAVE,
    "escape": Verb.NOTHING,
}
STALE = "The picture had changed when that key arrived, so nothing was done; press it again for what you see now."
NOT_SEEN = "The picture was not on the screen yet, so nothing was done; press again when you see it."


@dataclass(frozen=True)
class Press:
    """One key that went down or up, or one button that was clicked."""

    key: str  # as the browser names it: "r", "R" with shift, "Escape"; "" for a button
    down: bool = True
    shift: bool = False
    ctrl: bool = False  # also Cmd on a Mac
    alt: bool = False
    code: str = ""  # the place on the keyboard: "Digit1", "KeyZ"
    place: str = ""  # what was in view, as `SessionState.place` named it
    shown: frozenset[str] = frozenset()  # ids of the pictures that were loaded in picture cards

    @classmethod
    def of(cls, msg: Mapping[str, Any]) -> "Press":
        """Read what a component of the page sends; anything may come from a browser."""
        seen = msg.get("shown") or ()
        return cls(
            key=str(msg.get("key", "")),
            down=bool(msg.get("down", True)),
            shift=bool(msg.get("shift", False)),
            ctrl=bool(msg.get("ctrl", False)),
            alt=bool(msg.get("alt", False)),
            code=str(msg.get("code", "")),
            place=str(msg.get("place", "")),
            shown=frozenset(map(str, seen if isinstance(seen, list | tuple) else (seen,))),
        )


def meant(press: Press, classes: list[ImageClass]) -> tuple[Verb | None, str | None]:
    """Return the verb a key stands for and, for a label, the class; None where it stands for nothing.

    What the key says comes first; where that means nothing, its place on the keyboard does: the digits of a French keyboard
    and the letters of a Cyrillic one are where those of a US keyboard are.
    """
    names = {c.key.lower(): c.name for c in classes}
    said = press.key.lower()
    for key in (said, _by_place(press)):
        if key in names:
            return Verb.LABEL, names[key]
        if key in BY_KEY:
            return BY_KEY[key], None
    return None, None


def _by_place(press: Press) -> str:
    """Return what a US keyboard has where the key is, "" if the key says something itself."""
    if len(press.key) > 1 and press.key not in ("Dead", "Process", "Unidentified"):
        return ""  # "End", on a number pad without its numbers
    for prefix in ("Digit", "Numpad"):
        if press.code.startswith(prefix) and press.code.removeprefix(prefix).isdigit():
            return press.code.removeprefix(prefix)
    is_latin = len(press.key) == 1 and press.key.isascii() and press.key.isalpha()
    return press.code.removeprefix("Key").lower() if press.code.startswith("Key") and not is_latin else ""


class Target(Protocol):
    """What class keys and answers can act on: the selection, the pinned picture, a queue, a quick look."""

    @property
    def place(self) -> str:
        """Its place now, "kind/...", or "" while it has nothing in view."""

    @property
    def picture(self) -> str:
        """Id of the one picture that must have been on the screen, "" where there are many."""

    def act(self, verb: Verb, class_name: str | None) -> None:
        """Do what was asked for; verbs it does not know do nothing."""


class Inputs:
    """Sends each press to the target it was made on."""

    def __init__(self, say: Callable[[str], None], soon: Callable[[Callable[[], None]], None]) -> None:
        """Prepare.

        Args:
            say: shows a sentence.
            soon: calls a function when the tab's document may be changed; a button's click comes at any moment.
        """
        self._say, self._soon = say, soon
        self._targets: dict[str, Target] = {}

    def add(self, kind: str, target: Target) -> None:
        """Let a target take the presses made on places of its kind."""
        self._targets[kind] = target

    def click(self, press: Press, verb: str, class_name: str | None = None) -> None:
        """Do what a button says, as soon as the document may be changed; a browser may send any verb."""
        if verb in set(Verb):
            self._soon(lambda: self.act(press, Verb(verb), class_name))

    def act(self, press: Press, verb: Verb, class_name: str | None = None) -> None:
        """Let the target in view do it, or say why not."""
        target = self._targets.get(press.place.partition("/")[0])
        if target is None:
            return  # nothing on this page takes answers
        if target.place != press.place:
            self._say(STALE)
        elif target.picture and target.picture not in press.shown:
            self._say(NOT_SEEN)
        else:
            target.act(verb, class_name)
