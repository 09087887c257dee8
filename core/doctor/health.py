"""What `lassoscope doctor` reports: the machine, and what of a workspace is lost, damaged or behind. Only looks."""

import os
import platform
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from core import overview
from core.catalog.creation import catalog_file
from core.catalog.originals import file_problems
from core.catalog.salvage import check_catalog
from core.doctor.repair import are_clusters_lost
from core.embeddings.embedded import lost_parts, spoilt_parts
from core.encoders.chosen import other_encoder
from core.errors import DamageError
from core.labels.classes import unknown_classes
from core.wording import counted, verb
from core.workspace import Workspace

PACKAGES = ("lassoscope", "torch", "lightly", "timm", "umap-learn", "datashader", "panel", "holoviews", "bokeh")
REPAIR = "run 'lassoscope doctor --repair'"


def machine_report() -> dict[str, Any]:
    """Return device, cores and package versions."""
    import torch

    device = torch.cuda.get_device_name(0) if torch.cuda.is_available() else "cpu (no CUDA device)"
    found = {"device": device, "cores": os.cpu_count(), "python": platform.python_version()}
    return {**found, **{name: version(name) for name in PACKAGES}}


def workspace_report(workspace: Workspace) -> list[str]:
    """Return one sentence per problem: what is damaged or lost, and a stage that is behind."""
    problems: list[str] = []
    for look in (_catalog_problems, _thumbnail_problems, _file_problems, _encoder_problems, _stage_problems):
        try:
            problems += look(workspace)
        except DamageError as error:  # the other looks may still tell something
            problems.append(str(error))
    return list(dict.fromkeys(problems))


def summary(workspace: Workspace) -> Mapping[str, object]:
    """Return the workspace's figures, as far as they can be read."""
    try:
        return overview.summary(workspace)
    except DamageError:
        return {"workspace": workspace.name, "folder": str(workspace.folder), "images": workspace.n_images}


def _catalog_problems(workspace: Workspace) -> list[str]:
    problems = list(workspace.damage)
    damage = "" if problems else check_catalog(catalog_file(workspace.folder))
    if damage:
        problems.append(f"The catalog is damaged ({damage}); {REPAIR}, or restore a copy.")
    if workspace.catalog.settings.get("salt") is None:
        problems.append(f"The number that puts new images into halves is lost; {REPAIR}.")
    if unknown := unknown_classes(workspace):
        problems.append(f"Labels name the classes {', '.join(unknown)}, which are not in the list; {REPAIR}.")
    return problems


def _thumbnail_problems(workspace: Workspace) -> list[str]:
    if workspace.thumbnails.damage:
        return [workspace.thumbnails.damage]
    missing = workspace.n_images - workspace.thumbnails.count()
    return (
        [f"{counted(missing, 'thumbnail')} {verb(missing)} missing; {REPAIR}, which makes them from the files."]
        if missing > 0
        else []
    )


def _file_problems(workspace: Workspace) -> list[str]:
    return file_problems(workspace.catalog, workspace.n_images)


def _encoder_problems(workspace: Workspace) -> list[str]:
    problems = [said for said in (workspace.current.lost_parts, workspace.current.lost_map) if said]
    for known in workspace.catalog.models.encoders():
        parts, name = workspace.catalog.models.parts(known["name"]), known["name"]
        if name != workspace.encoder_name and lost_parts(workspace.folder, parts):
            problems.append(f"Embeddings by {name} are lost; {REPAIR}.")
        if spoilt_parts(workspace.folder, parts):
            problems.append(f"Embeddings by {name} are damaged (they hold NaN); {REPAIR}.")
    if other := other_encoder(workspace):
        problems.append(f"Which encoder was in use is lost; {REPAIR} or 'lassoscope encoders --use {other}'.")
    if are_clusters_lost(workspace):
        problems.append("The clusters of the map are lost; run 'lassoscope clusters' to find them again.")
    return problems


def _stage_problems(workspace: Workspace) -> list[str]:
    counts, current = overview.summary(workspace), workspace.current
    problems = []
    if counts["embedded"] < counts["images"] and not current.lost_parts:
        behind = counts["images"] - counts["embedded"]
        problems.append(f"{counted(behind, 'image')} {verb(behind, 'has', 'have')} no embedding; run 'lassoscope embed'.")
    if counts["projected"] < counts["embedded"] and not current.lost_map:
        behind = counts["embedded"] - counts["projected"]
        problems.append(f"{behind:,} embedded images are not on the map; run 'lassoscope project'.")
    return problems
