"""kill -9 while creating, embedding, labelling, repairing: nothing acknowledged is lost, and work goes on where it stopped."""

import shutil
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from core.catalog.creation import FolderState, state_of
from core.demo.datasets import write_demo_images
from core.doctor.repair import repair
from core.encoders.embed import embed
from core.encoders.encoder import load_encoder
from core.labels.actions import history
from core.workspace import Workspace
from tests.reading import take_in

EMBED = """
import sys, core.encoders.embed as e
from pathlib import Path
from core.workspace import Workspace
from tests.reading import take_in
e.PART_ROWS = 16  # many parts, so that a kill falls between and inside them
with Workspace(Path(sys.argv[1])) as space:
    print("ready", flush=True)
    e.embed(space, "random", device="cpu", on_progress=lambda done, total: print(done, flush=True))
"""
CREATE = """
import sys, core.workspace as w
from pathlib import Path
print("ready", flush=True)
w.Workspace.create(Path(sys.argv[1]), salt="kills").close()
print("made", flush=True)
"""
REPAIR = """
import sys, core.doctor.repair as r
from pathlib import Path
print("ready", flush=True)
r.repair(Path(sys.argv[1]), device="cpu")
"""
LABEL = """
import sys, numpy as np
from core.labels.actions import label
from core.workspace import Workspace
from tests.reading import take_in
from pathlib import Path
with Workspace(Path(sys.argv[1])) as space:
    for i in range(100_000):
        action = label(space, np.array([i % 200]), space.class_names[i % 3], analyst="ann").action
        print(action.seq, flush=True)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kills") / "w"
    with Workspace.create(folder, salt="kills") as space:
        take_in(space, write_demo_images(folder / "images", n_images=200))
    return folder


@pytest.fixture
def run_and_kill(start):
    """Run code, kill it that many seconds after its n-th line, and return all lines it got out."""

    def run(code: str, folder: Path, *, after_lines: int, then: float) -> list[str]:
        lines = []
        process = start([sys.executable, "-c", code, folder], stdout=subprocess.PIPE, text=True)
        while len(lines) < after_lines and (line := process.stdout.readline()):
            lines.append(line.strip())
        time.sleep(then)
        process.kill()
        lines += process.stdout.read().split("\n")
        process.wait()  # its lock on the workspace goes with it
        return [line for line in lines if line]

    return run


def test_embedding_killed_at_random_moments_ends_as_if_never_killed(folder, tmp_path, run_and_kill, start, chance):
    name = load_encoder("random", device="cpu").name
    for after_lines in (1, 4):
        run_and_kill(EMBED, folder, after_lines=after_lines, then=float(chance.uniform(0, 0.1)))
        with Workspace(folder, read_only=True) as space:
            parts = space.catalog.models.parts(name)
            assert [start for start, _, _ in parts] == [16 * i for i in range(len(parts))]  # no gap, none twice
    assert start([sys.executable, "-c", EMBED, folder], stdout=subprocess.DEVNULL).wait() == 0
    with Workspace(folder) as space:
        resumed = space.matrix.take(np.arange(200))
    whole = tmp_path / "w"
    with Workspace.create(whole, salt="kills") as space:
        take_in(space, folder / "images")
        embed(space, "random", device="cpu")
        np.testing.assert_allclose(space.matrix.take(np.arange(200)), resumed, atol=2e-3)


def test_labelling_killed_at_random_moments_keeps_every_acknowledged_label(folder, run_and_kill, chance):
    for after_lines in (3, 40, 150):
        lines = run_and_kill(LABEL, folder, after_lines=after_lines, then=float(chance.uniform(0, 0.2)))
        acknowledged = int(lines[-1])
        with Workspace(folder) as space:
            found = [action.seq for action, _ in history(space)]
            assert found[::-1] == list(range(1, len(found) + 1))
            assert acknowledged <= len(found) <= acknowledged + 1  # one may be on disk without having been told
            again = {action.seq: action for action, _ in history(space)}
            assert all(len(again[seq].rows) == 1 for seq in found)


def test_a_creation_killed_at_random_moments_leaves_a_whole_workspace_or_none(tmp_path, run_and_kill, chance):
    for number in range(4):
        folder = tmp_path / str(number)
        run_and_kill(CREATE, folder, after_lines=1, then=float(chance.uniform(0, 0.08)))
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
        run_and_kill(REPAIR, folder, after_lines=1, then=float(chance.uniform(0, 0.25)))
        with Workspace(folder, read_only=True) as space:
            assert space.labels.codes.tolist() == codes
        repair(folder, device="cpu")
        with Workspace(folder) as space:
            assert space.labels.codes.tolist() == codes
