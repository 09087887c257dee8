"""Remove images for good: out of the workspace at once, and what files have of their pictures erased. Takes the workspace.

The catalog comes first: from its commit on, no count, map, queue, score or export has the image. Then files are erased, each
step a set difference, so that a removal that was killed goes on where it was. Rows stay, blank; labels stay in the history.
"""

import contextlib
import logging
import os
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.arrays import IntArray, JsonObject, Progress, ignore
from core.catalog.label_book import UNLABELLED
from core.catalog.records import Removal
from core.catalog.rows import now
from core.errors import InputError, WorkspaceError
from core.images.visits import FileState, state_of
from core.intake.uploads import forget_picture
from core.remote.addresses import is_remote
from core.store.files import atomic_path
from core.wording import counted, verb
from core.workspace import Workspace

LOG = logging.getLogger("lassoscope.intake")
ID = re.compile(r"[0-9a-f]{32}")
STATS = 1_000  # images whose files are looked for at once
LONGEST_REASON = 500  # characters
COPIES_LEFT = ("models", "exports")  # folders whose files are made to leave the workspace


@dataclass(frozen=True)
class Wanted:
    """Which images are to go: those of all that is named."""

    names: Sequence[str] = ()  # ids, or paths of files as the catalog has them
    below: str = ""  # a folder: images whose files are all below it
    gone: bool = False  # images none of whose files is there any more
    near_duplicates: bool = False  # and the near-duplicates of all these


@dataclass(frozen=True)
class Found:
    """The images that are to go."""

    rows: IntArray  # (K,) int64, ascending
    unknown: tuple[str, ...] = ()  # names of no image
    elsewhere: int = 0  # images with a file below the folder that stay, for they have another elsewhere
    n_copies: int = 0  # near-duplicates that stay


@dataclass(frozen=True)
class RemoveResult:
    """The result of `remove`."""

    removed: int  # images
    found: Found
    kept: tuple[str, ...] = ()  # folders and files of the workspace that were not searched

    @property
    def record(self) -> JsonObject:
        """Return the result as one JSON object."""
        return {
            "removed": self.removed,
            "unknown": list(self.found.unknown),
            "elsewhere": self.found.elsewhere,
            "near_duplicates_left": self.found.n_copies,
            "not_searched": list(self.kept),
        }

    @property
    def sentence(self) -> str:
        """State the result in a few sentences."""
        n, found = self.removed, self.found
        said = [
            f"{counted(n, 'image')} removed: {verb(n, 'its picture and embedding are', 'their pictures and embeddings are')} "
            f"erased, {verb(n, 'its labels stay', 'their labels stay')} in the history, and "
            f"{verb(n, 'its file is', 'their files are')} refused if {verb(n, 'it comes', 'they come')} again."
        ]
        if found.n_copies:
            said.append(f"{counted(found.n_copies, 'near-duplicate')} of them {verb(found.n_copies, 'stays', 'stay')}.")
        if found.elsewhere:
            n = found.elsewhere
            said.append(
                f"{counted(n, 'image')} {verb(n, 'stays', 'stay')}, for {verb(n, 'it has', 'they have')} a file elsewhere."
            )
        if found.unknown:
            said.append(f"{counted(len(found.unknown), 'name')} of no image here, the first is {found.unknown[0]}.")
        here = f"{', '.join(self.kept)} in the workspace, " if self.kept else ""
        said.append(
            f"Not touched: {here}copies and exports made before, the images' own files, and what browsers keep for a day."
        )
        return " ".join(said)


def find(workspace: Workspace, wanted: Wanted) -> Found:
    """Find the images that are to go; looks at files if those that are gone are wanted."""
    from core.duplicates.search import copies_of  # loads torch

    rows, unknown = _named(workspace, wanted.names)
    elsewhere = 0
    if wanted.below:
        below, elsewhere = workspace.catalog.removals.rows_below(wanted.below)
        rows |= set(below)
    if wanted.gone:
        rows |= set(without_files(workspace).tolist())
    found = workspace.among(np.array(sorted(rows), np.int64))
    all_of_them = copies_of(workspace, found)
    if wanted.near_duplicates:
        found = all_of_them
    return Found(found, tuple(unknown), elsewhere, len(all_of_them) - len(found))


def _named(workspace: Workspace, names: Sequence[str]) -> tuple[set[int], list[str]]:
    """Return the rows of ids and paths, and the names that are of no image, nor of one that was removed."""
    images, wanted = workspace.catalog.images, list(dict.fromkeys(names))
    of_paths = images.known_ids(wanted)
    ids = {name: of_paths.get(name, name) for name in wanted}
    rows, gone = images.rows_of_ids(list(ids.values())), workspace.catalog.removals.ids(list(ids.values()))
    unknown = [name for name, image_id in ids.items() if image_id not in rows and image_id not in gone]
    return {rows[image_id] for image_id in ids.values() if image_id in rows}, unknown


def full_name(name: str, beside: Path) -> str:
    """Return an id and an address as they are, and a path as the catalog has it: a relative one is relative to a folder."""
    return name if ID.fullmatch(name) or is_remote(name) else os.path.abspath(beside / name)


def names_in(file: Path) -> list[str]:
    """Read a file with an id or a path a line, relative to the file's folder; empty lines are passed over.

    Raises:
        InputError: if it cannot be read.
    """
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
        return [full_name(line.strip(), file.resolve().parent) for line in lines if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise InputError(f"{file} cannot be read ({why}); give a text file with an id or a path a line.") from None


def without_files(workspace: Workspace) -> IntArray:
    """Return the images none of whose files is there any more, (K,) int64 rows, ascending; looks at every file."""
    here, gone = np.flatnonzero(~workspace.removed), []
    with ThreadPoolExecutor(8, thread_name_prefix="stat") as pool:  # on network drives the time goes into waiting
        for start in range(0, len(here), STATS):
            rows = here[start : start + STATS]
            states = pool.map(state_of, workspace.catalog.images.files_of(rows.tolist()))
            gone += [row for row, state in zip(rows.tolist(), states, strict=True) if state == FileState.GONE]
    return np.array(gone, np.int64)


def remove(
    workspace: Workspace,
    wanted: Wanted,
    *,
    analyst: str,
    reason: str = "",
    on_out: Callable[[], None] = lambda: None,
    on_progress: Progress = ignore,
) -> RemoveResult:
    """Remove images for good, and go on with removals that did not come to their end.

    Args:
        analyst: who removes them, kept with the reason.
        on_out: called once nothing shows the images any more, before files are erased.
        on_progress: called with (files looked at, files to look at).
    Raises:
        InputError: if there is nothing to remove.
        ReadOnlyError: if nothing can be written to this workspace.
    """
    workspace.need_writable()
    found = find(workspace, wanted)
    if len(found.rows):
        workspace.take_out(_drafts(workspace, found.rows, analyst, reason[:LONGEST_REASON]))
        on_out()
    n = len(workspace.catalog.removals.to_erase())
    if not n:
        raise nothing_to_remove(found)
    erase(workspace, on_progress=on_progress)
    LOG.warning("images removed", extra={"images": n, "by": analyst})
    kept = [name for name in COPIES_LEFT if (workspace.folder / name).is_dir()]
    kept += sorted(file.name for file in workspace.folder.glob("*.damaged-*"))
    return RemoveResult(n, found, tuple(kept))


def _drafts(workspace: Workspace, rows: IntArray, analyst: str, reason: str) -> list[Removal]:
    codes, ranks, names, at = workspace.book.codes_of(rows), workspace.book.ranks_of(rows), workspace.class_names, now()
    return [
        Removal(row, at, analyst, reason, None if code == UNLABELLED else names[code], rank, erased=False)
        for row, code, rank in zip(rows.tolist(), codes.tolist(), ranks.tolist(), strict=True)
    ]


def nothing_to_remove(found: Found) -> InputError:
    """Return the error of a removal of nothing."""
    why = f" ({found.unknown[0]} is of no image here)" if found.unknown else ""
    return InputError(f"There is no image to remove{why}; name images by their ids or paths, or a folder of them.")


def is_unfinished(workspace: Workspace) -> bool:
    """Tell whether a removal was killed before all files were erased."""
    return len(workspace.catalog.removals.to_erase()) > 0


# -- what files have --


def erase(workspace: Workspace, *, on_progress: Progress = ignore) -> None:
    """Erase what the workspace's files have of the pictures of removed images, as far as that was not done."""
    rows = workspace.catalog.removals.to_erase()
    steps = list(_steps(workspace))
    ids = [workspace.image_id(row) for row in rows.tolist()]
    workspace.thumbnails.erase(ids)
    for image_id in ids:
        forget_picture(workspace.folder, image_id)  # if it was posted, its file is the workspace's own
    for done, (file, blank) in enumerate(steps):
        on_progress(done, len(steps) + 1)
        blank(file, rows)
    workspace.reopen_encoder()  # the files it has open are not these any more
    _forget_titles(workspace, set(rows.tolist()))
    on_progress(len(steps), len(steps) + 1)
    workspace.catalog.compact()
    workspace.catalog.removals.set_erased(rows)
    on_progress(len(steps) + 1, len(steps) + 1)


def _steps(workspace: Workspace) -> Iterator[tuple[Path, "Blank"]]:
    """Yield the files that have something of pictures, with what blanks it."""
    folder, models = workspace.folder, workspace.catalog.models
    named = set()
    for known in models.encoders():
        for start, _, part in models.parts(known["name"]):
            named.add(folder / part)
            yield folder / part, Blank(start=start)
    for file in (folder / "embeddings").glob("*/part-*.npy"):
        if file not in named:  # of an embedding that was killed: it is made again
            yield file, Blank(whole=True)
    for file in (folder / "projection").glob("*.npy"):
        yield file, Blank(fill=-1 if file.stem.endswith("-neighbours") else np.nan)
    for answers in (folder / "experiments").glob("*/answers.npz"):
        yield answers, Blank(study=True)
    for file in (folder / "training").glob("*/views.webp"):  # pictures, and it is not known of which images
        yield file, Blank(whole=True)


@dataclass(frozen=True)
class Blank:
    """Blanks what one file has of some rows. Safe to repeat; a kill leaves the old file or the new one."""

    start: int = 0  # row of the workspace that the file begins with
    fill: float = 0  # what a blank row holds
    whole: bool = False  # the file goes as a whole
    study: bool = False  # the features beside it go as a whole if they are of these images

    def __call__(self, file: Path, rows: IntArray) -> None:
        """Blank these rows, (K,) ascending."""
        if self.whole:
            file.unlink(missing_ok=True)
        elif self.study:
            _forget_features(file, rows)
        else:
            self._blank(file, rows)

    def _blank(self, file: Path, rows: IntArray) -> None:
        try:
            held = np.load(file, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError):  # lost already: what reads it says so
            return
        mine = rows[(rows >= self.start) & (rows < self.start + len(held))] - self.start
        known = held[mine]
        if not len(mine) or np.array_equal(known, np.full_like(known, self.fill), equal_nan=np.isnan(self.fill)):
            return
        new = np.array(held)
        new[mine] = self.fill
        with atomic_path(file) as aside, aside.open("wb") as opened:
            np.save(opened, new, allow_pickle=False)


def _forget_features(answers: Path, rows: IntArray) -> None:
    """Remove the embeddings that a study has copied, if some are of these images; a study that goes on copies them again."""
    try:
        with np.load(answers, allow_pickle=False) as file:
            is_theirs = bool(np.isin(file["rows"], rows).any())
    except (OSError, ValueError, KeyError, EOFError):
        is_theirs = True
    for features in answers.parent.glob("*.npy") if is_theirs else ():
        features.unlink(missing_ok=True)


def _forget_titles(workspace: Workspace, rows: set[int]) -> None:
    """Forget the titles of clusters that were made of words in these pictures."""
    models = workspace.catalog.models
    record, clusters = models.notices(), models.clusters()
    with contextlib.suppress(KeyError, WorkspaceError):
        if record is None or clusters is None:
            return
        names, pictures = clusters["record"]["names"], clusters["record"]["pictures"]
        theirs = {
            grain: {name for name, shown in zip(names[grain], pictures[grain], strict=False) if rows & set(shown)}
            for grain in names
        }
        titles = {
            grain: {name: title for name, title in of.items() if name not in theirs.get(grain, ())}
            for grain, of in record["titles"].items()
        }
        if titles != record["titles"]:
            models.set_notices({**record, "titles": titles})
