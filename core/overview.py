"""What is known of one image, and of all of them in figures. Each verb takes the workspace."""

from pathlib import Path
from typing import Any

import numpy as np

from core.catalog.label_book import UNLABELLED
from core.workspace import Workspace


def describe(workspace: Workspace, row: int) -> dict[str, Any]:
    """Return what is known of one image, for the analyst: file, size, label and who gave it, score."""
    record, labels, fitted = workspace.catalog.images.record(row), workspace.labels, workspace.fitted
    code, seq = int(labels.codes[row]), int(labels.actions[row])
    score = float(fitted.score[row]) if fitted and row < len(fitted.score) else float("nan")
    return {
        "id": record["id"],
        "file": Path(record["path"]).name or "its file is gone",
        "frames": workspace.catalog.images.frames(row)[0],
        "width": record["width"],
        "height": record["height"],
        "half": "check" if workspace.is_check[row] else "teach",
        "label": None if code == UNLABELLED else workspace.class_names[code],
        "unsure": code == UNLABELLED and seq > 0,
        "labelled_by": workspace.labelled_by(row),
        "score": None if np.isnan(score) else score,
    }


def file_of(workspace: Workspace, row: int) -> str:
    """Return the path of an image's file; "" where it has none any more."""
    return str(workspace.catalog.images.record(row)["path"])


def label_counts(workspace: Workspace) -> dict[str, Any]:
    """Return how many images are labelled, by class and by half; cheap enough for every label action."""
    labels = workspace.labels
    teach = int(((labels.codes != UNLABELLED) & ~workspace.is_check).sum())
    return {
        "labels": dict(zip(workspace.class_names, labels.counts(len(workspace.classes)), strict=True)),
        "labelled": labels.n_labelled,
        "labelled_teach": teach,
        "labelled_check": labels.n_labelled - teach,
    }


def summary(workspace: Workspace) -> dict[str, Any]:
    """Return counts and versions, for the command line; asks the catalog to count files."""
    return {
        "workspace": workspace.name,
        "folder": str(workspace.folder),
        "images": workspace.n_images,
        "files": workspace.catalog.images.count_files(),
        "rejected": workspace.catalog.images.count_rejected(),
        "embedded": workspace.matrix.rows if workspace.matrix else 0,
        "encoder": workspace.encoder_name,
        "projected": int(np.isfinite(workspace.xy[:, 0]).sum()),
        "trustworthiness": workspace.projection["record"].get("trustworthiness") if workspace.projection else None,
        **label_counts(workspace),
        "check_read": int(workspace.evidence().sum()),
    }
