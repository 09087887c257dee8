"""What `lassoscope doctor` reports: the machine, and what in a workspace is lost, damaged or out of date. Only reads."""

import os
import platform
from collections.abc import Mapping
from importlib.metadata import version

from core import overview
from core.catalog.creation import catalog_file
from core.catalog.originals import file_problems
from core.catalog.salvage import check_catalog
from core.doctor.repair import are_clusters_lost
from core.embeddings.embedded import lost_parts, spoilt_parts
from core.encoders.chosen import other_encoder
from core.errors import DamageError
from core.intake.remove import is_unfinished
from core.labels.classes import unknown_classes
from core.wording import counted, verb
from core.workspace import Workspace

PACKAGES = ("lassoscope", "torch", "lightly", "timm", "umap-learn", "datashader", "panel", "holoviews", "bokeh")
REPAIR = "run 'lassoscope doctor --repair'"


def machine_report() -> dict[str, str | int | None]:
    """Return device, number of cores (None if unknown) and versions of Python and packages."""
    import torch

    device = torch.cuda.get_device_name(0) if torch.cuda.is_available() else "cpu (no CUDA device)"
    found = {"device": device, "cores": os.cpu_count(), "python": platform.python_version()}
    return {**found, **{name: version(name) for name in PACKAGES}}


def workspace_report(workspace: Workspace) -> list[str]:
    """Return one sentence per problem: what is damaged, lost or out of date."""
    problems: list[str] = []
    for check in (_catalog_problems, _thumbnail_problems, _file_problems, _encoder_problems, _stage_problems):
        try:
            problems += check(workspace)
        except DamageError as error:  # the other checks may still find something
            problems.append(str(error))
    return list(dict.fromkeys(problems))


def summary(workspace: Workspace) -> Mapping[str, object]:
    """Return the figures of a workspace, as far as they can be read."""
    try:
        return overview.summary(workspace)
    except DamageError:
        return {"workspace": workspace.name, "folder": str(workspace.folder), "images": workspace.n_here}


def _catalog_problems(workspace: Workspace) -> list[str]:
    problems = list(workspace.damage)
    damage = "" if problems else check_catalog(catalog_file(workspace.folder))
    if damage:
        problems.append(f"The catalog is damaged ({damage}); {REPAIR}, or restore a copy.")
    if workspace.catalog.settings.get("salt") is None:
        problems.append(f"The random number that assigns new images to halves is lost; {REPAIR}.")
    if unknown := unknown_classes(workspace):
        problems.append(f"Some labels have classes that are not in the list ({', '.join(unknown)}); {REPAIR}.")
    return problems


def _thumbnail_problems(workspace: Workspace) -> list[str]:
    if workspace.thumbnails.damage:
        return [workspace.thumbnails.damage]
    missing = workspace.n_here - workspace.thumbnails.count()
    return (
        [f"{counted(missing, 'thumbnail')} {verb(missing)} missing; {REPAIR}, which rebuilds them from the files."]
        if missing > 0
        else []
    )


def _file_problems(workspace: Workspace) -> list[str]:
    unfinished = "Removed images are not erased from all files yet; run 'lassoscope remove' to go on."
    return [*([unfinished] if is_unfinished(workspace) else ()), *file_problems(workspace.catalog, workspace.n_images)]


def _encoder_problems(workspace: Workspace) -> list[str]:
    problems = [said for said in (workspace.current.lost_parts, workspace.current.lost_map) if said]
    for known in workspace.catalog.models.encoders():
        parts, name = workspace.catalog.models.parts(known["name"]), known["name"]
        if name != workspace.encoder_name and lost_parts(workspace.folder, parts):
            problems.append(f"Embeddings by {name} are lost; {REPAIR}.")
        if spoilt_parts(workspace.folder, parts):
            problems.append(f"Embeddings by {name} are damaged (they contain NaN); {REPAIR}.")
    if other := other_encoder(workspace):
        problems.append(f"The record of the encoder in use is lost; {REPAIR} or 'lassoscope encoders --use {other}'.")
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
