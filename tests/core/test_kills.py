"""kill -9 in the middle of embedding and of labelling: nothing acknowledged is lost, and work goes on where it stopped."""

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from core.demo import write_demo_images
from core.encoder import load_encoder
from core.workspace import Workspace

ROOT = Path(__file__).resolve().parents[2]
EMBED = """
import sys, core.workspace as w
from pathlib import Path
w.PART_ROWS = 16  # many parts, so that a kill falls between and inside them
with w.Workspace(Path(sys.argv[1])) as space:
    print("ready", flush=True)
    space.embed("random", device="cpu", on_progress=lambda done, total: print(done, flush=True))
"""
LABEL = """
import sys, numpy as np, core.workspace as w
from pathlib import Path
with w.Workspace(Path(sys.argv[1])) as space:
    for i in range(100_000):
        action = space.label(np.array([i % 200]), space.class_names[i % 3], analyst="ann").action
        print(action.seq, flush=True)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kills") / "w"
    with Workspace.create(folder, salt="kills") as space:
        space.ingest(write_demo_images(folder / "images", n_images=200), workers=2)
    return folder


def run_and_kill(code: str, folder: Path, *, after_lines: int, then: float) -> list[str]:
    """Run code, kill it so many seconds after its so-manieth line, and return all lines it got out."""
    lines = []
    with subprocess.Popen([sys.executable, "-c", code, str(folder)], cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        while len(lines) < after_lines and (line := process.stdout.readline()):
            lines.append(line.strip())
        time.sleep(then)
        process.kill()
        lines += process.stdout.read().split("\n")
    return [line for line in lines if line]


def test_embedding_killed_at_random_moments_ends_as_if_never_killed(folder, tmp_path):
    rng, name = np.random.default_rng(), load_encoder("random", device="cpu").name
    for after_lines in (1, 4):
        run_and_kill(EMBED, folder, after_lines=after_lines, then=float(rng.uniform(0, 0.1)))
        with Workspace(folder, read_only=True) as space:
            parts = space.catalog.parts(name)
            assert [start for start, _, _ in parts] == [16 * i for i in range(len(parts))]  # no gap, none twice
    subprocess.run([sys.executable, "-c", EMBED, str(folder)], cwd=ROOT, check=True, capture_output=True)
    with Workspace(folder) as space:
        resumed = space.matrix.take(np.arange(200))
    whole = tmp_path / "w"
    with Workspace.create(whole, salt="kills") as space:
        space.ingest(folder / "images", workers=2)
        space.embed("random", device="cpu")
        np.testing.assert_allclose(space.matrix.take(np.arange(200)), resumed, atol=2e-3)


def test_labelling_killed_at_random_moments_keeps_every_acknowledged_label(folder):
    rng = np.random.default_rng()
    for after_lines in (3, 40, 150):
        lines = run_and_kill(LABEL, folder, after_lines=after_lines, then=float(rng.uniform(0, 0.2)))
        acknowledged = int(lines[-1])
        with Workspace(folder) as space:
            found = [action.seq for action, _ in space.history()]
            assert found[::-1] == list(range(1, len(found) + 1))
            assert acknowledged <= len(found) <= acknowledged + 1  # one may be on disk without having been told
            again = {action.seq: action for action, _ in space.history()}
            assert all(len(again[seq].rows) == 1 for seq in found)
