"""What a training run leaves in the workspace while it goes: settings, figures line by line, sample views, TensorBoard files.

One folder a run, `training/<start>/`. The training process writes, any other process reads at any moment: lines are appended
whole, other files renamed into place.
"""

import datetime as dt
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from core.errors import InputError
from core.images.decode import decode, treat, webp
from core.store.files import atomic_path, write_json_atomic
from core.workspace import Workspace

SILENT_SECONDS = 120.0  # a run that has said nothing for so long is not running
STATES = ("running", "finished", "stopped", "failed")
BROKEN = "broken"  # its files cannot be read
FIGURES = ("loss", "learning_rate", "ema", "prototypes_used", "spread", "images_per_second", "knn")


@dataclass(frozen=True)
class RunRecord:
    """One run as its folder tells it."""

    name: str  # the folder's: when it started
    state: str  # one of STATES, or BROKEN
    settings: Mapping[str, Any]
    figures: Mapping[str, list[float]]  # by name, as long as `step`; NaN = not measured
    step: list[int]
    steps: int
    collapsed: bool  # at the newest line
    views: Path | None  # a WebP of sample views
    tile: int  # px, the side of one view's place in it


class RunLog:
    """The writing side; one per run, in the training process."""

    def __init__(self, folder: Path, settings: Mapping[str, Any], *, out: Path) -> None:
        """Start a run's folder below `folder`."""
        from tensorboardX import SummaryWriter

        started = dt.datetime.now(dt.UTC)
        self.folder = folder / f"{started:%Y%m%d-%H%M%S-%f}"
        self.folder.mkdir(parents=True)
        self._about = {"started": started.isoformat(timespec="seconds"), "settings": dict(settings), "out": str(out)}
        self._board = SummaryWriter(str(self.folder))
        self._say("running")

    def _say(self, state: str) -> None:
        write_json_atomic(self.folder / "run.json", self._about | {"state": state})

    def add(self, line: Mapping[str, float | int | bool]) -> None:
        """Append the figures of a step; `step` and `steps` are among them. NaN is kept as null."""
        plain = {key: None if isinstance(v, float) and not math.isfinite(v) else v for key, v in line.items()}
        with (self.folder / "metrics.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(plain) + "\n")
        for name in FIGURES:
            value = plain.get(name)
            if value is not None:
                self._board.add_scalar(name, value, int(line["step"]))
        self._board.flush()

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
        self._say("running")

    def end(self, state: str) -> None:
        """Say how the run ended."""
        if state not in STATES:
            raise InputError(f"A run ends as one of {', '.join(STATES)}, got '{state}'.")
        self._board.close()
        self._say(state)


def read_runs(folder: Path, *, most: int = 20) -> list[RunRecord]:
    """Read the newest runs below `folder`, newest first; a folder that is being made is passed over.

    A run whose files cannot be read is there as BROKEN, without figures; it stands in the way of no other.
    """
    if not folder.is_dir():
        return []
    found = (_read(path) for path in sorted((p for p in folder.iterdir() if p.is_dir()), reverse=True)[:most])
    return [record for record in found if record is not None]


def training_runs(workspace: Workspace) -> list[RunRecord]:
    """Return the newest runs on a workspace's images, newest first, as their files tell them now."""
    return read_runs(workspace.folder / "training")


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


def _read(folder: Path) -> RunRecord | None:
    try:
        content = (folder / "run.json").read_bytes()
    except OSError:
        return None
    try:
        return _record(folder, json.loads(content))
    except (ValueError, TypeError, KeyError, AttributeError, OSError):
        nothing: dict[str, list[float]] = {name: [] for name in FIGURES}
        return RunRecord(folder.name, BROKEN, {}, nothing, [], 0, collapsed=False, views=None, tile=0)


def _record(folder: Path, about: Any) -> RunRecord:
    file = folder / "metrics.jsonl"
    lines, state, settings = _lines(file), about["state"], dict(about["settings"])
    if state not in STATES:
        raise ValueError(state)
    newest = max(path.stat().st_mtime for path in (folder / "run.json", file) if path.exists())
    if state == "running" and dt.datetime.now().timestamp() - newest > SILENT_SECONDS:
        state = "stopped"  # killed, most likely: --resume goes on
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
    )


def _lines(file: Path) -> list[dict[str, float]]:
    """Read the figures of each step; a line that a kill has torn, or that holds none, is passed over."""
    found = []
    for text in file.read_bytes().splitlines() if file.exists() else []:
        try:
            line = json.loads(text)
            figures = {name: math.nan if line.get(name) is None else float(line[name]) for name in FIGURES}
            counts = {name: int(line[name]) for name in ("step", "steps")}
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError):
            continue
        found.append(figures | counts | {"collapsed": bool(line.get("collapsed"))})
    return found
