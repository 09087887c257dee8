"""What the benchmarks measure on is a workspace like any other, and each of them runs to its end."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.drill.pictures import write_pictures
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
PHOTOS = 80  # 76 of them are near_duplicates's: with one copy of each kind
# What is run small, and how; {tmp} is an empty folder, {photos} one of JPEG files,
# {worked_on} a workspace of 400 with first labels, {generated} a generated one.
SMALL = {
    "million": ["{tmp}/generated", "--images", "4000"],
    "windows": ["{generated}", "--windows", "2", "--seconds", "6", "--no-memory"],
    "growing": ["{worked_on}", "--images", "40", "--seconds", "12"],
    "newcomer": ["{generated}"],
    "map_raster": ["--sizes", "2000"],
    "kernels": [],
    "fresh_demo": ["--runs", "1"],
    "placement": ["{generated}", "--map-seeds", "1", "--speed", "21000"],
    "open_labels": ["--images", "2000", "--actions", "400"],
    "suggestions": ["time", "{generated}"],
    "promise": ["{generated}", "--flagged", "explicit", "--runs", "1", "--teach", "20", "--check", "200"],
    "plot_log": [f"{ROOT}/docs/training/msn-tiny-64.csv", "{tmp}/log.png"],
    "throughput": ["{photos}", "--most", "48"],
    "encoder_quality": ["--work", "{tmp}", "--encoders", "pixels-pca"],
    "fit_pixels": ["--work", "{tmp}", "--out", "{tmp}/pixels.safetensors"],
    "fit_text": ["--photos", "{photos}", "--rounds", "4", "--out", "{tmp}/text.safetensors"],
    "notices": ["--photos", "{photos}", "--each", "1"],
    "near_duplicates": ["--photos", "{photos}", "--share", "0.02"],
}
A_PART = "a part of others"
ARCHIVES = "needs archives of photos that are not in the repository"
NOT_HERE = {
    "device_drill": "runs in tests/test_device_drill.py",
    "generate": "makes what others measure on: tests above",
    "run_all": "runs million and map_raster, which run here, and writes their figures down",
    "layouts": "needs torchdr, which is no dependency",
    "pack_demo": "needs Debian's Fashion-MNIST; tests/core/demo has what it calls",
    "photo_sets": ARCHIVES,
    "photo_quality": ARCHIVES,
    "probe_fine_print": ARCHIVES,
    "train_small64": ARCHIVES,
    "train_tiny64": ARCHIVES,
    "train_demo": "trains for an hour; tests/core/training has what it calls",
    "handle": A_PART,
    "notice_images": A_PART,
    "serving": A_PART,
    "shipped": A_PART,
    "tab": A_PART,
}


def test_every_benchmark_runs_small_or_says_why_not():
    assert not set(SMALL) & set(NOT_HERE)
    assert {*SMALL, *NOT_HERE} == {file.stem for file in (ROOT / "benchmarks").glob("*.py")}


@pytest.fixture(scope="module")
def places(request, tmp_path_factory):
    """The folders that benchmarks start from, each made when the first of them asks."""
    made = {}

    def place(name):
        if name not in made:
            made[name] = tmp_path_factory.mktemp(name)
            if name == "photos":
                write_pictures(made[name], PHOTOS)
            elif name == "worked_on":
                made[name] = request.getfixturevalue("worked_on")
            else:
                generate(made[name], n_images=4_000)
        return made[name]

    return place


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL)
def test_a_benchmark_runs_to_its_end_at_a_small_size(tmp_path, places, name):
    if name == "suggestions":
        pytest.importorskip("lightly_mundig")
    asked = " ".join(SMALL[name])
    given = {place: places(place) for place in ("generated", "photos", "worked_on") if f"{{{place}}}" in asked}
    options = [option.format(tmp=tmp_path, **given) for option in SMALL[name]]
    command = [sys.executable, "-m", f"benchmarks.{name}", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout or list(tmp_path.glob("*.png"))
    assert not re.search(r"\bnan\b|\bnever\b", done.stdout), done.stdout
