"""MSN training on a workspace's own images."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core.arrays import Progress, ignore
from core.errors import InputError, WorkspaceError
from core.images import load_square
from core.workspace import Workspace

if TYPE_CHECKING:
    from core.msn_model import MsnConfig


def train_on_workspace(
    workspace: Workspace,
    config: "MsnConfig",
    *,
    out: Path,
    resume: bool = False,
    device: str = "auto",
    devices: int = 1,
    nodes: int = 1,
    checkpoint_epochs: int = 100,
    on_progress: Progress = ignore,
) -> dict[str, Any]:
    """Train an MSN backbone on all images of a workspace.

    Args:
        config: the run; its batch is cut to the number of images.
        out: the weights file; the run's state lies beside it, so that `resume` can go on.
        resume: go on from that state.
        devices, nodes: processes on each machine, and machines (`core.msn.train`).
        checkpoint_epochs: epochs between two versions of the weights file.
        on_progress: told (steps done, steps).
    Returns:
        how far it came, the last figures, and whether the run has collapsed.
    Raises:
        WorkspaceError: if there are fewer than 2 images.
    """
    from core.msn import StepMetrics, train

    if workspace.n_images < 2:
        raise WorkspaceError(f"Training needs at least 2 images, got {workspace.n_images}; ingest some first.")
    config = replace(config, batch_size=min(config.batch_size, workspace.n_images))
    images = _load_all(workspace, config.architecture.input_size)
    last: list[StepMetrics] = []

    def on_step(metrics: StepMetrics) -> None:
        last[:] = [metrics]
        on_progress(metrics.step, metrics.steps)

    result = train(
        images,
        config,
        out=out,
        state=out.with_suffix(".state"),
        resume=resume,
        about={
            "data": f"{workspace.n_images} images of the workspace '{workspace.name}'",
            "licence": "the images' own",
        },
        device=device,
        devices=devices,
        nodes=nodes,
        checkpoint_epochs=checkpoint_epochs,
        on_step=on_step,
    )
    figures = vars(last[0]) | {"collapsed": last[0].collapsed} if last else {}
    return {**figures, "out": str(out), "images": len(images), "steps": result.steps, "finished": result.finished}


def _load_all(workspace: Workspace, side: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Decode every image to (N, 3, S, S) uint8; a file that is gone is replaced by its thumbnail."""

    def load(row: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
        try:
            return load_square(paths[row], side)
        except InputError:
            return load_square(workspace.thumbnail(workspace.image_id(row), "clear"), side)

    paths = [Path(path) for path in workspace.catalog.image_paths(0, workspace.n_images)]
    with ThreadPoolExecutor() as pool:
        return np.stack(list(pool.map(load, range(len(paths)))))
