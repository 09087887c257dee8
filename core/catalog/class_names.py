"""Class names: which are valid, and which known one a misspelt name probably means."""

import unicodedata
from collections.abc import Iterable, Sequence

from core.catalog.records import ImageClass
from core.errors import InputError
from core.palette import CLASS_PALETTE

DEFAULT_CLASSES = (
    ImageClass("neutral", CLASS_PALETTE[0], "1", flagged=False),
    ImageClass("explicit", CLASS_PALETTE[1], "2", flagged=True),
    ImageClass("copyright", CLASS_PALETTE[2], "3", flagged=False),
)
CLASS_KEYS = "1234567890qw"  # in the order of the classes: the digits, then the letters beside them that mean nothing else
MOST_CLASSES = len(CLASS_KEYS)  # as many as there are colours that everybody can tell apart
LONGEST = 60  # characters: names appear on buttons, in legends and in column names


def folded(name: str) -> str:
    """Normalise a name so that names a person would confuse become equal: no case, single spaces, one Unicode form."""
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


def meant(name: str, known: Iterable[str]) -> str | None:
    """Return a known name that differs from `name` only in case, spaces or Unicode form; None if there is none."""
    return next((other for other in known if other != name and folded(other) == folded(name)), None)


def hint(names: Iterable[str], known: Sequence[str]) -> str:
    """Suggest known names for unknown ones, in brackets; "" if there is nothing to suggest."""
    found = [f"'{name}' is probably '{other}'" for name in names if (other := meant(name, known)) is not None]
    return f" ({'; '.join(found[:3])}{'; …' if len(found) > 3 else ''})" if found else ""


def check_class_list(classes: Sequence[ImageClass]) -> None:
    """Check that a class list can be displayed, typed on the command line and distinguished.

    Raises:
        InputError: naming the first invalid name or key.
    """
    names = [c.name for c in classes]
    n_in_use = sum(not c.retired for c in classes)
    if not 2 <= n_in_use <= MOST_CLASSES:
        raise InputError(f"Classes need 2 to {MOST_CLASSES} names, got {n_in_use}; separate them by commas.")
    for name in names:
        check_name(name)
    seen: dict[str, str] = {}
    for name in names:
        if (other := seen.setdefault(folded(name), name)) != name or names.count(name) > 1:
            raise InputError(
                f"Classes need different names, got '{other}' and '{name}', which differ only in case or spaces, if at all; "
                "rename one of them."
            )
    keys = [c.key for c in classes if not c.retired]
    if len(set(keys)) < len(keys) or not all(len(key) == 1 and key.isprintable() and not key.isspace() for key in keys):
        raise InputError(f"Each class needs its own key, one character, got {', '.join(map(repr, keys))}; change the keys.")


def check_name(name: str, what: str = "class", *, example: str = "neutral,explicit*") -> None:
    """Check that the name of a class, or of something else with a name of its own, can be displayed and typed.

    Raises:
        InputError: saying what is wrong with it.
    """
    if not name.strip():
        raise InputError(f"A {what} needs a name, got an empty one; write for example '{example}'.")
    odd = next((c for c in name if c in ",*" or unicodedata.category(c)[0] == "C"), None)
    if odd is not None:
        sign = f"'{odd}'" if odd in ",*" else f"the control character {odd!r}"
        raise InputError(f"The {what} name {name!r} contains {sign}; use letters, digits, spaces and signs other than , and *.")
    if name != name.strip():
        raise InputError(f"The {what} name '{name}' begins or ends with a space; write '{name.strip()}'.")
    if len(name) > LONGEST:
        raise InputError(f"The {what} name '{name[:20]}…' has {len(name)} characters; shorten it to {LONGEST} or fewer.")
