"""The label-efficiency study as a run with files: features, one task per features and seed on all cores, results line by line.

One folder a run, `experiments/<start>/` in the workspace. The process that runs it writes, any other reads at any moment. A run
that was stopped goes on where it was; the same settings on the same images give the same lines, on however many cores.
"""

import contextlib
import csv
import datetime as dt
import hashlib
import json
import multiprocessing
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from core.acquisition import STRATEGIES
from core.arrays import FloatArray, IntArray, Progress, ignore
from core.errors import InputError, WorkspaceError
from core.files import atomic_path, write_json_atomic
from core.study_report import FEATURE_TITLES, conclude, paired_table, summarise
from core.workers import end_with_parent
from core.workspace import Workspace

BUDGETS = (10, 20, 50, 100, 200)
FEATURES = tuple(FEATURE_TITLES)
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
        if min(self.budgets) < 1 or list(self.budgets) != sorted(set(self.budgets)):
            raise InputError(f"Budgets must rise and be 1 or more, got {', '.join(map(str, self.budgets))}.")


@dataclass(frozen=True)
class Experiment:
    """A run as its folder tells it now."""

    name: str  # the folder's: when it started
    folder: Path
    config: ExperimentConfig
    encoder: str
    n_images: int
    n_flagged: int
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
        InputError: if the gold column, a flagged value or the features are not there, or one side has no images.
        WorkspaceError: if nothing is embedded.
    """
    rows, flagged = _answers(workspace, config)
    folder = _folder_of(workspace, config, rows, flagged)
    for name in config.features:
        if not (folder / f"{name}.npy").exists():
            x = _standardised(_features(workspace, name, rows))
            with atomic_path(folder / f"{name}.npy") as aside, aside.open("wb") as file:
                np.save(file, x.astype(np.float32))
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
        finally:  # also when it was interrupted: what waits is not begun
            pool.shutdown(wait=True, cancel_futures=True)
    reached = read_experiment(folder)
    if reached.finished:
        write_tables(reached)
    return reached


def write_tables(experiment: Experiment) -> None:
    """Write the summary as summary.json and table.csv into the run's folder."""
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
    from core.study import Simulation

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


def _answers(workspace: Workspace, config: ExperimentConfig) -> tuple[IntArray, np.ndarray[Any, np.dtype[np.bool_]]]:
    columns = workspace.catalog.gold_columns()
    if config.gold not in columns:
        there = f"there are {', '.join(columns)}" if columns else "ingest a manifest with a column of known answers first"
        raise InputError(f"There is no gold column '{config.gold}'; {there}.")
    rows, known = workspace.catalog.gold(config.gold)
    if missing := sorted(set(config.flagged) - set(known)):
        listed = ", ".join(sorted(set(known))[:12])
        raise InputError(f"No image has '{missing[0]}' in '{config.gold}'; its values are {listed}.")
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


def _folder_of(workspace: Workspace, config: ExperimentConfig, rows: IntArray, flagged: np.ndarray[Any, Any]) -> Path:
    """Return the folder of the unfinished run that this one goes on with, or a new one."""
    about = {"config": asdict(config), "encoder": workspace.encoder_name}
    about["images"] = hashlib.blake2b(workspace.ids[rows].tobytes() + flagged.tobytes(), digest_size=8).hexdigest()
    about = json.loads(json.dumps(about))  # tuples become lists, as they will be read
    for past in map(read_experiment, workspace.experiment_folders()):
        there = json.loads((past.folder / "run.json").read_text(encoding="utf-8"))
        if not past.finished and {key: there.get(key) for key in about} == about:
            return past.folder
    folder = workspace.folder / "experiments" / f"{dt.datetime.now(dt.UTC):%Y%m%d-%H%M%S-%f}"
    folder.mkdir(parents=True)
    with atomic_path(folder / "answers.npz") as aside, aside.open("wb") as file:
        np.savez(file, rows=rows, flagged=flagged, groups=workspace.groups[rows])
    write_json_atomic(folder / "run.json", about | {"n_images": len(rows), "n_flagged": int(flagged.sum())})
    return folder


def _features(workspace: Workspace, name: str, rows: IntArray) -> FloatArray:
    if name == "encoder":
        return workspace.embedded(str(workspace.encoder_name)).need_matrix().take(rows)
    paths = workspace.catalog.image_paths(0, workspace.n_images)
    chosen = [Path(paths[row]) for row in rows]

    def fallback(position: int) -> bytes:
        return workspace.thumbnail(workspace.image_id(int(rows[position])), "clear")

    if name == "pixels":
        from sklearn.decomposition import PCA

        from core.pixels import FilePixels

        pixels = FilePixels(chosen, PIXEL_SIDE, fallback=fallback).take(np.arange(len(rows))).numpy()
        flat = pixels.reshape(len(pixels), -1).astype(np.float32) / 255
        dim = min(PIXEL_DIM, len(flat) - 1)
        return np.asarray(PCA(dim, svd_solver="randomized", random_state=0).fit_transform(flat), np.float32)
    from core.encoder import embed, untrained_like

    record = next(e["record"] for e in workspace.encoders() if e["name"] == workspace.encoder_name)
    return np.concatenate(list(embed(chosen, untrained_like(record), fallback=fallback)))


def _standardised(x: FloatArray) -> FloatArray:
    std = x.std(axis=0, dtype=np.float64)
    return (x - x.mean(axis=0, dtype=np.float64)) / np.where(std > 1e-12, std, 1.0)


# -- what is there --


def read_config(folder: Path) -> ExperimentConfig:
    """Read a run's settings."""
    from pydantic import TypeAdapter

    found = json.loads((folder / "run.json").read_text(encoding="utf-8"))["config"]
    return TypeAdapter(ExperimentConfig).validate_python(found)


def read_experiment(folder: Path) -> Experiment:
    """Read a run as it stands; a line that is still being written does not count.

    Raises:
        WorkspaceError: if the folder holds no run.
    """
    try:
        about = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise WorkspaceError(f"{folder} holds no experiment; start one with 'lassoscope experiment'.") from None
    config, tasks = read_config(folder), _tasks(folder / RESULTS)
    order = sorted(tasks, key=lambda key: (config.features.index(key[0]), key[1]))  # whoever was faster
    return Experiment(
        name=folder.name,
        folder=folder,
        config=config,
        encoder=about["encoder"],
        n_images=about["n_images"],
        n_flagged=about["n_flagged"],
        results=[line for key in order for line in tasks[key]],
        done=len(tasks),
        total=config.seeds * len(config.features),
    )


def _tasks(file: Path) -> dict[tuple[str, int], list[dict[str, Any]]]:
    """Read the results by features and seed; a line that a kill has torn is passed over."""
    found: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for text in file.read_text(encoding="utf-8").splitlines() if file.exists() else []:
        with contextlib.suppress(ValueError):
            lines = json.loads(text)
            found[lines[0]["features"], lines[0]["seed"]] = lines
    return found


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
