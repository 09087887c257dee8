"""kill -9 while creating, embedding, labelling, repairing: nothing acknowledged is lost, and work goes on where it stopped."""

import shutil
import sqlite3
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

import core.encoders.embed
from core.catalog.creation import FolderState, state_of
from core.demo.datasets import write_demo_images
from core.doctor.repair import repair
from core.encoders.embed import embed
from core.encoders.encoder import load_encoder
from core.labels.actions import history, label
from core.workspace import Workspace
from tests.forked import forking
from tests.reading import take_in

N = 96
FORKING = forking()


def embed_all(folder: Path, say) -> None:
    core.encoders.parts.PART_ROWS = 16  # many parts, so that a kill falls between and inside them
    with Workspace(folder) as space:
        say("ready")
        embed(space, "random", device="cpu", on_progress=lambda done, total: say(done))


def create(folder: Path, say) -> None:
    say("ready")
    Workspace.create(folder, salt="kills").close()
    say("made")


def repair_it(folder: Path, say) -> None:
    say("ready")
    repair(folder, device="cpu")


def label_on(folder: Path, say) -> None:
    with Workspace(folder) as space:
        for i in range(100_000):
            say(label(space, np.array([i % N]), space.class_names[i % 3], analyst="ann").action.seq)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kills") / "w"
    with Workspace.create(folder, salt="kills") as space:
        take_in(space, write_demo_images(folder / "images", n_images=N))
    return folder


@pytest.fixture
def run_and_kill():
    """Run code in a process, kill it that many seconds after it said n things, and return all that it said."""

    def run(code, folder: Path, *, after: int, then: float) -> list:
        ours, theirs = FORKING.Pipe(duplex=False)
        process = FORKING.Process(target=code, args=(folder, theirs.send))
        process.start()
        theirs.close()
        said: list = []
        with suppress(EOFError, OSError):  # the last thing may be cut off
            while len(said) < after:
                said.append(ours.recv())
            time.sleep(then)
            process.kill()
            while True:
                said.append(ours.recv())
        process.join()  # its lock on the workspace goes with it
        ours.close()
        process.close()
        return said

    return run


def test_embedding_killed_at_random_moments_ends_as_if_never_killed(folder, tmp_path, run_and_kill, chance):
    name = load_encoder("random", device="cpu").name
    for after in (1, 4):
        run_and_kill(embed_all, folder, after=after, then=float(chance.uniform(0, 0.1)))
        with Workspace(folder, read_only=True) as space:
            parts = space.catalog.models.parts(name)
            assert [start for start, _, _ in parts] == [16 * i for i in range(len(parts))]  # no gap, none twice
    with Workspace(folder) as space:
        embed(space, "random", device="cpu")
        resumed = space.matrix.take(np.arange(N))
    whole = tmp_path / "w"
    with Workspace.create(whole, salt="kills") as space:
        take_in(space, folder / "images")
        embed(space, "random", device="cpu")
        np.testing.assert_allclose(space.matrix.take(np.arange(N)), resumed, atol=2e-3)


def test_labelling_killed_at_random_moments_keeps_every_acknowledged_label(folder, run_and_kill, chance):
    for after in (3, 40, 150):
        said = run_and_kill(label_on, folder, after=after, then=float(chance.uniform(0, 0.2)))
        acknowledged = said[-1]
        with Workspace(folder) as space:
            found = [action.seq for action, _ in history(space)]
            assert found[::-1] == list(range(1, len(found) + 1))
            assert acknowledged <= len(found) <= acknowledged + 1  # one may be on disk without having been told
            again = {action.seq: action for action, _ in history(space)}
            assert all(len(again[seq].rows) == 1 for seq in found)


def test_a_creation_killed_at_random_moments_leaves_a_whole_workspace_or_none(tmp_path, run_and_kill, chance):
    for number in range(4):
        folder = tmp_path / str(number)
        run_and_kill(create, folder, after=1, then=float(chance.uniform(0, 0.08)))
        assert state_of(folder) in (FolderState.COMPLETE, FolderState.MISSING)
        with Workspace.create(folder, salt="again") as space:
            assert len(space.classes) == 3
            assert space.catalog.settings.get("salt") in ("kills", "again")


def test_a_repair_killed_at_random_moments_loses_no_label(small, tmp_path, run_and_kill, chance):
    with Workspace(small, read_only=True) as space:
        codes = space.labels.codes.tolist()
    connection = sqlite3.connect(small / "catalog.sqlite")
    connection.execute("UPDATE settings SET value = '{oops' WHERE key = 'guideline'")
    connection.commit()
    connection.close()
    for number in range(3):
        folder = shutil.copytree(small, tmp_path / str(number))
        run_and_kill(repair_it, folder, after=1, then=float(chance.uniform(0, 0.25)))
        with Workspace(folder, read_only=True) as space:
            assert space.labels.codes.tolist() == codes
        repair(folder, device="cpu")
        with Workspace(folder) as space:
            assert space.labels.codes.tolist() == codes
