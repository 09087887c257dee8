"""Workspaces that tests share: each is built once a run, and every process takes a copy.

`small` has real pictures with made-up embeddings and map; `demo_400` has the demo's images and its encoder; `worked_on` has
labels and a map besides.
"""

import os
import secrets
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

if "PYTEST_XDIST_WORKER" in os.environ:  # one process a core: threads of torch in each would wait for each other
    os.environ["OMP_NUM_THREADS"] = "1"  # before torch is imported; processes that tests start have it too
    os.environ["NUMBA_NUM_THREADS"] = "1"  # or the first layout gives torch its threads back: training takes 10x

import numpy as np
import pandas as pd
import pytest
from filelock import FileLock
from PIL import Image

from core.demo.datasets import write_demo_images
from core.embeddings.matrix import write_part
from core.encoders.chosen import use_encoder
from core.encoders.embed import embed
from core.evidence.check_sets import change_terms, open_check_set
from core.evidence.queues import check_queue, queue
from core.labels.actions import label
from core.labels.classes import parse_classes
from core.map.project import project
from core.probe.live import refit
from core.probe.suggest import suggest
from core.workspace import Workspace
from tests.reading import take_in

ROOT = Path(__file__).resolve().parents[1]
N = 48


def photo(seed, size=(48, 48)):
    rng = np.random.default_rng(seed)
    return Image.fromarray(rng.integers(0, 255, (8, 8, 3), np.uint8)).resize(size, Image.Resampling.BICUBIC)


@pytest.fixture(scope="session")
def small_made(tmp_path_factory):
    """A workspace folder with 48 labelled images, one encoder "made" with a map, and one kept probe; `images/` beside it."""
    place = tmp_path_factory.mktemp("small")
    images, folder = place / "images", place / "w"
    images.mkdir()
    for i in range(N):
        photo(i).save(images / f"p{i:02d}.png")
    rows = [f"p{i:02d}.png,{'explicit' if i % 3 == 0 else 'neutral'}" for i in range(N)]
    (images / "manifest.csv").write_text("\n".join(["path,label", *rows]) + "\n")
    x = np.random.default_rng(0).normal(size=(N, 8)).astype(np.float32)
    with Workspace.create(folder, salt="small") as space:
        take_in(space, images / "manifest.csv")
        space.catalog.models.add_encoder("made", 8, {"source": "made"})
        file = write_part(folder / "embeddings" / "made", 0, x)
        space.catalog.models.add_part("made", 0, 0, N, str(file.relative_to(folder)))
        (folder / "projection").mkdir()
        np.save(folder / "projection" / "map.npy", x[:, :2])
        space.catalog.models.add_projection("made", N, "projection/map.npy", {"seed": 0, "trustworthiness": None})
        use_encoder(space, "made")
        gold = space.gold("label")
        for code, name in enumerate(space.class_names):
            if (gold == code).any():
                label(space, np.flatnonzero(gold == code), name, analyst="ann")
        refit(space)
    return place


@pytest.fixture
def small(small_made, tmp_path):
    """A copy of that folder, to be damaged."""
    return shutil.copytree(small_made / "w", tmp_path / "w")


@pytest.fixture
def chance():
    """A generator that differs from run to run; a test that fails shows its seed, which LASSOSCOPE_TEST_SEED repeats."""
    seed = int(os.environ.get("LASSOSCOPE_TEST_SEED") or secrets.randbits(32))
    sys.stdout.write(f"LASSOSCOPE_TEST_SEED={seed}\n")
    return np.random.default_rng(seed)


@pytest.fixture
def start():
    """Start processes, each with a group of its own; what is left of them when the test ends is killed."""
    started = []

    def start_(command, **options):
        process = subprocess.Popen(list(map(str, command)), cwd=ROOT, start_new_session=True, **options)
        started.append(process)
        return process

    yield start_
    for process in started:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if process.stdout:
            process.stdout.close()


@pytest.fixture(scope="session")
def built_once(tmp_path_factory):
    """Return `copy(name, build)`: this process's copy of a folder that `build(folder)` fills once a run, in one of them."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def copy(name, build):
        with FileLock(shared / f"{name}.lock"):
            if not (shared / f"{name}.done").exists():
                build(shared / name)
                (shared / f"{name}.done").touch()
        return shutil.copytree(shared / name, tmp_path_factory.mktemp(name) / "w")

    return copy


@pytest.fixture(scope="session")
def demo_400(built_once):
    """400 demo images, embedded, without labels and without a map."""

    def build(folder):
        with Workspace.create(folder, classes=parse_classes("neutral,footwear*,copyright"), salt="story") as space:
            take_in(space, write_demo_images(folder / "images", n_images=400))
            embed(space, "msn-demo", device="cpu")

    return built_once("demo", build)


@pytest.fixture(scope="session")
def worked_on(built_once, demo_400):
    """The same with first labels, readings, a model, and a map; tests leave it as it was, or take a copy."""

    def build(folder):
        with Workspace(shutil.copytree(demo_400, folder)) as space:
            label_first(space, suggest(space, 10))
            refit(space)
            project(space)

    return built_once("worked-on", build)


def label_first(space, suggested):
    """Give what was suggested its true class, and read check images of both parts."""
    gold = space.gold("label")
    for s in suggested:
        label(space, np.array([s.row]), space.class_names[gold[s.row]], analyst="ann")
    for live, n in ((False, 90), (True, 30)):
        for row in check_queue(space, n, live=live):
            label(space, np.array([row]), space.class_names[gold[row]], analyst="bob", source="check")


@pytest.fixture(scope="session")
def promised(built_once):
    """`w`, a workspace with an opened check set; `old`, its 400 images, and `new`, 120 that it has not seen."""

    def build(folder):
        manifest = pd.read_csv(write_demo_images(folder / "all", n_images=520)).sample(frac=1, random_state=0)
        for name, lines in (("old", manifest[:400]), ("new", manifest[400:])):
            (folder / name).mkdir()
            for path in lines["path"]:
                shutil.move(folder / "all" / path, folder / name / path.replace("/", "_"))
            lines.assign(path=lines["path"].str.replace("/", "_")).to_csv(folder / name / "list.csv", index=False)
        with Workspace.create(folder / "w", classes=parse_classes("neutral,footwear*,copyright"), salt="bundle") as space:
            take_in(space, folder / "old" / "list.csv")
            embed(space, "msn-demo", device="cpu")
            gold = space.gold("label")
            rows = [np.flatnonzero(~space.is_check)[:60], queue(space, "promise", 110, analyst="ann")]
            for chosen, source in zip(rows, ("single", "check"), strict=True):
                for code, name in enumerate(space.class_names):
                    mine = chosen[gold[chosen] == code]
                    if len(mine):
                        label(space, mine, name, analyst="ann", source=source)
            refit(space)
            change_terms(space, recall=0.8)
            open_check_set(space, analyst="ann")

    return built_once("promised", build)
