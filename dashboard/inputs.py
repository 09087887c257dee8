"""The table of keys and the handler of presses: a key or button acts on what it was pressed on, or not at all.

The browser sends every press with the *place* it was made on and the pictures that were loaded there. A queue's card goes on to
its next picture by itself, so a press may arrive for a picture further down the queue: it is answered for that picture. A press
whose place can no longer be answered is refused with a message: four quick presses never label a picture that was not seen.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, TypedDict

from core.catalog.records import ImageClass
from dashboard.messages import Message


class Verb(StrEnum):
    """What a key or button can do."""

    LABEL = "label"  # with the class; its keys come from the workspace
    UNDO = "undo"
    REVEAL = "reveal"
    MORE = "more"
    SKIP = "skip"
    UNSURE = "unsure"
    BACK = "back"
    GOTO = "goto"  # with the id of a picture answered before
    KEYS = "keys"
    GROW = "grow"
    SHRINK = "shrink"
    CLUSTER = "cluster"
    SAVE = "save"
    ROOM = "room"
    NOTHING = "nothing"


@dataclass(frozen=True)
class Key:
    """A line of the table of keys."""

    shown: str  # as people call the key
    does: str
    where: str  # it acts
    key: str = ""  # as the browser names it, in lower case


# As the page tells it; the keys of the classes come from the workspace.
KEYS: dict[Verb, Key] = {
    Verb.BACK: Key("Backspace", "go back to the picture before, to look at it or to change its label", "queues", "backspace"),
    Verb.SKIP: Key("S", "skip this picture", "queues", "s"),
    Verb.UNSURE: Key("U", "unsure: give no class, and do not ask again", "Suggestions, Review", "u"),
    Verb.SAVE: Key("N", "save these 25 readings", "Check, 25 at once", "n"),
    Verb.UNDO: Key("Z", "undo my last action; a queue shows its picture again", "Map page", "z"),
    Verb.REVEAL: Key(
        "R held",
        "see the one picture under the mouse, or the one asked for, clear; so does a finger held on it",
        "everywhere",
        "r",
    ),
    Verb.MORE: Key("M", "more like the pinned picture, or like these", "Selection, pinned picture", "m"),
    Verb.GROW: Key(
        "+", "grow the selection by its nearest neighbours on the map; from the pinned picture without one", "Map page", "+"
    ),
    Verb.SHRINK: Key("-", "shrink the selection by its images nearest to others on the map", "Map page", "-"),
    Verb.CLUSTER: Key("G", "select the whole cluster of the pinned or enlarged picture, or of the selection", "Map page", "g"),
    Verb.ROOM: Key("F", "room for the pictures, for the map, for both; so do the buttons above the map", "Map page", "f"),
    Verb.NOTHING: Key("Esc", "close, cancel, unpin, or select nothing: what lies on top goes first", "Map page", "escape"),
    Verb.KEYS: Key("?", "show this table", "Map page", "?"),
}
BY_KEY = {entry.key: verb for verb, entry in KEYS.items()}
ANSWERS = (Verb.LABEL, Verb.SKIP, Verb.UNSURE)  # after which a queue shows its next picture
SEEN_OR_NOT = (Verb.SKIP, Verb.BACK, Verb.GOTO)  # also for a picture that cannot be loaded: the queue goes on
STALE = "The picture had changed before that key arrived, so nothing was done; press it again for the picture you see now."
NOT_SEEN = "The picture was not on the screen yet, so nothing was done; press the key again when you see it."


class KeyRow(TypedDict):
    """One line of the table as the page shows it."""

    key: str
    does: str
    where: str


class Press(Message):
    """A key pressed or released, or a button clicked."""

    key: str = ""  # as the browser names it: "r", "R" with shift, "Escape"; "" for a button
    down: bool = True
    touch: bool = False  # a finger that stays on a picture, or leaves it: no key, but the same as the reveal key
    shift: bool = False
    ctrl: bool = False  # also Cmd on a Mac
    alt: bool = False
    code: str = ""  # the place on the keyboard: "Digit1", "KeyZ"
    place: str = ""  # what was in view, as `SessionState.place` named it
    shown: frozenset[str] = frozenset()  # ids of the pictures that were loaded in picture cards
    number: int = 0  # of a press after which a queue's card has gone on by itself; 0 for the others


def meant(press: Press, classes: list[ImageClass]) -> tuple[Verb | None, str | None]:
    """Return the verb of a key and, for a label, the class; (None, None) if the key means nothing.

    The character of the key comes first, then its position on the keyboard: the digits of a French keyboard and the letters of
    a Cyrillic one are where a US keyboard has them.
    """
    names = {c.key.lower(): c.name for c in classes if not c.retired}
    said = press.key.lower()
    for key in (said, _by_place(press)):
        if key in names:
            return Verb.LABEL, names[key]
        if key in BY_KEY:
            return BY_KEY[key], None
    return None, None


def key_rows(classes: Sequence[ImageClass]) -> list[KeyRow]:
    """Return the table of keys as it is shown: the keys of the classes, then the others."""
    where = "the selection, a queue's picture, the pinned or the enlarged picture"
    rows = [KeyRow(key=c.key.upper(), does=f"label as {c.name}", where=where) for c in classes if not c.retired]
    return rows + [KeyRow(key=entry.shown, does=entry.does, where=entry.where) for entry in KEYS.values()]


def verbs_by_key(classes: Sequence[ImageClass]) -> dict[str, str]:
    """Return the verb of each key, so that the browser knows which presses a queue goes on after."""
    return {
        **{key: str(verb) for key, verb in BY_KEY.items()},
        **{c.key.lower(): str(Verb.LABEL) for c in classes if not c.retired},
    }


def _by_place(press: Press) -> str:
    """Return the character a US keyboard has at the position of the key; "" if the key has its own Latin character."""
    if len(press.key) > 1 and press.key not in ("Dead", "Process", "Unidentified"):
        return ""  # "End", on a number pad without its numbers
    for prefix in ("Digit", "Numpad"):
        if press.code.startswith(prefix) and press.code.removeprefix(prefix).isdigit():
            return press.code.removeprefix(prefix)
    is_latin = len(press.key) == 1 and press.key.isascii() and press.key.isalpha()
    return press.code.removeprefix("Key").lower() if press.code.startswith("Key") and not is_latin else ""


class Target(Protocol):
    """What keys and buttons can act on: the selection, the pinned picture, a queue, a spot check."""

    @property
    def place(self) -> str:
        """Current place, "kind/...", or "" while nothing is in view."""

    @property
    def picture(self) -> str:
        """Id of the picture that must have been on the screen; "" if there are many."""

    def act(self, verb: Verb, class_name: str | None) -> None:
        """Perform a verb; verbs that do not apply do nothing."""


@dataclass(frozen=True)
class _Entry:
    """What takes the presses of one kind of place; see `Inputs.add`."""

    target: Target
    follow: Callable[[Press], None]
    undo: Callable[[], bool]


class Inputs:
    """Routes each press to the target it was made on."""

    def __init__(self, say: Callable[[str], None], soon: Callable[[Callable[[], None]], None]) -> None:
        """Create without targets.

        Args:
            say: shows a message.
            soon: calls a function when the tab's document may be changed; clicks come at any moment.
        """
        self._say, self._soon = say, soon
        self._entries: dict[str, _Entry] = {}

    def add(
        self,
        kind: str,
        target: Target,
        *,
        follow: Callable[[Press], None] = lambda _: None,
        undo: Callable[[], bool] = lambda: False,
    ) -> None:
        """Register a target for the places of a kind.

        Args:
            follow: called with each press before its place is compared, where the browser goes on by itself: it may make
                another picture the current one.
            undo: undoes what is no action of the history, and tells whether there was something.
        """
        self._entries[kind] = _Entry(target, follow, undo)

    def _entry(self, press: Press) -> "_Entry | None":
        """Return what takes presses where this one was made; None if nothing does."""
        return self._entries.get(press.place.partition("/")[0])

    def undo(self, press: Press) -> bool:
        """Undo what only the target in view can; False where the analyst's last action is meant."""
        entry = self._entry(press)
        return entry is not None and entry.undo()

    def click(self, press: Press, verb: str, class_name: str | None = None) -> None:
        """Perform a button's verb as soon as the document may be changed; unknown verbs from a browser are ignored."""
        if verb in set(Verb):
            self._soon(lambda: self.act(press, Verb(verb), class_name))

    def act(self, press: Press, verb: Verb, class_name: str | None = None) -> None:
        """Let the target in view perform the verb, or say why not."""
        entry = self._entry(press)
        if entry is None:
            return  # nothing in view takes presses
        entry.follow(press)
        target = entry.target
        if target.place != press.place:
            self._say(STALE)
        elif target.picture and target.picture not in press.shown and verb not in SEEN_OR_NOT:
            self._say(NOT_SEEN)
        else:
            target.act(verb, class_name)
