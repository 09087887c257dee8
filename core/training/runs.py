"""The log of a training run, written while it goes: settings, figures row by row, sample views, TensorBoard files.

One folder a run, `training/<start>/`; a run that is resumed starts a new one. Lightning's loggers write the figures, as
`metrics.csv` and for TensorBoard. Other processes may read at any moment: rows are appended, other files renamed into place.
"""

import csv
import datetime as dt
import json
import math
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from core.errors import InputError
from core.images.decode import decode, treat, webp
from core.store.files import atomic_path, write_json_atomic
from core.workspace import Workspace

METRICS = "metrics.csv"
MOST_READ = 1_000  # runs in which one is looked for
SILENT_SECONDS = 120.0  # a run that has written nothing for so long is not running
FIGURES = ("loss", "learning_rate", "ema", "prototypes_used", "spread", "images_per_second", "knn")


class RunState(StrEnum):
    """How a run stands."""

    RUNNING = "running"
    FINISHED = "finished"
    STOPPED = "stopped"  # by a person, a signal or a kill
    FAILED = "failed"
    BROKEN = "broken"  # its files cannot be read; never written


@dataclass(frozen=True)
class RunRecord:
    """One run as its folder tells it."""

    name: str  # the folder's: when it started
    state: RunState
    settings: Mapping[str, Any]
    figures: Mapping[str, list[float]]  # by name, as long as `step`; NaN = not measured
    step: list[int]
    steps: int
    collapsed: bool  # at the newest line
    views: Path | None  # a WebP of sample views
    tile: int  # px, the side of one view's place in it
    out: str = ""  # the weights file, absolute; "" if the run does not say


class RunLog:
    """The writing side; one per run, in the training process."""

    def __init__(self, folder: Path, settings: Mapping[str, Any], *, out: Path, job: int | None = None) -> None:
        """Start a run's folder below `folder`.

        Args:
            job: number of the job that it belongs to.
        """
        from pytorch_lightning.loggers import CSVLogger, TensorBoardLogger

        started = dt.datetime.now(dt.UTC)
        self.folder = folder / f"{started:%Y%m%d-%H%M%S-%f}"
        self.folder.mkdir(parents=True)
        self._about = {
            "started": started.isoformat(timespec="seconds"),
            "settings": dict(settings),
            "out": str(out),
            "job": job,
        }
        self._table = CSVLogger(folder, name="", version=self.folder.name, flush_logs_every_n_steps=1)
        self._board = TensorBoardLogger(folder, name="", version=self.folder.name)
        _ = self._table.experiment  # makes its writer now, while the folder is empty: later it would warn
        self._write_state(RunState.RUNNING)

    def _write_state(self, state: RunState) -> None:
        write_json_atomic(self.folder / "run.json", self._about | {"state": state})

    def add(self, figures: Mapping[str, float | int | bool]) -> None:
        """Append the figures of a step; `step`, `steps` and `collapsed` are among them. NaN or absent = not measured."""
        step = int(figures["step"])
        measured = {name: float(figures.get(name, math.nan)) for name in FIGURES}
        self._table.log_metrics({**measured, **{name: float(figures[name]) for name in ("steps", "collapsed")}}, step)
        self._board.log_metrics({name: value for name, value in measured.items() if math.isfinite(value)}, step)
        self._board.save()

    def show_views(self, rows: list[list[np.ndarray[Any, np.dtype[np.uint8]]]]) -> None:
        """Keep a sheet of sample views.

        Args:
            rows: for each image its views, (S, S, 3) uint8 each; sizes may differ.
        """
        side = max(view.shape[0] for row in rows for view in row) + 4
        sheet = Image.new("RGB", (side * max(len(row) for row in rows), side * len(rows)), (255, 255, 255))
        for y, row in enumerate(rows):
            for x, view in enumerate(row):
                sheet.paste(Image.fromarray(view), (x * side + 2, y * side + 2))
        with atomic_path(self.folder / "views.webp") as aside:
            aside.write_bytes(webp(sheet))
        self._about["tile"] = side
        self._write_state(RunState.RUNNING)

    def end(self, state: RunState) -> None:
        """Write how the run ended."""
        self._board.finalize(state)
        self._write_state(state)


def run_folders(folder: Path, *, most: int = 20) -> list[Path]:
    """Return the folders of the newest runs below `folder`, newest first."""
    if not folder.is_dir():
        return []
    return sorted((path for path in folder.iterdir() if path.is_dir()), reverse=True)[:most]


def end_killed(folder: Path, out: Path) -> None:
    """Write of the runs below `folder` that wrote the weights `out` and were killed that they were stopped; none is at work."""
    for run, about in _written(folder):
        if (about.get("state"), about.get("out")) == (RunState.RUNNING, str(out)):
            with suppress(OSError):
                write_json_atomic(run / "run.json", about | {"state": RunState.STOPPED})


def has_begun(folder: Path, job: int, out: Path) -> bool:
    """Tell whether a job has begun a run below `folder` that writes the weights `out`."""
    return any((about.get("job"), about.get("out")) == (job, str(out)) for _, about in _written(folder))


def _written(folder: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yield the folders of the newest runs, and what each says of itself."""
    for run in run_folders(folder, most=MOST_READ):
        with suppress(OSError, ValueError):
            about = json.loads((run / "run.json").read_bytes())
            if isinstance(about, dict):
                yield run, about


def training_folders(workspace: Workspace) -> list[Path]:
    """Return the folders of the newest runs on a workspace's images, newest first."""
    return run_folders(workspace.folder / "training")


def treated_views(record: RunRecord, view: str) -> bytes:
    """Return a run's sample views as WebP, each in a privacy view of its own, so that a blur stays inside its tile.

    Raises:
        InputError: if the run has none, or there is no such privacy view.
    """
    if record.views is None:
        raise InputError(f"The run {record.name} has no sample views.")
    sheet, side = decode(record.views), record.tile
    for top in range(0, sheet.height, side):
        for left in range(0, sheet.width, side):
            box = (left, top, left + side, top + side)
            sheet.paste(treat(sheet.crop(box), view), box)
    return webp(sheet)


def read_run(folder: Path) -> RunRecord | None:
    """Read one run; None where there is no `run.json`.

    A run whose files cannot be read is `RunState.BROKEN`, without figures; the others are not affected.
    """
    try:
        content = (folder / "run.json").read_bytes()
    except OSError:
        return None
    try:
        return _record(folder, json.loads(content))
    except (ValueError, TypeError, KeyError, AttributeError, OSError, csv.Error):
        nothing: dict[str, list[float]] = {name: [] for name in FIGURES}
        return RunRecord(folder.name, RunState.BROKEN, {}, nothing, [], 0, collapsed=False, views=None, tile=0)


def _record(folder: Path, about: Any) -> RunRecord:
    lines, state, settings = _lines(folder), RunState(about["state"]), dict(about["settings"])
    if state == RunState.BROKEN:
        raise ValueError("no run is written as broken")
    newest = max(path.stat().st_mtime for path in (folder / "run.json", folder / METRICS) if path.exists())
    if state == RunState.RUNNING and dt.datetime.now().timestamp() - newest > SILENT_SECONDS:
        state = RunState.STOPPED  # killed, most likely: --resume continues it
    views = folder / "views.webp"
    return RunRecord(
        name=folder.name,
        state=state,
        settings=settings,
        figures={name: [line[name] for line in lines] for name in FIGURES},
        step=[int(line["step"]) for line in lines],
        steps=int(lines[-1]["steps"]) if lines else 0,
        collapsed=bool(lines and lines[-1]["collapsed"]),
        views=views if "tile" in about and views.is_file() else None,
        tile=int(about.get("tile", 0)),
        out=str(about.get("out", "")),
    )


def _lines(folder: Path) -> list[dict[str, float]]:
    """Read the figures of each step; a row that lacks some is skipped."""
    found = []
    for row in _rows(folder):
        try:
            figures = {name: math.nan if row.get(name) is None else float(row[name]) for name in FIGURES}
            counts = {name: int(float(row[name])) for name in ("step", "steps", "collapsed")}
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError):
            continue
        found.append(figures | counts)
    return found


def _rows(folder: Path) -> Iterator[Any]:
    """Yield the rows of `metrics.csv`; the last one is skipped while it has no line end, as a kill may have cut it short."""
    file = folder / METRICS
    if file.exists():
        whole, _, _cut_short = file.read_text("utf-8", errors="replace").rpartition("\n")
        yield from csv.DictReader(whole.splitlines())
        return
    old = folder / "metrics.jsonl"  # as runs were logged before Lightning's loggers
    for line in old.read_text("utf-8", errors="replace").splitlines() if old.exists() else []:
        with suppress(ValueError):
            yield json.loads(line)
