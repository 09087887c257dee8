"""Edit the class list: add, rename, merge, retire; and the record of who changed what. Each verb takes the workspace.

Label actions never change. A renamed or merged class is another word for the class that has its labels now (`renames`), and
every place that reads a class name reads it through these.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypedDict

import numpy as np

from core.arrays import JsonObject
from core.catalog.class_names import check_class_list
from core.catalog.records import ImageClass, Policy
from core.catalog.rows import now
from core.errors import InputError
from core.labels.classes import check_meanings
from core.labels.policies import check_kept
from core.wording import counted
from core.workspace import Workspace

CHANGES = "class_changes"  # the setting that holds them
KEPT = 500  # changes remembered
NO_NAME = "A workspace needs a name, for example the collection's."
NO_GUIDELINE = "A guideline needs a name, for example v2."


@dataclass(frozen=True)
class ClassEdit:
    """What becomes of one class."""

    was: str  # its name before; "" for a new class
    name: str
    colour: str
    key: str
    flagged: bool
    retired: bool = False  # it keeps its labels and takes no more
    into: str = ""  # the name before of the class that takes its labels


class Change(TypedDict):
    """One change of the classes, the guideline or the name."""

    at: str  # ISO 8601, UTC
    analyst: str
    said: str


def changes(workspace: Workspace) -> list[Change]:
    """Return who changed classes, guideline and name, newest first."""
    return list(reversed(workspace.catalog.settings.get(CHANGES, [])))


def note_change(workspace: Workspace, said: str, analyst: str) -> None:
    """Remember who changed what."""
    kept = workspace.catalog.settings.get(CHANGES, [])
    workspace.catalog.settings.set(CHANGES, [*kept, Change(at=now(), analyst=analyst, said=said)][-KEPT:])


def counts_of(workspace: Workspace) -> dict[str, int]:
    """Return how many images are labelled as each class."""
    return dict(zip(workspace.class_names, workspace.labels.by_class, strict=True))


def edit_classes(workspace: Workspace, edits: Sequence[ClassEdit], *, analyst: str) -> str:
    """Replace the class list by what an analyst has made of it; return what changed in a sentence, "" if nothing did.

    Args:
        edits: all classes in their order; one of the list that is not named is removed.
    Raises:
        InputError: if a name or key cannot be used, a class with labels is removed, a policy needs one that goes, or a merge
            would change what check images were read as.
    """
    with workspace.lock:
        before = {c.name: c for c in workspace.classes}
        for edit in edits:
            for name in (edit.was, edit.into):
                if name and name not in before:
                    raise InputError(
                        f"There is no class '{name}' any more: somebody has changed the classes; open the form again."
                    )
        kept = [edit for edit in edits if not edit.into]
        named = {edit.was: edit.name for edit in kept if edit.was}
        merged = {edit.was: _target(edit, named) for edit in edits if edit.into and edit.was}
        classes = [ImageClass(e.name, e.colour, "" if e.retired else e.key, e.flagged) for e in kept]
        check_class_list(classes)
        if bare := [edit.name for edit in kept if not (edit.key or edit.retired)]:
            raise InputError(f"The class '{bare[0]}' needs a key, one character, which labels images as it.")
        moved = {was: name for was, name in {**named, **merged}.items() if was != name}
        # Without images nobody has used the names, which may be taken again.
        meant = workspace.renames | ({name: name for name in before} if workspace.n_images else {})
        meanings = {name: moved.get(today, today) for name, today in meant.items()}
        check_meanings([c.name for c in classes], meanings)
        _check_merges(workspace, before, {c.name: c for c in classes}, merged)
        lost = [name for name, n in counts_of(workspace).items() if n and name not in moved and name not in named]
        if lost:
            n = counted(counts_of(workspace)[lost[0]], "label")
            raise InputError(f"The class '{lost[0]}' has {n}; merge it into another, retire it, or clear its labels first.")
        policies = [_renamed(policy, moved) for policy in workspace.policies]
        said = _said(before, kept, merged, [name for name in before if name not in named and name not in merged])
        if not said and classes == list(workspace.classes):
            return ""
        check_kept(workspace, classes, policies)
        renames = {name: today for name, today in meanings.items() if name != today}
        gone = [c for c in workspace.catalog.labels.gone_classes() if c.name not in {c.name for c in classes}]
        gone += [c for name, c in before.items() if name not in named and name not in merged]
        workspace.catalog.labels.set_classes(classes, gone=gone, policies=policies, renames=renames)
        note_change(workspace, said or "The order of the classes changed.", analyst)
        workspace.reload_classes()
        workspace.fitted = None
        return said or "The order of the classes changed."


def _target(edit: ClassEdit, named: dict[str, str]) -> str:
    if edit.into not in named or edit.into == edit.was:
        raise InputError(f"'{edit.was}' cannot be merged into '{edit.into}', which goes, too; choose a class that stays.")
    return named[edit.into]


def _renamed(policy: Policy, moved: dict[str, str]) -> Policy:
    return replace(policy, classes=tuple(dict.fromkeys(moved.get(name, name) for name in policy.classes)))


def _check_merges(
    workspace: Workspace, before: dict[str, ImageClass], after: dict[str, ImageClass], merged: dict[str, str]
) -> None:
    """Check that no merge turns a reading of the check half from flagged to not flagged, or back.

    Raises:
        InputError: naming the first that would.
    """
    for name, into in merged.items():
        if before[name].flagged == after[into].flagged:
            continue
        code = workspace.class_names.index(name)
        n_read = int(np.count_nonzero(workspace.evidence() & (workspace.labels.codes == code)))
        if n_read:
            becomes = "flagged" if after[into].flagged else "not flagged"
            raise InputError(
                f"{counted(n_read, 'check image')} read as '{name}' would become {becomes} in '{into}', and"
                f" readings are evidence; mark both classes alike, or read those images again first."
            )


def _said(before: dict[str, ImageClass], kept: Sequence[ClassEdit], merged: dict[str, str], removed: Sequence[str]) -> str:
    """State what changed, a clause for each class."""
    said = [f"'{name}' merged into '{into}'" for name, into in merged.items()]
    said += [f"'{name}' removed" for name in removed]
    for edit in kept:
        old = before.get(edit.was)
        if old is None:
            said.append(f"'{edit.name}' added{' as flagged' if edit.flagged else ''}")
            continue
        if old.name != edit.name:
            said.append(f"'{old.name}' renamed to '{edit.name}'")
        if old.flagged != edit.flagged:
            said.append(f"'{edit.name}' is {'' if edit.flagged else 'not '}flagged now")
        if edit.retired != old.retired:
            said.append(f"'{edit.name}' {'retired' if edit.retired else 'in use again'}")
        elif not edit.retired and old.key != edit.key:
            said.append(f"'{edit.name}' has the key {edit.key.upper()}")
        if old.colour != edit.colour:
            said.append(f"'{edit.name}' has another colour")
    return f"Classes changed: {'; '.join(said)}." if said else ""


def set_guideline(workspace: Workspace, name: str, *, analyst: str = "") -> str:
    """Set the version of the labelling guideline, which is saved with every label from now on; return it in a sentence.

    Raises:
        InputError: if the name is empty.
    """
    workspace.guideline = _keep_word(workspace, "guideline", name, NO_GUIDELINE)
    return _noted(workspace, f"The guideline in force is {workspace.guideline}.", analyst)


def guideline_ended(workspace: Workspace) -> tuple[str, JsonObject]:
    """Return the sentence and the record that a change of the guideline ends with."""
    return f"Guideline in force: {workspace.guideline}.", {"guideline": workspace.guideline}


def set_name(workspace: Workspace, name: str, *, analyst: str = "") -> str:
    """Give the workspace another name, which the page shows; return it in a sentence.

    Raises:
        InputError: if the name is empty.
    """
    workspace.name = _keep_word(workspace, "name", name, NO_NAME)
    return _noted(workspace, f"The workspace is called {workspace.name}.", analyst)


def _keep_word(workspace: Workspace, setting: str, word: str, without: str) -> str:
    """Keep a setting of one word or more, and return it as kept; `without` is the sentence where there is none."""
    if not (wanted := word.strip()):
        raise InputError(without)
    workspace.catalog.settings.set(setting, wanted)
    return wanted


def _noted(workspace: Workspace, said: str, analyst: str) -> str:
    note_change(workspace, said, analyst)
    return said
