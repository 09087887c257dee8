"""Names of classes: what may be one, and which one somebody probably meant. Imports the catalog's record and errors."""

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
MOST_CLASSES = 9  # one digit key each
LONGEST = 60  # characters: a name is written on buttons, in legends and as part of a column's name


def folded(name: str) -> str:
    """Return what two names share that a person would take for one: without case, outer spaces and Unicode's twin forms."""
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


def meant(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that differs from `name` only in case, spaces or Unicode form; None if there is none."""
    return next((other for other in known if other != name and folded(other) == folded(name)), None)


def hint(names: Iterable[str], known: Sequence[str]) -> str:
    """Say of names that are not known which known ones they probably mean; "" if none comes near."""
    found = [f"'{name}' is probably '{other}'" for name in names if (other := meant(name, known)) is not None]
    return f" ({'; '.join(found[:3])}{'; …' if len(found) > 3 else ''})" if found else ""


def check_class_list(classes: Sequence[ImageClass]) -> None:
    """Make sure that a class list can be shown, typed on the command line and told apart.

    Raises:
        InputError: naming the first name or key that cannot be used.
    """
    names = [c.name for c in classes]
    if not 2 <= len(classes) <= MOST_CLASSES:
        raise InputError(f"Classes need 2 to {MOST_CLASSES} names, got {len(classes)}; separate them by commas.")
    for name in names:
        _check_name(name)
    seen: dict[str, str] = {}
    for name in names:
        if (other := seen.setdefault(folded(name), name)) != name or names.count(name) > 1:
            raise InputError(
                f"Classes need different names, got '{other}' and '{name}'; a difference in case or spaces is overlooked. "
                "Rename one of them."
            )
    keys = [c.key for c in classes]
    if len(set(keys)) < len(keys) or not all(len(key) == 1 and key.isprintable() and not key.isspace() for key in keys):
        raise InputError(
            f"Classes need a different key each, one character, got {', '.join(map(repr, keys))}; change the keys."
        )


def _check_name(name: str) -> None:
    if not name.strip():
        raise InputError("A class needs a name, got an empty one; write for example 'neutral,explicit*'.")
    odd = next((c for c in name if c in ",*" or unicodedata.category(c)[0] == "C"), None)
    if odd is not None:
        what = f"'{odd}'" if odd in ",*" else f"the control character {odd!r}"
        raise InputError(f"The class name {name!r} holds {what}; use letters, digits, spaces and signs other than , and *.")
    if name != name.strip():
        raise InputError(f"The class name '{name}' begins or ends with a space; write '{name.strip()}'.")
    if len(name) > LONGEST:
        raise InputError(f"The class name '{name[:20]}…' has {len(name)} characters; {LONGEST} are the most, shorten it.")
