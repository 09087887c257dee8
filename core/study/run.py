"""The label-efficiency study as a run with files: features, one task per features and seed on all cores, results line by line.

One folder a run, `experiments/<start>/` in the workspace. The process that runs it writes, any other reads at any moment. A run
that was stopped goes on where it was; the same settings on the same images give the same lines, on however many cores.
"""

import csv
import datetime as dt
import hashlib
import json
import multiprocessing
import os
import shutil
import zipfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from core.arrays import BoolArray, FloatArray, IntArray, Progress, ignore
from core.catalog.class_names import hint
from core.encoders.chosen import encoders
from core.errors import InputError, WorkspaceError
from core.probe.strategies import STRATEGIES
from core.store.files import atomic_path, write_json_atomic
from core.study.report import FEATURE_TITLES, conclude, paired_table, summarise
from core.study.simulate import GRID, METRICS, split
from core.workers import end_with_parent
from core.workspace import Workspace

BUDGETS = (10, 20, 50, 100, 200)
FEATURES = tuple(FEATURE_TITLES)
MOST_SEEDS = 1_000
MOST_A_SIDE = 4_000  # images in the pool and in the test set of a seed
MOST_IMAGES = 20_000  # of the workspace that take part; a seeded draw if there are more
RESULTS = "results.jsonl"
PIXEL_SIDE, PIXEL_DIM = 32, 64


@dataclass(frozen=True)
class ExperimentConfig:
    """A whole study; two with the same values on the same images are the same."""

    gold: str  # column of the manifest that knows the answers
    flagged: tuple[str, ...]  # its values that count as flagged
    strategies: tuple[str, ...] = tuple(STRATEGIES)
    budgets: tuple[int, ...] = BUDGETS
    seeds: int = 20
    features: tuple[str, ...] = FEATURES

    def __post_init__(self) -> None:
        if unknown := [name for name in self.strategies if name not in STRATEGIES]:
            raise InputError(f"There is no strategy '{unknown[0]}'; choose from {', '.join(STRATEGIES)}.")
        if unknown := [name for name in self.features if name not in FEATURES]:
            raise InputError(f"There are no features '{unknown[0]}'; choose from {', '.join(FEATURES)}.")
        if not (self.strategies and self.features and self.flagged and self.budgets) or self.seeds < 1:
            raise InputError("A study needs a strategy, features, a flagged value, a budget and a seed at least.")
        if self.seeds > MOST_SEEDS:
            raise InputError(f"A study takes {MOST_SEEDS:,} seeds at most, got {self.seeds:,}; 20 give narrow intervals.")
        if min(self.budgets) < 1 or list(self.budgets) != sorted(set(self.budgets)):
            raise InputError(f"Budgets must rise and be 1 or more, got {', '.join(map(str, self.budgets))}.")
        for what, names in (("strategy", self.strategies), ("features", self.features)):
            if doubled := [name for name in names if names.count(name) > 1]:
                raise InputError(f"The {what} '{doubled[0]}' is named twice; name it once.")


@dataclass(frozen=True)
class BrokenRun:
    """A folder that should hold a run and cannot be read as one."""

    folder: Path
    reason: str


@dataclass(frozen=True)
class Experiment:
    """A run as its folder tells it now."""

    name: str  # the folder's: when it started
    folder: Path
    config: ExperimentConfig
    encoder: str
    n_images: int
    n_flagged: int
    left_out: tuple[int, ...]  # budgets that were asked for and are more than the smallest pool holds
    results: list[dict[str, Any]]
    done: int  # tasks
    total: int

    @property
    def finished(self) -> bool:
        """Tell whether every task is done."""
        return self.done >= self.total


def run_experiment(
    workspace: Workspace,
    config: ExperimentConfig,
    *,
    workers: int | None = None,
    on_progress: Progress = ignore,
    stop: Callable[[], bool] = lambda: False,
) -> Experiment:
    """Run a study, or go on with the unfinished one that has the same settings and images.

    Args:
        workspace: its gold column gives the answers; nothing in the catalog is changed.
        config: the study.
        workers: processes, None for one per core.
        on_progress: told (tasks done, tasks).
        stop: asked after each task; True ends the run early, to go on another time.
    Returns:
        the run, its tables written if it is finished.
    Raises:
        InputError: if the gold column, a flagged value or the features are not there, one side has too few images, or all
            budgets are more than there is to label. Nothing was written then.
        WorkspaceError: if nothing is embedded.
    """
    rows, flagged = _answers(workspace, config)
    asked, config = config.budgets, replace(config, budgets=_fitting(config, workspace.groups[rows], flagged))
    left_out = tuple(budget for budget in asked if budget not in config.budgets)
    folder, is_new = _folder_of(workspace, config, rows, flagged, left_out)
    try:
        for name in config.features:
            if not _has_features(folder, name, len(rows)):
                x = _standardised(_features(workspace, name, rows))
                with atomic_path(folder / f"{name}.npy") as aside, aside.open("wb") as file:
                    np.save(file, x.astype(np.float32))
    except Exception:
        if is_new:  # what could not begin leaves nothing behind
            shutil.rmtree(folder, ignore_errors=True)
        raise
    found = read_experiment(folder)
    known = {(line["features"], line["seed"]) for line in found.results}
    tasks = [(name, seed) for seed in range(config.seeds) for name in config.features if (name, seed) not in known]
    on_progress(found.total - len(tasks), found.total)
    context = multiprocessing.get_context("spawn")
    workers = min(workers or os.cpu_count() or 1, max(1, len(tasks)))
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_alone) as pool:
        try:
            futures = [pool.submit(run_task, folder, name, seed) for name, seed in tasks]
            for number, future in enumerate(as_completed(futures), start=found.total - len(tasks) + 1):
                _append(folder / RESULTS, future.result())
                on_progress(number, found.total)
                if stop():
                    break
        except BrokenProcessPool:
            raise WorkspaceError(
                "A process of the study was ended from outside (too little memory?); what is done is kept: do the same again, "
                "with fewer workers."
            ) from None
        finally:  # also when it was interrupted: what waits is not begun
            pool.shutdown(wait=True, cancel_futures=True)
    reached = read_experiment(folder)
    if reached.finished:
        write_tables(reached)
    return reached


def write_tables(experiment: Experiment) -> None:
    """Write the summary as summary.json and table.csv into the folder of a run with results."""
    table = summarise(experiment.results)
    compared = paired_table(experiment.results)
    words = conclude(experiment.results, experiment.config.features[0])
    write_json_atomic(experiment.folder / "summary.json", {"table": table, "paired": compared, "conclusion": words})
    with atomic_path(experiment.folder / "table.csv") as aside, aside.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(table[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(table)


def _alone() -> None:
    """Compute on one thread, and end with the process that asked."""
    import torch

    end_with_parent()
    torch.set_num_threads(1)


def run_task(folder: Path, features: str, seed: int) -> list[dict[str, Any]]:
    """Simulate every strategy of a study on one kind of features, from one split; the lines of the results file."""
    from core.study.simulate import Simulation

    config = read_config(folder)
    with np.load(folder / "answers.npz") as answers:
        flagged, groups = answers["flagged"], answers["groups"]
    x = np.load(folder / f"{features}.npy")
    simulation = Simulation(x, flagged, groups, seed=seed, most=MOST_A_SIDE)
    return [
        {"features": features, "seed": seed, **line}
        for strategy in config.strategies
        for line in simulation.run(strategy, config.budgets)
    ]


# -- what goes in --


def _answers(workspace: Workspace, config: ExperimentConfig) -> tuple[IntArray, BoolArray]:
    columns = workspace.catalog.images.gold_columns()
    if config.gold not in columns:
        there = f"there are {', '.join(columns)}" if columns else "ingest a manifest with a column of known answers first"
        raise InputError(f"There is no gold column '{config.gold}'; {there}.")
    rows, known = workspace.catalog.images.gold(config.gold)
    if missing := sorted(set(config.flagged) - set(known)):
        given = sorted(set(known))
        listed, more = ", ".join(given[:12]), ", …" if len(given) > 12 else ""
        raise InputError(
            f"No image has '{missing[0]}' in '{config.gold}'{hint(missing, given)}; its values are {listed}{more}."
        )
    matrix = workspace.embedded(str(workspace.encoder_name)).need_matrix()
    values = np.array(known)[rows < matrix.rows]
    rows = rows[rows < matrix.rows]
    if len(rows) > MOST_IMAGES:
        kept = np.sort(np.random.default_rng(0).choice(len(rows), MOST_IMAGES, replace=False))
        rows, values = rows[kept], values[kept]
    flagged = np.isin(values, config.flagged)
    if not 20 <= flagged.sum() <= len(flagged) - 20:
        raise InputError(
            f"A study needs 20 flagged and 20 other images at least, got {flagged.sum():,} and {(~flagged).sum():,}; "
            "name other flagged values."
        )
    return rows, flagged


def _fitting(config: ExperimentConfig, groups: IntArray, flagged: BoolArray) -> tuple[int, ...]:
    """Return the budgets that every seed's pool can fill.

    Raises:
        InputError: if none can, or a split judges on images of one side only.
    """
    smallest = len(flagged)
    for seed in range(config.seeds):
        sides = split(groups, seed, most=MOST_A_SIDE)
        smallest = min(smallest, len(sides.pool))
        truth = flagged[sides.test]
        if not len(truth) or truth.all() or not truth.any():
            which = (
                "no flagged image" if len(truth) and not truth.any() else "flagged images only" if len(truth) else "no image"
            )
            raise InputError(
                f"Split {seed} leaves {which} to judge on, because near-duplicates stay together; a study needs more images "
                "that are not copies of each other."
            )
    fitting = tuple(budget for budget in config.budgets if budget <= smallest)
    if not fitting:
        raise InputError(
            f"The smallest budget is {min(config.budgets):,} labels, but half of the {len(flagged):,} images is kept to judge "
            f"on and {smallest:,} are left to label; name a budget of {smallest:,} or less."
        )
    return fitting


def _folder_of(
    workspace: Workspace, config: ExperimentConfig, rows: IntArray, flagged: BoolArray, left_out: tuple[int, ...]
) -> tuple[Path, bool]:
    """Return the folder of the unfinished run that this one goes on with, or a new one, and whether it is new."""
    about = {"config": asdict(config), "encoder": workspace.encoder_name}
    about["images"] = hashlib.blake2b(workspace.ids[rows].tobytes() + flagged.tobytes(), digest_size=8).hexdigest()
    about = json.loads(json.dumps(about))  # tuples become lists, as they will be read
    for past in read_experiments(experiment_folders(workspace))[0]:
        there = _read_about(past.folder)
        if not past.finished and {key: there.get(key) for key in about} == about and _has_answers(past.folder, len(rows)):
            return past.folder, False
    folder = workspace.folder / "experiments" / f"{dt.datetime.now(dt.UTC):%Y%m%d-%H%M%S-%f}"
    folder.mkdir(parents=True)
    with atomic_path(folder / "answers.npz") as aside, aside.open("wb") as file:
        np.savez(file, rows=rows, flagged=flagged, groups=workspace.groups[rows])
    counts = {"n_images": len(rows), "n_flagged": int(flagged.sum()), "left_out": left_out}
    write_json_atomic(folder / "run.json", about | counts)
    return folder, True


def _has_answers(folder: Path, n: int) -> bool:
    try:
        with np.load(folder / "answers.npz", allow_pickle=False) as answers:
            return len(answers["flagged"]) == len(answers["groups"]) == n
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return False


def _has_features(folder: Path, name: str, n: int) -> bool:
    try:
        return len(np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)) == n
    except (OSError, ValueError, EOFError):
        return False


def _features(workspace: Workspace, name: str, rows: IntArray) -> FloatArray:
    if name == "encoder":
        return workspace.embedded(str(workspace.encoder_name)).need_matrix().take(rows)
    originals = workspace.originals(rows)
    if name == "pixels":
        from sklearn.decomposition import PCA

        from core.training.batches import FilePixels

        pixels = FilePixels(originals, PIXEL_SIDE).take(np.arange(len(rows))).numpy()
        flat = pixels.reshape(len(pixels), -1).astype(np.float32) / 255
        dim = min(PIXEL_DIM, len(flat) - 1)
        return np.asarray(PCA(dim, svd_solver="randomized", random_state=0).fit_transform(flat), np.float32)
    from core.encoders.encoder import embed_originals, untrained_like

    record = next(e["record"] for e in encoders(workspace) if e["name"] == workspace.encoder_name)
    return np.concatenate(list(embed_originals(originals, untrained_like(record))))


def _standardised(x: FloatArray) -> FloatArray:
    std = x.std(axis=0, dtype=np.float64)
    return (x - x.mean(axis=0, dtype=np.float64)) / np.where(std > 1e-12, std, 1.0)


# -- what is there --


def read_config(folder: Path) -> ExperimentConfig:
    """Read a run's settings.

    Raises:
        WorkspaceError: if the folder holds no run, or its settings cannot be read.
    """
    from pydantic import TypeAdapter, ValidationError

    try:
        return TypeAdapter(ExperimentConfig).validate_python(_read_about(folder).get("config"))
    except (ValidationError, InputError):
        raise WorkspaceError(f"{folder / 'run.json'} has settings this program cannot read; delete the folder.") from None


def _read_about(folder: Path) -> dict[str, Any]:
    try:
        found = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        found = None
    if not isinstance(found, dict):
        raise WorkspaceError(f"{folder} holds no experiment; start one with 'lassoscope experiment'.")
    return found


def read_experiment(folder: Path) -> Experiment:
    """Read a run as it stands; a line that is still being written does not count.

    Raises:
        WorkspaceError: if the folder holds no run, or one that cannot be read.
    """
    about, config = _read_about(folder), read_config(folder)
    tasks = _tasks(folder / RESULTS, config)
    order = sorted(tasks, key=lambda key: (config.features.index(key[0]), key[1]))  # whoever was faster
    try:
        return Experiment(
            name=folder.name,
            folder=folder,
            config=config,
            encoder=str(about["encoder"]),
            n_images=int(about["n_images"]),
            n_flagged=int(about["n_flagged"]),
            left_out=tuple(int(budget) for budget in about.get("left_out", ())),
            results=[line for key in order for line in tasks[key]],
            done=len(tasks),
            total=config.seeds * len(config.features),
        )
    except (KeyError, TypeError, ValueError):
        raise WorkspaceError(f"{folder / 'run.json'} is not complete; delete the folder.") from None


def read_study(folder: Path) -> "Experiment | BrokenRun":
    """Read one study; one that cannot be read says why."""
    try:
        return read_experiment(folder)
    except WorkspaceError as error:
        return BrokenRun(folder, str(error))


def read_experiments(folders: Sequence[Path]) -> tuple[list[Experiment], list[BrokenRun]]:
    """Read many runs; one that cannot be read stands in the way of no other."""
    runs = [read_study(folder) for folder in folders]
    return [run for run in runs if isinstance(run, Experiment)], [run for run in runs if isinstance(run, BrokenRun)]


def _tasks(file: Path, config: ExperimentConfig) -> dict[tuple[str, int], list[dict[str, Any]]]:
    """Read the results by features and seed; what a kill has torn, or what is no result, is passed over and done again."""
    try:
        lines = file.read_bytes().splitlines()
    except OSError:
        return {}
    found: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for line in lines:
        try:
            results = json.loads(line)
        except ValueError:
            continue
        if _is_task(results, config):
            found[results[0]["features"], results[0]["seed"]] = results
    return found


def _is_task(results: Any, config: ExperimentConfig) -> bool:
    """Tell whether a line holds what one task came to: every strategy with every budget."""
    if not (isinstance(results, list) and results and all(isinstance(result, dict) for result in results)):
        return False
    features, seed = results[0].get("features"), results[0].get("seed")
    whole = {(strategy, budget) for strategy in config.strategies for budget in config.budgets}
    there = {(result.get("strategy"), result.get("budget")) for result in results}
    return (
        features in config.features
        and seed in range(config.seeds)
        and whole >= there
        and all(result.get("features") == features and result.get("seed") == seed for result in results)
        and all(isinstance(result.get(metric), int | float) for result in results for metric in METRICS)
        and all(isinstance(result.get("curve"), list) and len(result["curve"]) == len(GRID) for result in results)
    )


def _append(file: Path, lines: Sequence[Mapping[str, Any]]) -> None:
    """Add a task's results as one line, on disk when this returns."""
    with file.open("a+b") as out:
        if out.tell() and not _ends_a_line(file):
            out.write(b"\n")  # what a kill has torn stays a line of its own
        out.write(json.dumps(lines).encode() + b"\n")
        out.flush()
        os.fsync(out.fileno())


def _ends_a_line(file: Path) -> bool:
    with file.open("rb") as written:
        written.seek(-1, os.SEEK_END)
        return written.read(1) == b"\n"


def experiment_folders(workspace: Workspace) -> list[Path]:
    """Return the folders of the label-efficiency studies, newest first (`read_experiments` reads them)."""
    return sorted((file.parent for file in (workspace.folder / "experiments").glob("*/run.json")), reverse=True)
