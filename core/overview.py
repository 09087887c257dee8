"""Facts about one image, and counts over all of them. Each verb takes the workspace."""

from pathlib import Path
from typing import TypedDict

import numpy as np

from core.catalog.label_book import UNLABELLED
from core.maths.halves import Half
from core.workspace import Workspace


class ImageFacts(TypedDict):
    """What the page shows about one image."""

    id: str
    file: str  # its name, without folder; a note if the file is gone
    frames: int
    width: int  # px
    height: int
    half: Half
    label: str | None  # class name
    unsure: bool
    labelled_by: str | None
    score: float | None  # logit of flagged; None without a probe


class LabelCounts(TypedDict):
    """How many images are labelled."""

    labels: dict[str, int]  # by class
    labelled: int
    labelled_teach: int
    labelled_check: int


class Summary(LabelCounts):
    """A workspace in figures."""

    workspace: str
    folder: str
    images: int
    files: int
    rejected: int  # files
    embedded: int  # images, by the current encoder
    encoder: str | None
    projected: int  # images on the current map
    trustworthiness: float | None
    check_read: int  # check-half labels that count as evidence


def describe(workspace: Workspace, row: int) -> ImageFacts:
    """Return the facts about one image.

    Raises:
        WorkspaceError: if there is no such row.
    """
    record, labels, fitted = workspace.catalog.images.record(row), workspace.labels, workspace.fitted
    code, seq = int(labels.codes[row]), int(labels.actions[row])
    score = float(fitted.score[row]) if fitted and row < len(fitted.score) else float("nan")
    return {
        "id": record["id"],
        "file": Path(record["path"]).name or "its file is gone",
        "frames": workspace.catalog.images.frames(row)[0],
        "width": record["width"],
        "height": record["height"],
        "half": Half.CHECK if workspace.is_check[row] else Half.TEACH,
        "label": None if code == UNLABELLED else workspace.class_names[code],
        "unsure": code == UNLABELLED and seq > 0,
        "labelled_by": workspace.labelled_by(row),
        "score": None if np.isnan(score) else score,
    }


def original_note(workspace: Workspace, row: int) -> str:
    """Return why a large view shows an image's thumbnail, "" if it does not; may fetch the original, for some seconds."""
    return workspace.looks.note(workspace.catalog.images.files_of([row])[0])


def file_of(workspace: Workspace, row: int) -> str:
    """Return the path of an image's file; "" if it has none any more."""
    return workspace.catalog.images.record(row)["path"]


def label_counts(workspace: Workspace) -> LabelCounts:
    """Count the labelled images; cheap enough to do after every label action."""
    labels = workspace.labels
    teach = int(((labels.codes != UNLABELLED) & workspace.is_teach).sum())
    return {
        "labels": dict(zip(workspace.class_names, labels.by_class, strict=True)),
        "labelled": labels.n_labelled,
        "labelled_teach": teach,
        "labelled_check": labels.n_labelled - teach,
    }


def summary(workspace: Workspace) -> Summary:
    """Return a workspace's figures; queries the catalog for the number of files."""
    return {
        "workspace": workspace.name,
        "folder": str(workspace.folder),
        "images": workspace.n_here,
        "files": workspace.catalog.images.count_files(),
        "rejected": workspace.catalog.images.count_rejected(),
        "embedded": int((~workspace.removed[: workspace.matrix.rows]).sum()) if workspace.matrix else 0,
        "encoder": workspace.encoder_name,
        "projected": int(np.isfinite(workspace.xy[:, 0]).sum()),
        "trustworthiness": workspace.projection["record"].get("trustworthiness") if workspace.projection else None,
        **label_counts(workspace),
        "check_read": int(workspace.evidence().sum()),
    }
