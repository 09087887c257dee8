"""What `lassoscope doctor` reports: the machine, and whether a workspace's files are all there."""

import os
import platform
from importlib.metadata import version
from typing import Any

from core.workspace import Workspace

PACKAGES = ("lassoscope", "torch", "lightly", "timm", "umap-learn", "datashader", "panel", "holoviews", "bokeh")


def machine_report() -> dict[str, Any]:
    """Return device, cores and package versions."""
    import torch

    device = torch.cuda.get_device_name(0) if torch.cuda.is_available() else "cpu (no CUDA device)"
    found = {"device": device, "cores": os.cpu_count(), "python": platform.python_version()}
    return {**found, **{name: version(name) for name in PACKAGES}}


def workspace_report(workspace: Workspace) -> list[str]:
    """Return one sentence per problem: a file the catalog names and the disk lacks, or a stage that is behind."""
    problems = []
    encoder = workspace.encoder_name
    for _, _, file in workspace.catalog.parts(encoder) if encoder else []:
        if not (workspace.folder / file).is_file():
            problems.append(f"The embedding part {file} is missing; restore it from a copy.")
    if missing := workspace.n_images - workspace.thumbnails.count():
        problems.append(f"{missing:,} thumbnails are missing; restore thumbnails.sqlite from a copy.")
    summary = workspace.summary()
    if summary["embedded"] < summary["images"]:
        behind = summary["images"] - summary["embedded"]
        problems.append(f"{behind:,} images have no embedding; run 'lassoscope embed'.")
    if summary["projected"] < summary["embedded"]:
        behind = summary["embedded"] - summary["projected"]
        problems.append(f"{behind:,} embedded images are not on the map; run 'lassoscope project'.")
    return problems
