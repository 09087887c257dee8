"""Workspaces that tests share: each is built once a run, and every process takes a copy.

`small` has real pictures with made-up embeddings and map; `demo_400` has the demo's images and its encoder; `worked_on` has
labels and a map besides.
"""

import gc
import os
import secrets
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from functools import cache, partial
from pathlib import Path

if "PYTEST_XDIST_WORKER" in os.environ:  # one process a core: threads of torch in each would wait for each other
    os.environ["OMP_NUM_THREADS"] = "1"  # before torch is imported; processes that tests start have it too
    os.environ["NUMBA_NUM_THREADS"] = "1"  # or the first layout gives torch its threads back: training takes 10x

import numpy as np
import pytest
from filelock import FileLock

ROOT = Path(__file__).resolve().parents[1]
LONGEST = ("test_loop.py", "test_study.py", "test_kills.py")
MEMORY, ROOM = "/dev/shm", 8 << 30  # bytes, of which a run takes one at most: what passed tests leave is removed at once


def pytest_collection_modifyitems(items):
    """Begin with the longest tests; at the end one process would work on them and the others wait for it."""
    items.sort(key=lambda item: item.path.name not in LONGEST)
    gc.collect()
    gc.freeze()  # what is imported stays: each collection of garbage would walk all of it


def pytest_configure(config):
    """Keep the folders of tests in memory where there is room: each commit to a catalog would wait for the disk."""
    with suppress(OSError):
        if shutil.disk_usage(MEMORY).free > ROOM and os.access(MEMORY, os.W_OK):
            os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", MEMORY)


@pytest.fixture(scope="session", autouse=True)
def _statements_compiled_once():
    """Let all catalogs share a dialect and what was compiled for it: each of thousands would compile all its statements."""
    import sqlalchemy as sa

    create, compiled = sa.create_engine, {}
    first = create("sqlite://")
    first.connect().close()  # which completes the dialect

    def create_engine(*arguments, **options):
        engine = create(*arguments, **options)
        if "creator" in options:
            engine.dialect = first.dialect
            engine.update_execution_options(compiled_cache=compiled)
        return engine

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sa, "create_engine", create_engine)
        yield
    first.dispose()


@pytest.fixture(scope="session", autouse=True)
def _commands_built_once():
    """Let tests that type a command share the tree of commands: Typer would build all of it for each, 50 ms."""
    import typer.testing

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(typer.testing, "_get_command", cache(typer.testing._get_command))
        yield


@pytest.fixture(scope="session")
def small_made(tmp_path_factory):
    """A workspace folder with 48 labelled images, one encoder "made" with a map, and one kept probe; `images/` beside it."""
    place = tmp_path_factory.mktemp("small")
    build("small", place)
    return place


@pytest.fixture
def small(small_made, tmp_path):
    """A copy of that folder, to be damaged."""
    return shutil.copytree(small_made / "w", tmp_path / "w")


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A hub on loopback with a small ViTMSN, and an empty cache on this machine."""
    from tests.hub import serving, vit_msn

    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    with serving(vit_msn()) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        monkeypatch.setattr(
            "huggingface_hub.constants.ENDPOINT", hub.url
        )  # no test asks the real one, whatever the client does
        monkeypatch.setattr(
            "huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", hub.url + "/{repo_id}/resolve/{revision}/{filename}"
        )
        yield hub


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
    return built_once("demo", partial(build, "demo"))


@pytest.fixture(scope="session")
def worked_on(built_once, demo_400):
    """The same with first labels, readings, a model, and a map; tests leave it as it was, or take a copy."""
    return built_once("worked-on", partial(build, "worked_on", demo_400=demo_400))


@pytest.fixture(scope="session")
def promised(built_once):
    """`w`, a workspace with an opened check set; `old`, its 400 images, and `new`, 120 that it has not seen."""
    return built_once("promised", partial(build, "promised"))


def build(name, folder, **options):
    """Build one of the shared workspaces."""
    from tests import shared  # not above: the process that only hands out tests would load torch for seconds

    getattr(shared, f"build_{name}")(folder, **options)


@pytest.fixture
def fresh(tmp_path):
    """A workspace of a few images without embeddings."""
    from core.workspace import Workspace
    from tests.reading import take_in
    from tests.shared import photo

    (tmp_path / "images").mkdir()
    for i in range(12):
        photo(i).save(tmp_path / "images" / f"p{i}.png")
    with Workspace.create(tmp_path / "w", salt="first") as space:
        take_in(space, tmp_path / "images")
        yield space
