"""The class list and the guideline version of a workspace. Each verb takes the workspace."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import cycle

from core.arrays import JsonObject
from core.catalog.class_names import CLASS_KEYS, check_class_list, hint, meant
from core.catalog.label_book import KEYS
from core.catalog.records import ImageClass
from core.errors import InputError
from core.labels.policies import check_kept
from core.palette import CLASS_PALETTE
from core.wording import counted
from core.workspace import Workspace


def parse_classes(text: str) -> list[ImageClass]:
    """Parse "neutral,explicit*" (a star marks flagged classes); keys are 1 to 9, 0, Q and W, colours come from the palette."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    found = [
        ImageClass(name.rstrip("* "), colour, key, flagged=name.endswith("*"))
        for name, colour, key in zip(names, cycle(CLASS_PALETTE), cycle(CLASS_KEYS), strict=False)
    ]
    check_class_list(found)
    return found


def class_today(workspace: Workspace, name: str) -> str:
    """Return the class that images are labelled as by a name: its class may have been renamed or merged since.

    Raises:
        InputError: if there is no such class, or it is retired.
    """
    [today] = workspace.named_today([name])
    found = next((c for c in workspace.classes if c.name == today), None)
    if found is None:
        known = ", ".join(workspace.class_names)
        raise InputError(f"There is no class '{name}'{hint([name], workspace.class_names)}; the classes are {known}.")
    if found.retired:
        raise InputError(f"The class '{today}' is retired: it keeps its labels and takes no more; give another class.")
    return today


def check_meanings(names: Iterable[str], meanings: Mapping[str, str]) -> None:
    """Check that no class gets a name that another one had: it would take that one's labels of that time.

    Args:
        meanings: name -> the class that has the labels given by it.
    Raises:
        InputError: naming the first that does.
    """
    for name in names:
        if (today := meanings.get(name, name)) != name:
            raise InputError(f"'{name}' was the name of '{today}', which has the labels of that time; choose another.")


def set_classes(workspace: Workspace, classes: Sequence[ImageClass]) -> None:
    """Replace the class list; a class may be removed once no image has it as its label.

    Raises:
        InputError: if a class in use is missing, or a name or key cannot be used (`check_class_list`, `check_meanings`), or a
            policy is about a class that is missing or not flagged any more.
    """
    check_class_list(classes)
    check_kept(workspace, classes)
    names = [c.name for c in classes]
    with workspace.lock:
        counts = dict(zip(workspace.class_names, workspace.labels.by_class, strict=True))
        if lost := [name for name in workspace.class_names if counts[name] and name not in names]:
            n, renamed = counts[lost[0]], meant(lost[0], names)
            what = f"write it as '{lost[0]}', not '{renamed}'" if renamed else "keep it in the list, or clear its labels first"
            raise InputError(f"The class '{lost[0]}' has {counted(n, 'label')}; {what}.")
        check_meanings(names, workspace.renames)
        gone = [c for c in workspace.classes if c.name not in names]
        before = [c for c in workspace.catalog.labels.gone_classes() if c.name not in {*names, *(g.name for g in gone)}]
        workspace.catalog.labels.set_classes(classes, gone=[*before, *gone])
        workspace.reload_classes()
        workspace.fitted = None


def classes_ended(classes: Sequence[ImageClass]) -> tuple[str, JsonObject]:
    """Return the sentence and the record that a change of the class list ends with."""
    listed = ", ".join(f"{c.name}{' (flagged)' if c.flagged else ''} [{c.key or 'retired'}]" for c in classes)
    return f"Classes: {listed}.", {"classes": [dict(vars(c)) for c in classes]}


def bring_back(workspace: Workspace, name: str) -> None:
    """Put a removed class back into the list, with its colour, and its key if that is still free.

    Raises:
        InputError: if there never was such a class, or the list is full.
    """
    gone = next((c for c in workspace.catalog.labels.gone_classes() if c.name == name), None)
    if gone is None:
        known = ", ".join(workspace.class_names)
        raise InputError(f"There is no class '{name}'{hint([name], workspace.class_names)}; the classes are {known}.")
    taken = {c.key for c in workspace.classes}
    key = next(key for key in (gone.key, *KEYS) if key not in taken)
    set_classes(workspace, [*workspace.classes, replace(gone, key=key)])


def unknown_classes(workspace: Workspace) -> list[str]:
    """Return the classes of labels that are lost from the catalog's list; they count as not flagged."""
    kept = {c.name for c in workspace.catalog.labels.classes()}
    return [name for name in workspace.class_names if name not in kept]
