"""The kinds of jobs. Running one again goes on: most do what is wanted without what there is, and a change finds itself made.

What they work with is imported when they begin: the page and the command line read only their names and arguments.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from core.catalog.jobs import WAITING_OR_AT_WORK, JobState
from core.jobs.begin import BeginArguments, DemoArguments, begin, begin_demo
from core.jobs.model import ExportArguments, TrainArguments, export, train
from core.jobs.quick import (
    ColumnsArguments,
    EncoderArguments,
    FitArguments,
    GuidelineArguments,
    PoliciesArguments,
    PromiseArguments,
    fit,
    set_columns,
    set_encoder,
    set_guideline,
    set_policies,
    set_promise,
)
from core.jobs.work import Arguments, Change, Outcome, Work
from core.remote.addresses import is_remote
from core.wording import counted

if TYPE_CHECKING:
    from core.intake.ingest import IngestResult
    from core.workspace import Workspace

MOST_NAMED = 20_000  # images in a job's arguments; more come in a file


class Lane(StrEnum):
    """What jobs change: those of one lane run one after the other, in the order in which they were added."""

    IMAGES = "images"  # images, embeddings, map, clusters: each job builds on what the one before it has done
    LABELS = "labels"
    TRAINING = "training"
    STUDY = "study"
    EXPORT = "export"
    INBOXES = "inboxes"  # which folders are watched


class Pace(StrEnum):
    """How long a job takes, by which it waits for others: each pace has threads of its own."""

    QUICK = "quick"  # a moment
    USUAL = "usual"  # minutes; as many at once as the setting `jobs` says
    LONG = "long"  # hours, during which uploads go on; one at once
    READING = "reading"  # minutes, and it changes nothing of the workspace, so that it need not wait for others; one at once


class IngestArguments(Arguments):
    """A folder, a manifest, or an address elsewhere, which only a command names."""

    source: str = Field(min_length=1)  # absolute
    workers: int | None = Field(default=None, ge=1, le=256)  # decoding processes; None for as many as a job may have
    below: str = ""  # the only folder whose files a manifest may name; "" for any


class UploadsArguments(Arguments):
    """All posted pictures that wait."""


class ArchiveArguments(Arguments):
    """A ZIP archive."""

    file: str = Field(min_length=1)  # absolute
    name: str = Field(min_length=1, max_length=500)  # as the person knows it


class InboxArguments(Arguments):
    """Files of an inbox that have arrived whole."""

    folder: str = Field(min_length=1)  # absolute
    names: list[str]  # relative to it


class InboxesArguments(Arguments):
    """A folder that is watched from now on, or no longer."""

    folder: str = Field(min_length=1)  # absolute
    watched: bool


class EmbedArguments(Arguments):
    """An encoder, as `core.encoders.embed.embed` takes it."""

    encoder: str | None = None
    size: int | None = Field(default=None, ge=8, le=2_048)
    lay_out: bool = False  # the map, too


class ProjectArguments(Arguments):
    """How the map is laid out."""

    seed: int = Field(default=0, ge=0, le=2**32 - 1)
    keep: bool = False  # start from the map there is


class RemoveArguments(Arguments):
    """Which images go, as `core.intake.remove.Wanted` takes it; of nothing, removals that did not come to their end."""

    images: list[str] = Field(default=[], max_length=MOST_NAMED)  # ids, or paths
    file: str = ""  # absolute: an id or a path a line
    below: str = ""  # absolute
    gone: bool = False
    near_duplicates: bool = False
    reason: str = Field(default="", max_length=500)
    by: str = Field(default="", max_length=200)  # who removes them


class PlaceArguments(Arguments):
    """All images that are embedded and not on the map."""


class ClustersArguments(Arguments):
    """Nothing is chosen."""


class ExperimentArguments(Arguments):
    """The settings of a study, as `core.study.run.ExperimentConfig` takes and checks them."""

    gold: str
    flagged: list[str]
    strategies: list[str]
    budgets: list[int]
    seeds: int
    features: list[str]
    column: str = ""


class LabelsArguments(Arguments):
    """A file of labels or scores."""

    file: str = Field(min_length=1)  # absolute
    analyst: str = Field(min_length=1)  # of lines that name nobody
    beside: str = Field(min_length=1)  # folder at which relative paths of images begin


class ClassesArguments(Arguments):
    """A class list."""

    classes: str = Field(min_length=1)  # as `core.labels.classes.parse_classes` takes it


@dataclass(frozen=True)
class Kind:
    """A kind of job."""

    name: str
    title: str  # of its card
    lane: Lane
    arguments: type[Arguments]
    run: Callable[[Work[Any]], Outcome]
    unless: tuple[JobState, ...] = WAITING_OR_AT_WORK  # while an equal job is in one of these states, it counts as this one
    pace: Pace = Pace.USUAL
    again: bool = True  # windows may try it again; else it is for whoever has the command line to ask


def _added(work: Work[Any], result: "IngestResult") -> Outcome:
    """Tell windows of new images, and let them be embedded if images are embedded at all."""
    work.changed(Change.IMAGES)
    return Outcome(result.sentence, result.record(work.workspace.n_here), _to_embed(work.workspace))


def _to_embed(space: "Workspace") -> tuple[tuple[str, dict[str, Any]], ...]:
    """Return the job that embeds new images if images are embedded at all, also those of a job whose server was killed."""
    if space.encoder_name is None or space.matrix is None or not (space.matrix.rows < space.n_images or _unplaced(space)):
        return ()
    return (("embed", {}),)


def _unplaced(space: "Workspace") -> bool:
    """Tell whether there is a map, and images that are embedded are not on it."""
    from core.map.place import unplaced

    return space.projection is not None and len(unplaced(space)) > 0


def _ingest(work: Work[IngestArguments]) -> Outcome:
    from core.intake.ingest import ingest
    from core.intake.uploads import FOLDER, posted_with
    from core.jobs.ahead import embedding_ahead

    work.tell("Listing files")
    if is_remote(work.arguments.source):
        return _ingest_remote(work)
    folder, source = work.workspace.folder, Path(work.arguments.source)
    posted = posted_with(folder, source)
    below = [] if posted is None else [folder / FOLDER]
    with embedding_ahead(work) as on_commit:
        result = ingest(
            work.workspace,
            source,
            below=[*below, Path(work.arguments.below)] if work.arguments.below else below,
            posted=posted,
            workers=work.arguments.workers or work.n_processes,
            nice=work.nice,
            on_progress=work.telling("Reading pictures"),
            on_commit=on_commit,
        )
    return _added(work, result)


def _ingest_remote(work: Work[IngestArguments]) -> Outcome:
    from core.intake.remote import ingest_remote
    from core.jobs.ahead import embedding_ahead

    with embedding_ahead(work) as on_commit:
        said, result = ingest_remote(
            work.workspace,
            work.arguments.source,
            workers=work.arguments.workers or work.n_processes,
            nice=work.nice,
            on_stage=work.telling,
            on_commit=on_commit,
        )
    return replace(_added(work, result), sentence=said)


def _uploads(work: Work[Any], said: str = "") -> Outcome:
    from core.intake.uploads import ingest_batches, rejections
    from core.jobs.ahead import embedding_ahead

    with embedding_ahead(work) as on_commit:
        result = ingest_batches(
            work.workspace,
            workers=work.n_processes,
            nice=work.nice,
            on_progress=work.telling("Reading pictures"),
            on_commit=on_commit,
        )
    if result is None:
        return Outcome(said or "No posted picture waits.", then=_to_embed(work.workspace))
    outcome = _added(work, result)
    told = f"{said} {outcome.sentence}{rejections(work.workspace.folder, result.rejected)}".strip()
    return replace(outcome, sentence=told)


def _archive(work: Work[ArchiveArguments]) -> Outcome:
    from core.errors import InputError
    from core.intake.archives import is_ours, unpack

    file, folder, said = Path(work.arguments.file), work.workspace.folder, ""
    ours = is_ours(folder, file)
    if not ours or file.exists():  # else it was unpacked before the server was killed
        work.tell("Unpacking")
        try:
            said = unpack(folder, file, work.arguments.name, on_progress=work.telling("Unpacking")).sentence
        except InputError:
            if ours:  # it would fail again
                file.unlink(missing_ok=True)
            raise
    if ours:
        file.unlink(missing_ok=True)
    return _uploads(work, said)


def _inbox(work: Work[InboxArguments]) -> Outcome:
    from core.intake.inboxes import ingest_arrived
    from core.intake.uploads import rejections
    from core.jobs.ahead import embedding_ahead

    with embedding_ahead(work) as on_commit:
        result = ingest_arrived(
            work.workspace,
            Path(work.arguments.folder),
            work.arguments.names,
            workers=work.n_processes,
            nice=work.nice,
            on_progress=work.telling("Reading pictures"),
            on_commit=on_commit,
        )
    if result is None:
        said = "The files have gone from the inbox before they were read; nothing was ingested."
        return Outcome(said, then=_to_embed(work.workspace))
    added = _added(work, result)
    return replace(added, sentence=added.sentence + rejections(work.workspace.folder, result.rejected))


def _inboxes(work: Work[InboxesArguments]) -> Outcome:
    from core.intake.inboxes import set_inbox

    return Outcome(*set_inbox(work.workspace, Path(work.arguments.folder), watched=work.arguments.watched))


def _embed(work: Work[EmbedArguments]) -> Outcome:
    from core.encoders.embed import embed, embed_sentence

    work.tell("Reading the weights")
    with work.processes() as pool:
        result = embed(
            work.workspace,
            work.arguments.encoder,
            size=work.arguments.size,
            device=work.workspace.device,
            pool=pool,
            on_progress=work.telling("Embedding"),
            on_copies=work.telling("Comparing near-duplicates"),
            on_fetch=work.telling("Downloading the weights"),
        )
    work.changed(Change.MAP)
    follows: tuple[tuple[str, dict[str, Any]], ...] = ()
    if work.arguments.lay_out:
        follows = (("project", {}),)
    elif _unplaced(work.workspace):
        follows = (("place", {}),)
    return Outcome(embed_sentence(result), dict(result), follows)


def _project(work: Work[ProjectArguments]) -> Outcome:
    from core.map.project import project, project_sentence

    work.tell("Laying out the map")
    with work.processes() as pool:
        result = project(
            work.workspace,
            seed=work.arguments.seed,
            keep=work.arguments.keep,
            device=work.workspace.device,
            pool=pool,
            on_progress=work.telling("Laying out the map"),
            on_copies=work.telling("Comparing near-duplicates"),
        )
    work.changed(Change.MAP)
    return Outcome(project_sentence(result), dict(result))


def _place(work: Work[PlaceArguments]) -> Outcome:
    from core.map.place import place, place_sentence

    work.tell("Placing on the map")
    with work.processes() as pool:
        result = place(work.workspace, pool=pool, on_progress=work.telling("Placing on the map"))
    work.changed(Change.MAP)
    return Outcome(place_sentence(result), dict(result))


def _remove(work: Work[RemoveArguments]) -> Outcome:
    from core.intake.remove import Wanted, names_in, remove

    asked = work.arguments
    work.tell("Removing images")
    names = [*asked.images, *(names_in(Path(asked.file)) if asked.file else ())]
    wanted = Wanted(names, asked.below, asked.gone, asked.near_duplicates)

    def out() -> None:
        for change in (Change.IMAGES, Change.CLUSTERS, Change.LABELS):
            work.changed(change)

    erasing = work.telling("Erasing files")
    result = remove(work.workspace, wanted, analyst=asked.by, reason=asked.reason, on_out=out, on_progress=erasing)
    work.changed(Change.MAP)  # embeddings are read from other files now
    return Outcome(result.sentence, result.record)


def _clusters(work: Work[ClustersArguments]) -> Outcome:
    from core.map.clusters import cluster
    from core.notices.find import find_notices, notices_sentence

    work.tell("Finding clusters")
    with work.processes() as pool:
        found = cluster(work.workspace, pool=pool)
        work.changed(Change.CLUSTERS)  # they can be used while text is read
        group = find_notices(work.workspace, pool=pool, on_progress=work.telling("Reading text on dark"))
    work.changed(Change.CLUSTERS)
    numbers = ", ".join(f"{len(c.names)} {grain}" for grain, c in found.items())
    return Outcome(
        f"Clusters found: {numbers}. {notices_sentence(group)}", {"clusters": {g: len(c.names) for g, c in found.items()}}
    )


def _labels(work: Work[LabelsArguments]) -> Outcome:
    from core.labels.exchange import import_labels
    from core.overview import summary

    asked = work.arguments
    work.tell("Reading the file")
    result = import_labels(work.workspace, Path(asked.file), analyst=asked.analyst, beside=Path(asked.beside))
    if result.scores:
        work.changed(Change.COLUMNS)
    work.changed(Change.LABELS)
    return Outcome(*result.ended(summary(work.workspace)))


def _classes(work: Work[ClassesArguments]) -> Outcome:
    from core.labels.classes import classes_ended, parse_classes, set_classes

    set_classes(work.workspace, parse_classes(work.arguments.classes))
    work.changed(Change.CLASSES)
    return Outcome(*classes_ended(work.workspace.classes))


def _experiment(work: Work[ExperimentArguments]) -> Outcome:
    from core.study.run import ExperimentConfig, run_experiment

    asked = work.arguments
    config = ExperimentConfig(
        gold=asked.gold,
        flagged=tuple(asked.flagged),
        strategies=tuple(asked.strategies),
        budgets=tuple(asked.budgets),
        seeds=asked.seeds,
        features=tuple(asked.features),
        column=asked.column,
    )
    work.tell("Reading features")
    reached = run_experiment(
        work.workspace, config, workers=work.n_processes, nice=work.nice, on_progress=work.telling("Doing tasks of the study")
    )
    said = f"The study is done: {counted(reached.total, 'task')}."
    return Outcome(said, {"name": reached.name, "folder": str(reached.folder)})


def _setting(name: str, title: str, arguments: type[Arguments], run: Callable[[Work[Any]], Outcome]) -> Kind:
    """Return a kind of command that changes a setting in a moment, each time it is given."""
    return Kind(name, title, Lane.LABELS, arguments, run, unless=(), pace=Pace.QUICK, again=False)


KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        # A folder may have got more files since an equal job listed it, so only one that still waits counts as this one.
        Kind("ingest", "Add images", Lane.IMAGES, IngestArguments, _ingest, unless=(JobState.QUEUED,)),
        # Pictures that are posted while one is at work may be too late for it: they get a job of their own.
        Kind("uploads", "Add posted images", Lane.IMAGES, UploadsArguments, _uploads, unless=(JobState.QUEUED,)),
        Kind("archive", "Add a ZIP archive", Lane.IMAGES, ArchiveArguments, _archive),
        Kind("inbox", "Add images from the inbox", Lane.IMAGES, InboxArguments, _inbox),
        Kind("inboxes", "Set the inboxes", Lane.INBOXES, InboxesArguments, _inboxes, unless=(), pace=Pace.QUICK, again=False),
        Kind("begin", "Begin the workspace", Lane.IMAGES, BeginArguments, begin),
        Kind("demo", "Prepare the demo", Lane.IMAGES, DemoArguments, begin_demo),
        Kind("embed", "Embed images", Lane.IMAGES, EmbedArguments, _embed),
        Kind("project", "Lay out the map", Lane.IMAGES, ProjectArguments, _project),
        Kind("place", "Place images on the map", Lane.IMAGES, PlaceArguments, _place),
        Kind("remove", "Remove images", Lane.IMAGES, RemoveArguments, _remove),
        Kind("clusters", "Find clusters", Lane.IMAGES, ClustersArguments, _clusters),
        Kind("experiment", "Label-efficiency study", Lane.STUDY, ExperimentArguments, _experiment),
        # Between an equal change and this one another may wait, which this one is to undo: each gets a job of its own.
        Kind("labels", "Import labels", Lane.LABELS, LabelsArguments, _labels, unless=(), again=False),
        _setting("classes", "Set the classes", ClassesArguments, _classes),
        _setting("policies", "Set the policies", PoliciesArguments, set_policies),
        _setting("guideline", "Set the guideline", GuidelineArguments, set_guideline),
        _setting("encoder", "Choose the encoder", EncoderArguments, set_encoder),
        _setting("columns", "Change score columns", ColumnsArguments, set_columns),
        _setting("promise", "Check set", PromiseArguments, set_promise),
        # Labels that are given while one is fitted are too late for it.
        Kind("fit", "Fit the probe", Lane.LABELS, FitArguments, fit, unless=(JobState.QUEUED,), pace=Pace.QUICK, again=False),
        Kind("train", "Train an encoder", Lane.TRAINING, TrainArguments, train, pace=Pace.LONG),
        # What is taught while one is written is too late for it.
        Kind(
            "export",
            "Export a bundle",
            Lane.EXPORT,
            ExportArguments,
            export,
            unless=(JobState.QUEUED,),
            pace=Pace.READING,
            again=False,
        ),
    )
}
