"""What the benchmarks measure on is a workspace like any other."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.generate import generate
from core.doctor.health import workspace_report
from core.labels.actions import label
from core.maths.halves import check_order, in_check_half
from core.probe.live import refit
from core.workspace import Workspace

N = 9_000  # more than one embedding part


@pytest.fixture(scope="module")
def space(tmp_path_factory):
    folder = tmp_path_factory.mktemp("generated")
    generate(folder, n_images=N, dim=64)
    with Workspace(folder) as found:
        yield found


def test_a_generated_workspace_misses_nothing_but_its_files(space):
    assert [problem.split(" are gone")[0] for problem in workspace_report(space)] == [f"The files of {N:,} images"]


def test_halves_and_order_are_those_that_ingest_would_draw(space):
    ids = [name.decode() for name in space.ids]
    assert np.array_equal(space.is_check, in_check_half(ids, salt="benchmark"))
    assert np.array_equal(space.check_order, check_order(ids, salt="benchmark"))


def test_a_generated_workspace_is_indexed_like_any_other(space, tmp_path):
    def indexes(workspace):
        query = "SELECT name, sql FROM sqlite_master WHERE type = 'index' ORDER BY name"
        with workspace.catalog.database.reading() as connection:
            return connection.exec_driver_sql(query).fetchall()

    with Workspace.create(tmp_path / "other") as other:
        assert indexes(space) == indexes(other)


def test_a_probe_learns_the_gold_labels_from_generated_embeddings(space):
    gold = space.gold("label")
    teach = np.flatnonzero(~space.is_check)
    for code, name in enumerate(("neutral", "explicit")):
        label(space, teach[gold[teach] == code][:100], name, analyst="ann")
    fitted = refit(space)
    is_explicit = gold == space.class_names.index("explicit")
    assert fitted.score[is_explicit].mean() > fitted.score[~is_explicit].mean() + 1
    assert space.thumbnail(space.image_id(N - 1), "clear")[:4] == b"RIFF"


ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("million", ["{}/generated", "--images", "4000"]),
        ("map_raster", ["--sizes", "2000"]),
        ("open_labels", ["--images", "2000", "--actions", "400"]),
        ("plot_log", [str(ROOT / "docs/training/msn-tiny-64.csv"), "{}/log.png"]),
        ("throughput", ["--most", "64"]),
    ],
)
def test_a_benchmark_runs_to_its_end_at_a_small_size(tmp_path, name, options):
    command = [sys.executable, "-m", f"benchmarks.{name}", *(option.format(tmp_path) for option in options)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout or list(tmp_path.glob("*.png"))
    assert "nan" not in done.stdout
