"""A made-up workspace with known classes, and what a person does in it: teach, read. For tests of numbers and of pages."""

import atexit
import os
import shutil
import tempfile
from functools import cache
from pathlib import Path

import numpy as np

from core.catalog.records import ImageClass, ImageRecord
from core.catalog.score_columns import NewColumn
from core.embeddings.matrix import write_part
from core.evidence import queues
from core.labels.actions import label
from core.probe.live import refit
from core.workspace import Workspace

CLASSES = (ImageClass("neutral", "#0072b2", "1", flagged=False), ImageClass("explicit", "#d55e00", "2", flagged=True))
DIM = 8


def made(folder: Path, *, n=1_200, seed=0, share=0.4, apart=1.6) -> Workspace:
    """Make a workspace of n images whose embeddings overlap by class; gold knows the classes."""
    return _copied(folder, _two_classes(folder.name, n, seed, share, apart))


def _copied(folder: Path, first: Path) -> Workspace:
    shutil.copytree(first, folder, dirs_exist_ok=True)
    return Workspace(folder)


@cache
def _two_classes(name: str, n: int, seed: int, share: float, apart: float) -> Path:
    """Make the folder that `made` copies: of hundreds of tests, a process makes each only once."""
    with Workspace.create(_firsts() / name, classes=CLASSES, salt=f"salt {seed}") as space:
        grow(space, n, np.random.default_rng(seed), share=share, apart=apart)
    return space.folder


def _firsts() -> Path:
    folder = tempfile.mkdtemp(prefix="lassoscope-", dir=os.environ.get("PYTEST_DEBUG_TEMPROOT"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


def grow(space, n, rng, *, share=0.4, apart=1.6):
    explicit = rng.random(n) < share
    ids = _ids(n, rng)
    x = rng.normal(size=(n, DIM))
    x[:, 0] += apart * explicit
    _add(space, x, [CLASSES[int(e)].name for e in explicit], ids)


def _ids(n, rng):
    return [f"{rng.integers(2**63):032x}" for _ in range(n)]


def _add(space, x, names, ids):
    first, n = space.n_images, len(x)
    records = [
        ImageRecord(key, f"/none/{key}.png", 8, 8, 1, "PNG", key, key, {"label": name})
        for key, name in zip(ids, names, strict=True)
    ]
    space.catalog.images.add_batch(records, [], [])
    space.catalog.models.add_encoder("made", DIM, {})
    position = len(space.catalog.models.parts("made"))
    file = write_part(space.folder / "embeddings", position, x)
    space.catalog.models.add_part("made", position, first, first + n, str(file.relative_to(space.folder)))
    space.catalog.settings.set("encoder", "made")
    space.reload()


THREE = (*CLASSES, ImageClass("weapons", "#009e73", "3", flagged=True))


def three_classes(folder: Path, *, n=1_200, seed=0, shares=(0.25, 0.2), apart=2.0) -> Workspace:
    """Make a workspace in which "explicit" and "weapons" are flagged, in directions of their own; gold knows the classes."""
    return _copied(folder, _three_classes(folder.name, n, seed, shares, apart))


@cache
def _three_classes(name: str, n: int, seed: int, shares: tuple[float, float], apart: float) -> Path:
    rng = np.random.default_rng(seed)
    codes = rng.choice(3, n, p=[1 - sum(shares), *shares])
    x = rng.normal(size=(n, DIM))
    x[np.arange(n), codes] += apart * (codes > 0)
    with Workspace.create(_firsts() / name, classes=THREE, salt=f"salt {seed}") as space:
        _add(space, x, [THREE[code].name for code in codes], _ids(n, rng))
    return space.folder


def teach(space, n, rng):
    gold = space.gold("label")
    free = np.flatnonzero(~space.is_check & (space.labels.codes < 0))
    give(space, rng.permutation(free)[:n], gold, source="single")
    return refit(space)


def give(space, rows, gold, *, source="check", analyst="ann"):
    for code, name in enumerate(space.class_names):
        mine = rows[gold[rows] == code]
        if len(mine):
            label(space, mine, name, analyst=analyst, source=source)


def read(space, n, purpose="promise", analyst="ann"):
    give(space, queues.queue(space, purpose, n, analyst=analyst), space.gold("label"), analyst=analyst)


def with_gold(space, column, values):
    """Give every image a value in a gold column, in the order of the rows."""
    space.catalog.images.add_batch([], [], [], gold=[(space.image_id(row), column, value) for row, value in enumerate(values)])


def with_columns(folder: Path) -> Workspace:
    """Make a taught and read workspace with score columns: good, safe (the same, declared), wrong, and half (some missing)."""
    space, rng = made(folder), np.random.default_rng(4)
    truth = (space.gold("label") == 1).astype(float)
    good = 1 / (1 + np.exp(-(3 * truth - 1.5 + rng.normal(size=len(truth)))))
    half = np.where(rng.random(len(truth)) < 0.3, np.nan, good + 5)
    columns = {"good": (False, good), "safe": (True, 1 - good), "wrong": (False, 100 - good), "half": (False, half)}
    space.catalog.score_columns.put([NewColumn(name, safer, "v.csv", values) for name, (safer, values) in columns.items()])
    teach(space, 60, rng)
    read(space, 110, "live")
    read(space, 50, "promise")
    return space
