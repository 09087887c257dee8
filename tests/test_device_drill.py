"""The device drill: what keeps a run from being lost, and all of it on the CPU."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import device_drill
from benchmarks.drill import wheels
from benchmarks.drill.record import Recorder, Row, markdown, read_rows, write

ROOT = Path(__file__).resolve().parents[1]


def test_a_row_cut_short_by_a_kill_is_left_out(tmp_path):
    record = Recorder("speed", tmp_path / "rows")
    record.add("scores", {"ms": 1.5, "time over floor": 2.0})
    with (tmp_path / "rows").open("a") as out:
        out.write('{"part": "speed", "wh')
    assert read_rows(tmp_path / "rows") == [Row("speed", "scores", {"ms": 1.5, "time over floor": 2.0})]


def test_a_part_that_recorded_nothing_has_no_rows(tmp_path):
    assert read_rows(tmp_path / "rows") == []


def test_each_part_has_a_table_and_a_failure_its_sentence():
    rows = [
        Row("speed", "scores", {"N": 1_000_000, "ms": 12.34}),
        Row("speed", "k-means", {"N": 50_000}, "Out of | memory."),
        Row("training", "tiny-64", {"loss": 0.00123}),
    ]
    assert markdown(rows).splitlines() == [
        "| speed | N | ms | result |",
        "| --- | --- | --- | --- |",
        "| scores | 1,000,000 | 12.3 |  |",
        "| k-means | 50,000 |  | FAILED: Out of / memory. |",
        "",
        "| training | loss |",
        "| --- | --- |",
        "| tiny-64 | 0.0012 |",
    ]


def test_results_are_written_with_the_number_of_failures(tmp_path):
    write(tmp_path, [Row("tests", "pytest", {"passed": 3}), Row("tests", "pytest", {}, "1 of the tests failed.")])
    assert json.loads((tmp_path / "drill.json").read_text())["failed"] == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["drill.json", "drill.md"]


def test_a_part_that_hangs_is_stopped_and_its_output_kept(tmp_path):
    hang = [sys.executable, "-c", "import time; print('started', flush=True); time.sleep(600)"]
    assert device_drill.run(hang, {}, log=tmp_path / "log", limit=2) == "was stopped after 2 s"
    assert (tmp_path / "log").read_text() == "started\n"


def test_a_part_that_crashes_says_so(tmp_path):
    crash = [sys.executable, "-c", "import os; os.abort()"]
    assert device_drill.run(crash, {}, log=tmp_path / "log", limit=60) == "ended with exit code -6"


def test_without_the_carried_wheels_the_drill_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr(wheels, "FOLDER", tmp_path / ".drill-wheels")
    monkeypatch.setattr(wheels, "PACKAGES", {"a_module_nobody_has": "some-package"})
    with pytest.raises(FileNotFoundError, match=r"lacks some-package; run .*--fetch-wheels"):
        wheels.install_missing(tmp_path / "site")


def test_the_carried_packages_are_in_the_lock():
    locked = set(re.findall(r"^([\w.-]+)==", (ROOT / "requirements.lock").read_text(), re.M))
    assert set(wheels.PACKAGES.values()) <= locked


@pytest.mark.slow
def test_the_small_drill_runs_every_part_and_nothing_fails(tmp_path):
    from benchmarks.drill.functions import FUNCTIONS

    command = [sys.executable, "-m", "benchmarks.device_drill", "--device", "cpu", "--small", "--out", tmp_path]
    drill = subprocess.run([str(word) for word in command], cwd=ROOT, capture_output=True, text=True, timeout=660)
    rows = json.loads((tmp_path / "drill.json").read_text())["rows"]
    assert [row for row in rows if row["failed"]] == []
    assert drill.returncode == 0
    of = {table: [row["what"] for row in rows if row["part"] == table] for table in (*device_drill.SMALL.parts, "floors")}
    assert of["floors"] == ["cpu"]
    names = {function.name for function in FUNCTIONS}
    assert set(of["agreement"]) == names
    for name in names:
        assert of["speed"].count(name) == 2  # in pieces, and as the product computes on a CPU
    assert {"tiny-64", "small-224"} == set(of["training"])
    assert len(of["embedding"]) == 2
    assert len(of["machine"]) == 2
    assert any(what.startswith("pytest -m") for what in of["tests"])
    assert all(row["what"] in drill.stdout for row in rows)
