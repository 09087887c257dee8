"""Import labels and score columns from files, export labels. Each verb takes the workspace."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np

from core.arrays import IntArray, JsonObject
from core.catalog.label_book import EVIDENCE_RANKS, READ_RANK, UNLABELLED
from core.catalog.records import Action
from core.errors import InputError
from core.labels.actions import commit, evidence_ranks
from core.labels.files import (
    FileLabel,
    LabelLine,
    drafts_of,
    file_labels,
    read_label_file,
    settle,
    strangers,
    write_label_lines,
)
from core.overview import Summary
from core.remote.addresses import is_remote
from core.score_columns.keep import keep_columns
from core.wording import counted, verb
from core.workspace import Workspace


class Verdict(StrEnum):
    """What happens to a line of a label file."""

    TAKEN = "taken"
    SAME = "same"  # the image has that label already
    KEPT = "kept"  # the image keeps its reading from Check
    OLDER = "older"  # the image has a newer label


@dataclass(frozen=True)
class ImportResult:
    """What an import did."""

    actions: list[Action]
    has_labels: bool  # the file has a column of classes
    n_taken: int  # labels imported
    n_same: int  # images that had that label already
    n_kept: int  # images that keep their reading from Check
    n_older: int  # lines older than the label in the workspace
    scores: list[str]  # a sentence per score column

    @property
    def sentence(self) -> str:
        """Say what was done."""
        words = [] if self.scores and not self.has_labels else [f"{counted(self.n_taken, 'label')} imported."]
        if self.n_same:
            words.append(f"{counted(self.n_same, 'image')} had that label already.")
        if self.n_kept:
            words.append(f"{counted(self.n_kept, 'image')} {verb(self.n_kept, 'keeps', 'keep')} the reading from Check.")
        if self.n_older:
            words.append(
                f"{counted(self.n_older, 'line')} left out: older than the label in the workspace (lines without a time count "
                "as new)."
            )
        return " ".join([*words, *self.scores])

    def ended(self, counts: Summary) -> tuple[str, JsonObject]:
        """Return the sentence and the record that an import ends with; `counts` are those afterwards."""
        now = f"Labelled now: {counts['labelled_teach']:,} in the teach half, {counts['labelled_check']:,} in the check half."
        taken: JsonObject = {"imported": self.n_taken, "same": self.n_same, "kept": self.n_kept, "older": self.n_older}
        return f"{self.sentence} {now}", {**taken, "scores": list(self.scores), **counts}


def import_labels(workspace: Workspace, file: Path, *, analyst: str, beside: Path | None = None) -> ImportResult:
    """Import labels, score columns, or both from a CSV or Parquet file; with an invalid line, nothing.

    Readings from Check are kept (`actions.keeps`), and so are labels newer than their line in the file. Scores of images that
    are not in the workspace are left out: another model has often scored more.

    Args:
        analyst: of lines that name nobody.
        beside: folder at which relative paths of images may begin; None for this process's.
    Raises:
        InputError: if a label's line names an unknown image, class, time or source, lines contradict each other, one gives a
            retired class, a score is invalid or may not be kept (`keep_columns`), or no image of the file is in the workspace.
    """
    read = read_label_file(file, row_of=_finder(workspace, beside or Path.cwd()))
    labels = file_labels(read, class_names=workspace.class_names, renames=workspace.renames, analyst=analyst)
    found = settle(labels, file)
    if read.scores and all(row is None for row in read.rows):
        raise InputError(strangers(file, read.names))
    with workspace.lock:
        verdicts = _weigh(workspace, found)
        taken = [label for label, verdict in zip(found, verdicts, strict=True) if verdict == Verdict.TAKEN]
        _check_in_use(workspace, [label.class_name for label in taken], file)
        rows = np.array([-1 if row is None else row for row in read.rows], np.int64)
        said = keep_columns(workspace, read.scores, rows, file)  # first: it may refuse, and repeating it changes nothing
        actions = commit(workspace, drafts_of(taken, file, guideline=workspace.guideline))
    counts = {f"n_{verdict}": verdicts.count(verdict) for verdict in Verdict}
    return ImportResult(actions, read.has_labels, scores=said, **counts)


def _finder(workspace: Workspace, beside: Path) -> Callable[[str], int | None]:
    """Return what finds the row of an image by its id or path; a relative path begins there or at an ingested folder."""
    names = workspace.catalog.images.rows_by_name()
    roots = [str(beside), *workspace.catalog.images.sources()]
    known = dict(names)
    for root in roots:  # a path below one is found as it is written; resolving takes 100 µs a line
        start = os.path.join(root, "")
        for name, row in names.items():
            if name.startswith(start):
                known.setdefault(name.removeprefix(start), row)

    def row_of(name: str) -> int | None:
        if name in known:
            return known[name]
        resolved = (str((Path(root) / name).resolve()) for root in roots if not is_remote(root))
        return next((names[path] for path in resolved if path in names), None)

    return row_of


def _check_in_use(workspace: Workspace, names: Sequence[str], file: Path) -> None:
    for kept in (c for c in workspace.classes if c.retired):
        if n := names.count(kept.name):
            raise InputError(
                f"{file} gives {counted(n, 'image')} the class '{kept.name}', which is retired: it keeps its labels and takes "
                "no more; put it back in use on the page, or give another class. Nothing was imported."
            )


def _weigh(workspace: Workspace, found: Sequence[FileLabel]) -> list[Verdict]:
    """Compare each line of a file with the label its image has now."""
    rows = np.array([label.row for label in found], np.int64)
    ranks, codes = evidence_ranks(workspace, rows).tolist(), workspace.labels.codes[rows].tolist()
    since = _decided_at(workspace, rows)
    verdicts = []
    for label, stands, code, at in zip(found, ranks, codes, since, strict=True):
        mine = EVIDENCE_RANKS.get(label.source, 0) if workspace.is_check[label.row] else 0
        if code != UNLABELLED and workspace.class_names[code] == label.class_name and mine <= stands:
            verdicts.append(Verdict.SAME)
        elif stands == READ_RANK or mine < stands:
            verdicts.append(Verdict.KEPT)
        else:
            verdicts.append(Verdict.OLDER if label.at and label.at < at else Verdict.TAKEN)
    return verdicts


def _decided_at(workspace: Workspace, rows: IntArray) -> list[str]:
    """Return when each image was last labelled or cleared: ISO 8601 UTC; "" = never."""
    seqs = workspace.book.decided_by(rows).tolist()
    times = workspace.catalog.labels.times(sorted(set(seqs) - {0}))
    return [times.get(seq, "") for seq in seqs]


def export_labels(workspace: Workspace, file: Path) -> int:
    """Write the current labels, one line per labelled image, and return their number.

    Raises:
        InputError: if the file is a folder or neither .csv nor .parquet.
    """
    labels, book = workspace.labels, workspace.book
    rows = np.flatnonzero(labels.codes != UNLABELLED)
    times = workspace.catalog.labels.times(np.unique(labels.actions[rows]).tolist())
    paths = workspace.catalog.images.paths(0, workspace.n_images)
    lines = []
    for row in rows.tolist():
        seq, class_name = int(labels.actions[row]), workspace.class_names[int(labels.codes[row])]
        given = (book.analyst_of(seq), times[seq], book.source_of(seq))
        lines.append(LabelLine(workspace.image_id(row), paths[row], class_name, *given))
    write_label_lines(file, lines)
    return len(lines)
