"""MSN training on a workspace's own images."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core.arrays import IntArray, Progress, ignore
from core.catalog.label_book import UNLABELLED
from core.catalog.originals import thumbnails_sentence
from core.errors import InputError, WorkspaceError
from core.maths.precision_recall import knn_accuracy
from core.missing import missing_for_training
from core.store.files import need_file_place
from core.store.lock import alone
from core.training.runs import RunLog, RunState, end_killed, has_begun
from core.wording import counted
from core.workspace import Workspace

if TYPE_CHECKING:
    from torch import Tensor

    from core.catalog.originals import Originals
    from core.training.batches import Pixels
    from core.training.config import MsnConfig
    from core.training.loop import StepMetrics
    from core.training.msn import Msn

MOST_WATCHED = 2_000  # labelled images whose neighbours are compared
SHOWN_VIEWS = 6  # images whose views are shown
ENDING_SECONDS = 3.0  # that a killed process may take to end
MOST_IN_MEMORY = 8 * 2**30  # bytes of decoded images: 700,000 of 64 px, 57,000 of 224 px


@dataclass(frozen=True)
class TrainingResult:
    """How far a run got on a workspace's images."""

    newest: "StepMetrics | None"  # None if no step was logged
    steps: int  # done
    finished: bool
    n_images: int
    n_thumbnails: int  # images read from their thumbnails, because their files are gone or changed
    out: Path

    @property
    def sentence(self) -> str:
        """Return what training ends with."""
        small = thumbnails_sentence(self.n_thumbnails, self.n_images)
        steps, images = counted(self.steps, "step"), counted(self.n_images, "image")
        return f"Trained {steps} on {images}; weights in {self.out}. {small}".strip()

    def record(self) -> dict[str, object]:
        """Return the result as one flat JSON object."""
        figures = {} if self.newest is None else vars(self.newest) | {"collapsed": self.newest.collapsed}
        counts = {"from_thumbnails": self.n_thumbnails, "images": self.n_images, "steps": self.steps}
        return {**figures, **counts, "out": str(self.out), "finished": self.finished}


def train_on_workspace(
    workspace: Workspace,
    config: "MsnConfig",
    *,
    out: Path,
    resume: bool = False,
    n_images: int | None = None,
    device: str = "auto",
    devices: int = 1,
    nodes: int = 1,
    checkpoint_epochs: int = 100,
    job: int | None = None,
    on_progress: Progress = ignore,
) -> TrainingResult:
    """Train an MSN backbone on the images of a workspace.

    Args:
        config: the run; its batch is limited to the number of images.
        out: the weights file; the state for `resume` is stored beside it.
        resume: resume from that state, if there is one.
        n_images: how many to train on: the first ones, so that a run resumes after others were added; None for all. Where some
            of them were removed since, later ones take their place, or others again.
        devices, nodes: processes on each machine, and machines (`core.training.loop.train`).
        checkpoint_epochs: epochs between two versions of the weights file.
        job: number of the server's job that trains, if one does; the run that it has begun before is resumed anyway.
        on_progress: called with (steps done, steps).
    Raises:
        BusyError: if another process trains these weights.
        WorkspaceError: if there are fewer than 2 images.
        InputError: if the state of an earlier run would be overwritten.
    """
    from core.training.loop import train
    from core.training.presets import settings_of

    if missing := missing_for_training(workspace):
        raise WorkspaceError(missing)
    need_file_place(out)
    state = state_beside(out)
    runs, is_first = workspace.folder / "training", first_process()
    with only_writer(out) if is_first else nullcontext():
        if is_first:
            end_killed(runs, out)
        resume = resume or (job is not None and has_begun(runs, job, out))
        if is_first and not resume:
            need_new(out)
        rows = np.flatnonzero(~workspace.removed)
        if n_images is not None:
            rows = np.resize(rows[:n_images], n_images)
        config = replace(config, batch_size=min(config.batch_size, len(rows)))
        originals = workspace.originals(rows)
        images = pixels_of(originals, config.architecture.input_size)
        last: list[StepMetrics] = []
        log = RunLog(runs, settings_of(config), out=out, job=job) if is_first else None
        if log is not None:
            log.show_views(sample_views(images.take(np.arange(min(SHOWN_VIEWS, len(images)))), config))

        def on_step(metrics: "StepMetrics") -> None:
            last[:] = [metrics]
            on_progress(metrics.step, metrics.steps)
            if log is not None:
                log.add(vars(metrics) | {"collapsed": metrics.collapsed})

        with _ended(log):
            result = train(
                images,
                config,
                out=out,
                state=state,
                resume=resume,
                about={
                    "data": f"{len(rows)} images of the workspace '{workspace.name}'",
                    "licence": "the images' own",
                },
                device=device,
                devices=devices,
                nodes=nodes,
                checkpoint_epochs=checkpoint_epochs,
                on_step=on_step,
                watch=_watch(workspace.labels.codes[rows], images),
            )
        newest = last[0] if last else None
        return TrainingResult(newest, result.steps, result.finished, len(images), originals.n_thumbnails, out)


def state_beside(out: Path) -> Path:
    """Return the file from which a run that writes the weights `out` can be resumed."""
    return out.with_suffix(".state")


@contextmanager
def only_writer(out: Path) -> Iterator[None]:
    """Keep all others from writing the weights `out`, or their state.

    Raises:
        BusyError: if another process does; one that was killed a moment ago is waited for.
    """
    busy = f"Another process trains {out}; wait until it is done, stop it, or name another --out."
    with alone(out.with_suffix(".lock"), busy=busy, seconds=ENDING_SECONDS):
        yield


def need_new(out: Path) -> None:
    """Make sure that no earlier run would be overwritten.

    Raises:
        InputError: if its state is there.
    """
    if (state := state_beside(out)).exists():
        raise InputError(f"{state} holds an earlier run; add --resume to continue it, name another --out, or delete it.")


def images_of_state(out: Path) -> int | None:
    """Return how many images the run takes whose state is beside `out`; None if there is none, or it cannot be read."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(state_beside(out), framework="numpy") as kept:
            return int((kept.metadata() or {})["images"])
    except (OSError, SafetensorError, KeyError, ValueError):
        return None


def first_process() -> bool:
    """Tell whether this is the process started by a person; Lightning starts the others, with their rank."""
    return os.environ.get("LOCAL_RANK", "0") == os.environ.get("NODE_RANK", "0") == "0"


@contextmanager
def _ended(log: RunLog | None) -> Iterator[None]:
    """Write to the run's log how it ended."""
    try:
        yield
    except BaseException as error:  # also Ctrl-C and a termination signal
        if log is not None:
            log.end(RunState.FAILED if isinstance(error, Exception) else RunState.STOPPED)
        raise
    if log is not None:
        log.end(RunState.FINISHED)


def sample_views(images: "Tensor", config: "MsnConfig") -> list[list[np.ndarray[Any, np.dtype[np.uint8]]]]:
    """Draw the views that the network sees of n images, (n, 3, S, S) uint8: the image, a target, random and focal views.

    Returns:
        n lists of (S, S, 3) uint8.
    """
    import torch

    from core.training.views import Chance, random_view

    chance = Chance(torch.Generator().manual_seed(config.seed))
    batch = images.float() / 255
    size = config.architecture.input_size
    shapes = [(size, config.random_scale)] * (1 + config.random_views) + [(config.focal_size, config.focal_scale)] * min(
        config.focal_views, 4
    )
    views = [batch, *(random_view(batch, side, scale, config.jitter, chance) for side, scale in shapes)]
    columns = [(view.permute(0, 2, 3, 1) * 255).round().to(torch.uint8).numpy() for view in views]
    return [[column[i] for column in columns] for i in range(len(batch))]


def _watch(labels: IntArray, images: "Pixels") -> "Callable[[Msn], float] | None":
    """Return a function that measures kNN accuracy on the labelled images; None if fewer than two classes are labelled.

    Args:
        labels: (n,) codes of the images.
    """
    import torch

    from core.encoders.vit import normalise

    watched = np.flatnonzero(labels != UNLABELLED)[:MOST_WATCHED]
    codes = labels[watched]
    if len(np.unique(codes)) < 2:
        return None
    batch = images.take(watched)

    @torch.inference_mode()
    def measure(model: "Msn") -> float:
        vit, shape = model.target_backbone.vit, model.config.architecture
        device = next(vit.parameters()).device
        vit.eval()
        blocks = [vit(normalise(block.to(device).float() / 255, shape)).float().cpu() for block in batch.split(256)]
        vit.train()
        return knn_accuracy(torch.cat(blocks).numpy(), codes)

    return measure


def pixels_of(originals: "Originals", side: int, *, most_bytes: int = MOST_IN_MEMORY) -> "Pixels":
    """Return the images of a workspace for training.

    Args:
        side: px.
        most_bytes: up to this size decoded images are held in memory; beyond, they are decoded again in every epoch.
    """
    from core.training.batches import FilePixels, MemoryPixels

    files = FilePixels(originals, side)
    if len(originals) * 3 * side**2 > most_bytes:
        return files
    return MemoryPixels(files.take(np.arange(len(originals))))
