"""Run the label-efficiency study: compute features, run one task per features and seed on all cores, write results.

Each run has a folder, `experiments/<start>/` in the workspace. One process writes it, and others may read it at any time. A
stopped run can be continued; the same settings on the same images give the same lines, on any number of cores.
"""

import csv
import datetime as dt
import hashlib
import json
import logging
import os
import shutil
import zipfile
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from core.arrays import BoolArray, FloatArray, IntArray, JsonObject, Progress, ignore
from core.catalog.class_names import hint
from core.encoders.chosen import encoders
from core.errors import InputError, WorkspaceError
from core.probe.offered import WITHOUT_COLUMN
from core.probe.strategies import STRATEGIES, Need
from core.score_columns.keep import flagged_scores, score_column
from core.store.files import atomic_path, write_json_atomic
from core.study.options import BUDGETS, FEATURES
from core.study.report import Result, conclude, paired_table, summarise
from core.study.simulate import GRID, METRICS, split
from core.wording import counted
from core.workers import be_nice, end_with_parent
from core.workspace import Workspace

LOG = logging.getLogger("lassoscope.study")
MOST_SEEDS = 1_000
MOST_A_SIDE = 4_000  # limit of images in the pool, and in the test set, of a seed
MOST_IMAGES = 20_000  # of the workspace that are used; a seeded draw if there are more
RESULTS = "results.jsonl"
PIXEL_SIDE, PIXEL_DIM = 32, 64


@dataclass(frozen=True)
class ExperimentConfig:
    """The settings of a study; equal settings on the same images give equal results."""

    gold: str  # manifest column with the gold labels
    flagged: tuple[str, ...]  # its values that count as flagged
    strategies: tuple[str, ...] = WITHOUT_COLUMN
    budgets: tuple[int, ...] = BUDGETS
    seeds: int = 20
    features: tuple[str, ...] = FEATURES
    column: str = ""  # the score column for the strategies that need one

    def __post_init__(self) -> None:
        if unknown := [name for name in self.strategies if name not in STRATEGIES]:
            raise InputError(f"There is no strategy '{unknown[0]}'; choose from {', '.join(STRATEGIES)}.")
        if unknown := [name for name in self.features if name not in FEATURES]:
            raise InputError(f"There are no features '{unknown[0]}'; choose from {', '.join(FEATURES)}.")
        if not self.column and (need := [name for name in self.strategies if STRATEGIES[name].needs == Need.COLUMN]):
            raise InputError(f"Strategy '{need[0]}' needs the scores of another model; name a score column with --column.")
        given = {
            "strategy (a way to choose images)": self.strategies,
            "kind of features (what the model sees of an image)": self.features,
            "flagged value (an answer to find)": self.flagged,
            "budget": self.budgets,
            "repeat (seed)": self.seeds > 0,
        }
        if lacking := [what for what, some in given.items() if not some]:
            raise InputError(f"A study needs at least one {lacking[0]}.")
        if self.seeds > MOST_SEEDS:
            raise InputError(f"A study takes at most {MOST_SEEDS:,} seeds, got {self.seeds:,}; 20 give narrow intervals.")
        if min(self.budgets) < 1 or list(self.budgets) != sorted(set(self.budgets)):
            raise InputError(f"Budgets must be ascending and at least 1, got {', '.join(map(str, self.budgets))}.")
        for what, names in (("strategy", self.strategies), ("features", self.features)):
            if doubled := [name for name in names if names.count(name) > 1]:
                raise InputError(f"The {what} '{doubled[0]}' is named twice; name it once.")


@dataclass(frozen=True)
class BrokenRun:
    """The folder of a run that cannot be read."""

    folder: Path
    reason: str


@dataclass(frozen=True)
class Experiment:
    """A run as its folder describes it now."""

    name: str  # of the folder: when the run started
    folder: Path
    config: ExperimentConfig
    encoder: str
    n_images: int
    n_flagged: int
    left_out: tuple[int, ...]  # budgets asked for that are larger than the smallest pool
    results: list[Result]
    n_damaged: int  # lines of results that cannot be read; their tasks are not done
    done: int  # tasks, one per features and seed
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
    nice: int = 0,
    on_progress: Progress = ignore,
    stop: Callable[[], bool] = lambda: False,
) -> Experiment:
    """Run a study, or continue the unfinished one with the same settings and images.

    Args:
        workspace: has the gold column; its catalog is only read.
        config: settings of the study.
        workers: processes; None for one per core.
        nice: how much less of a busy core they get.
        on_progress: called with (tasks done, tasks).
        stop: called after each task; True stops the run, which can be continued later.
    Returns:
        the run; its tables are written if it is finished.
    Raises:
        InputError: if the gold column, a flagged value, the features or the score column are missing, one side has too few
            images, or all budgets are larger than the pool; then nothing is written.
        WorkspaceError: if nothing is embedded.
    """
    rows, flagged = _answers(workspace, config)
    asked, config = config.budgets, replace(config, budgets=_fitting(config, workspace.groups[rows], flagged))
    left_out = tuple(budget for budget in asked if budget not in config.budgets)
    column = flagged_scores(workspace, score_column(workspace, config.column))[rows] if config.column else None
    folder, is_new = _folder_of(workspace, config, rows, flagged, left_out, column)
    try:
        for name in config.features:
            if not _has_features(folder, name, len(rows)):
                x = _standardised(_features(workspace, name, rows))
                with atomic_path(folder / f"{name}.npy") as aside, aside.open("wb") as file:
                    np.save(file, x.astype(np.float32))
    except Exception:
        if is_new:  # a run that could not start leaves nothing behind
            shutil.rmtree(folder, ignore_errors=True)
        raise
    found = read_experiment(folder)
    if found.n_damaged:
        LOG.warning("%s of the study cannot be read; the tasks are run again", counted(found.n_damaged, "line"))
    known = {(line["features"], line["seed"]) for line in found.results}
    tasks = [(name, seed) for seed in range(config.seeds) for name in config.features if (name, seed) not in known]
    on_progress(found.total - len(tasks), found.total)
    context = get_context("spawn")
    workers = min(workers or os.cpu_count() or 1, max(1, len(tasks)))
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_alone, initargs=(nice,)) as pool:
        try:
            futures = [pool.submit(run_task, folder, name, seed) for name, seed in tasks]
            for number, future in enumerate(as_completed(futures), start=found.total - len(tasks) + 1):
                _append(folder / RESULTS, future.result())
                on_progress(number, found.total)
                if stop():
                    break
        except BrokenProcessPool:
            raise WorkspaceError(
                "A process of the study was killed (out of memory?); finished tasks are kept: start the same study again, with "
                "fewer workers."
            ) from None
        finally:  # also on an interrupt: waiting tasks are not started
            pool.shutdown(wait=True, cancel_futures=True)
    reached = read_experiment(folder)
    if reached.finished:
        write_tables(reached)
    return reached


def write_tables(experiment: Experiment) -> None:
    """Write summary.json and table.csv into the folder of a run that has results."""
    table = summarise(experiment.results)
    compared = paired_table(experiment.results)
    words = conclude(experiment.results, experiment.config.features[0])
    write_json_atomic(experiment.folder / "summary.json", {"table": table, "paired": compared, "conclusion": words})
    with atomic_path(experiment.folder / "table.csv") as aside, aside.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(table[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(table)


def _alone(nice: int) -> None:
    """Compute on one thread, and end when the parent process ends."""
    from core.devices import use_cores

    end_with_parent()
    be_nice(nice)
    use_cores(1)


def run_task(folder: Path, features: str, seed: int) -> list[Result]:
    """Simulate every strategy of a study on one kind of features, from one split; return the lines for the results file."""
    from core.study.simulate import Simulation

    config = read_config(folder)
    with np.load(folder / "answers.npz") as answers:
        flagged, groups = answers["flagged"], answers["groups"]
        column = answers["column"] if config.column else None
    x = np.load(folder / f"{features}.npy")
    simulation = Simulation(x, flagged, groups, seed=seed, most=MOST_A_SIDE, column=column)
    return [
        Result(features=features, seed=seed, **line)
        for strategy in config.strategies
        for line in simulation.run(strategy, config.budgets)
    ]


# -- input --


def _answers(workspace: Workspace, config: ExperimentConfig) -> tuple[IntArray, BoolArray]:
    columns = workspace.catalog.images.gold_columns()
    if config.gold not in columns:
        there = f"there are {', '.join(columns)}" if columns else "ingest a manifest with a column of gold labels first"
        raise InputError(f"There is no gold column '{config.gold}'; {there}.")
    rows, known = workspace.catalog.images.gold(config.gold)
    if missing := sorted(set(config.flagged) - set(known)):
        given = sorted(set(known))
        listed, more = ", ".join(given[:12]), ", …" if len(given) > 12 else ""
        raise InputError(
            f"No image has '{missing[0]}' in '{config.gold}'{hint(missing, given)}; the values are {listed}{more}."
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
            f"A study needs at least 20 flagged and 20 other images, got {flagged.sum():,} and {(~flagged).sum():,}; "
            "name other flagged values."
        )
    return rows, flagged


def _fitting(config: ExperimentConfig, groups: IntArray, flagged: BoolArray) -> tuple[int, ...]:
    """Return the budgets that fit into every seed's pool.

    Raises:
        InputError: if none does, or the test images of a split are all on one side.
    """
    smallest = len(flagged)
    for seed in range(config.seeds):
        sides = split(groups, seed, most=MOST_A_SIDE)
        smallest = min(smallest, len(sides.pool))
        truth = flagged[sides.test]
        if not len(truth) or truth.all() or not truth.any():
            which = (
                "no flagged image" if len(truth) and not truth.any() else "only flagged images" if len(truth) else "no image"
            )
            raise InputError(
                f"Split {seed} has {which} to test on, because near-duplicates stay together; a study needs more images "
                "that are not near-duplicates of each other."
            )
    fitting = tuple(budget for budget in config.budgets if budget <= smallest)
    if not fitting:
        raise InputError(
            f"The smallest budget is {min(config.budgets):,} labels, but half of the {len(flagged):,} images are for testing "
            f"and only {smallest:,} are left to label; name a budget of at most {smallest:,}."
        )
    return fitting


def _folder_of(
    workspace: Workspace,
    config: ExperimentConfig,
    rows: IntArray,
    flagged: BoolArray,
    left_out: tuple[int, ...],
    column: FloatArray | None,
) -> tuple[Path, bool]:
    """Return the folder of the unfinished run to continue, or a new one, and whether it is new."""
    settings = asdict(config)
    if not config.column:  # as studies from before there were columns have it, so that they are continued
        del settings["column"]
    about = {"config": settings, "encoder": workspace.encoder_name}
    known = {"rows": rows, "flagged": flagged, "groups": workspace.groups[rows]} | (
        {} if column is None else {"column": column}
    )
    content = workspace.ids[rows].tobytes() + flagged.tobytes() + (b"" if column is None else column.tobytes())
    about["images"] = hashlib.blake2b(content, digest_size=8).hexdigest()
    about = json.loads(json.dumps(about))  # tuples become lists, as in the file
    for past in read_experiments(experiment_folders(workspace))[0]:
        there = _read_about(past.folder)
        if not past.finished and {key: there.get(key) for key in about} == about and _has_answers(past.folder, len(rows)):
            return past.folder, False
    folder = workspace.folder / "experiments" / f"{dt.datetime.now(dt.UTC):%Y%m%d-%H%M%S-%f}"
    folder.mkdir(parents=True)
    with atomic_path(folder / "answers.npz") as aside, aside.open("wb") as file:
        np.savez(file, allow_pickle=False, **known)
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


# -- reading --


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


def _read_about(folder: Path) -> JsonObject:
    try:
        found = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        found = None
    if not isinstance(found, dict):
        raise WorkspaceError(f"{folder} holds no experiment; start one with 'lassoscope experiment'.")
    return found


def read_experiment(folder: Path) -> Experiment:
    """Read a run as it is now; a line that is still being written is ignored.

    Raises:
        WorkspaceError: if the folder holds no readable run.
    """
    about, config = _read_about(folder), read_config(folder)
    tasks, n_damaged = _tasks(folder / RESULTS, config)
    order = sorted(tasks, key=lambda key: (config.features.index(key[0]), key[1]))  # not the order in which tasks ended
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
            n_damaged=n_damaged,
            done=len(tasks),
            total=config.seeds * len(config.features),
        )
    except (KeyError, TypeError, ValueError):
        raise WorkspaceError(f"{folder / 'run.json'} is not complete; delete the folder.") from None


def read_study(folder: Path) -> Experiment | BrokenRun:
    """Read a run, or say why it cannot be read."""
    try:
        return read_experiment(folder)
    except WorkspaceError as error:
        return BrokenRun(folder, str(error))


def read_experiments(folders: Sequence[Path]) -> tuple[list[Experiment], list[BrokenRun]]:
    """Read many runs; return the readable ones, and the others with the reason."""
    runs = [read_study(folder) for folder in folders]
    return [run for run in runs if isinstance(run, Experiment)], [run for run in runs if isinstance(run, BrokenRun)]


def _tasks(file: Path, config: ExperimentConfig) -> tuple[dict[tuple[str, int], list[Result]], int]:
    """Read the results by features and seed; count the lines that a kill cut short, or that are no results."""
    try:
        lines = file.read_bytes().splitlines()
    except OSError:
        return {}, 0
    found: dict[tuple[str, int], list[Result]] = {}
    n_damaged = 0
    for line in lines:
        try:
            results = json.loads(line)
        except ValueError:
            results = None
        if _is_task(results, config):
            found[results[0]["features"], results[0]["seed"]] = results
        else:
            n_damaged += 1
    return found, n_damaged


def _is_task(results: Any, config: ExperimentConfig) -> bool:
    """Tell whether a line holds the results of one task: strategies and budgets of this study, with all figures."""
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


def _append(file: Path, lines: Sequence[Result]) -> None:
    """Append a task's results as one line; it is on disk when this returns."""
    with file.open("a+b") as out:
        if out.tell() and not _ends_a_line(file):
            out.write(b"\n")  # a line that a kill cut short stays on its own
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
