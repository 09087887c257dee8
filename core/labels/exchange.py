"""Labels from files and to files, against what stands here. Each verb takes the workspace."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.arrays import IntArray
from core.catalog.label_book import EVIDENCE_RANKS, READ_RANK, UNLABELLED
from core.catalog.records import Action
from core.labels.actions import commit, evidence_ranks
from core.labels.files import FileLabel, LabelLine, drafts_of, read_file_labels, settle, write_label_lines
from core.wording import counted
from core.workspace import Workspace


@dataclass(frozen=True)
class ImportResult:
    """What a label file came to, in images."""

    actions: list[Action]
    n_taken: int
    n_same: int  # carry that label already
    n_kept: int  # were read in Check, and keep that
    n_older: int  # carry something newer

    @property
    def sentence(self) -> str:
        """Say it to the person."""
        words = [f"{counted(self.n_taken, 'label')} taken in."]
        if self.n_same:
            words.append(f"{counted(self.n_same, 'image')} had that label already.")
        if self.n_kept:
            words.append(f"{counted(self.n_kept, 'image')} keep{'s' if self.n_kept == 1 else ''} what was read in Check.")
        if self.n_older:
            words.append(
                f"{counted(self.n_older, 'line')} left out: older than what stands here (without a time column the file is "
                "taken as today's)."
            )
        return " ".join(words)


def import_labels(workspace: Workspace, file: Path, *, analyst: str) -> ImportResult:
    """Take labels from a CSV or Parquet file, all or none.

    What was read in Check is kept (`actions.keeps`), and so is what is newer than the file's line.

    Raises:
        InputError: if a line names an unknown image, class, time or source, or lines contradict each other.
    """
    names = workspace.catalog.images.rows_by_name()
    roots = [Path(root) for root in workspace.catalog.images.sources()]

    def row_of(name: str) -> int | None:
        if name in names:
            return names[name]
        tries = [str(Path(name).resolve()), *(str((root / name).resolve()) for root in roots)]
        return next((names[t] for t in tries if t in names), None)

    found = settle(read_file_labels(file, row_of=row_of, class_names=workspace.class_names, analyst=analyst), file)
    with workspace.lock:
        verdicts = _weigh(workspace, found)
        taken = [label for label, verdict in zip(found, verdicts, strict=True) if verdict == "taken"]
        actions = commit(workspace, drafts_of(taken, file, guideline=workspace.guideline))
    counts = {f"n_{verdict}": verdicts.count(verdict) for verdict in ("taken", "same", "kept", "older")}
    return ImportResult(actions, **counts)


def _weigh(workspace: Workspace, found: Sequence[FileLabel]) -> list[str]:
    """Hold each line of a file against what its image carries: "taken", "same", "kept" (was read) or "older"."""
    rows = np.array([label.row for label in found], np.int64)
    ranks, codes = evidence_ranks(workspace, rows).tolist(), workspace.labels.codes[rows].tolist()
    since = _decided_at(workspace, rows)
    verdicts = []
    for label, stands, code, at in zip(found, ranks, codes, since, strict=True):
        mine = EVIDENCE_RANKS.get(label.source, 0) if workspace.is_check[label.row] else 0
        if code != UNLABELLED and workspace.class_names[code] == label.class_name and mine <= stands:
            verdicts.append("same")
        elif stands == READ_RANK or mine < stands:
            verdicts.append("kept")
        else:
            verdicts.append("older" if label.at and label.at < at else "taken")
    return verdicts


def _decided_at(workspace: Workspace, rows: IntArray) -> list[str]:
    """Return when each image got what it carries now, its being cleared included: ISO 8601 UTC; "" = never touched."""
    seqs = workspace.book.decided_by(rows).tolist()
    times = {action.seq: action.at for action in workspace.catalog.labels.actions(sorted(set(seqs) - {0}))}
    return [times.get(seq, "") for seq in seqs]


def export_labels(workspace: Workspace, file: Path) -> int:
    """Write the labels as they stand, one line per labelled image, and return how many.

    Raises:
        InputError: if the file is a folder or neither .csv nor .parquet.
    """
    labels = workspace.labels
    rows = np.flatnonzero(labels.codes != UNLABELLED)
    givers = {action.seq: action for action in workspace.catalog.labels.actions(np.unique(labels.actions[rows]).tolist())}
    paths = workspace.catalog.images.paths(0, workspace.n_images)
    lines = []
    for row in rows.tolist():
        giver = givers[int(labels.actions[row])]
        class_name = workspace.class_names[int(labels.codes[row])]
        lines.append(LabelLine(workspace.image_id(row), paths[row], class_name, giver.analyst, giver.at, giver.source))
    write_label_lines(file, lines)
    return len(lines)
