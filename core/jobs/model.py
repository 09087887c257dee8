"""Jobs that compute in a process of their own: training an encoder, and exporting a bundle. Commands call what they run."""

from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic import Field

from core.arrays import JsonObject
from core.errors import BusyError
from core.jobs.work import Arguments, Outcome, Work
from core.workers import Tell
from core.workspace import Workspace


class TrainArguments(Arguments):
    """A run, on the images that were there when it was asked for: it goes on with them while others are added."""

    settings: dict[str, Any]  # all of them, by the names that `core.training.presets.preset` takes
    images: int = Field(ge=0)
    out: str = Field(min_length=1)  # absolute
    resume: bool = False  # go on with a run that was begun before this job
    device: str = "auto"  # the server's, then
    checkpoint_epochs: int = Field(default=100, ge=1)


class ExportArguments(Arguments):
    """What `core.delivery.bundle.export_bundle` takes."""

    folder: str = Field(min_length=1)  # absolute
    point: str | None = None
    threshold: float | None = Field(default=None, allow_inf_nan=False)


def train(work: Work[TrainArguments]) -> Outcome:
    """Train, or go on with the run that this job has begun."""
    from core.training.run import only_writer
    from core.training.runs import end_killed

    asked, out = work.arguments, Path(work.arguments.out)
    if asked.device == "auto":
        asked = asked.model_copy(update={"device": work.workspace.device})
    work.tell("Reading pictures")
    try:
        with work.processes() as pool:
            trained = pool.submit_telling(trained_in, work.workspace.folder, asked, work.number, on_told=work.tell)
            return Outcome(*trained.result())
    finally:
        with suppress(BusyError, OSError):  # another process trains them, or they have no place
            if out.parent.is_dir():
                with only_writer(out):
                    end_killed(work.workspace.folder / "training", out)


def trained_in(folder: Path, asked: TrainArguments, job: int, tell: Tell) -> tuple[str, JsonObject]:
    """Train on the images of the workspace in a folder; return the sentence and the record that `train` ends with."""
    from core.training.presets import preset
    from core.training.run import train_on_workspace

    with Workspace(folder, read_only=True) as space:
        result = train_on_workspace(
            space,
            preset("tiny-64", asked.settings),
            out=Path(asked.out),
            resume=asked.resume,
            n_images=asked.images,
            device=asked.device,
            checkpoint_epochs=asked.checkpoint_epochs,
            job=job,
            on_progress=lambda done, total: tell("Training", done, total),
        )
    return result.sentence, result.record()


def export(work: Work[ExportArguments]) -> Outcome:
    """Write a bundle, whole or not at all."""
    work.tell("Writing the bundle")
    with work.processes() as pool:
        written = pool.submit_telling(exported_from, work.workspace.folder, work.arguments, on_told=work.tell)
        return Outcome(*written.result())


def exported_from(folder: Path, asked: ExportArguments, tell: Tell) -> tuple[str, JsonObject]:
    """Write a bundle of the workspace in a folder; return the sentence and the record that `export` ends with."""
    from core.delivery.bundle import export_bundle
    from core.delivery.ended import export_ended
    from core.probe.live import refit

    with Workspace(folder, read_only=True) as space:
        if asked.threshold is not None:
            refit(space, save=False)
        manifest = export_bundle(
            space,
            Path(asked.folder),
            point=asked.point,
            threshold=asked.threshold,
            on_progress=lambda done, total: tell("Writing the bundle", done, total),
        )
    return export_ended(manifest, Path(asked.folder))
