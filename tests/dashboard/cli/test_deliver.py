"""`lassoscope export` and `lassoscope score`: what they say and write."""

import shutil

import pandas as pd
import pytest
from typer.testing import CliRunner

from core.evidence import openings, points
from core.workspace import Workspace
from dashboard.cli import app


@pytest.fixture
def quickly(monkeypatch):
    """Exports without the ONNX model, which takes seconds."""
    monkeypatch.setattr("core.delivery.bundle._write_onnx", lambda *_: 0.0)


def say(*words):
    return CliRunner().invoke(app, [*map(str, words)]).output


@pytest.mark.usefixtures("quickly")
def test_an_export_says_what_it_is_of_and_its_bundle_scores_files(promised, tmp_path, command):
    folder = shutil.copytree(promised / "w", tmp_path / "w", ignore=shutil.ignore_patterns("workspace.lock"))
    with Workspace(folder) as space:
        opened = openings.openings(space)[0]
        points.save_point(space, "careful", opened.threshold - 1, opened, analyst="ann")
        points.put_in_force(space, "careful", analyst="ann")
    said = say("export", tmp_path / "b", "-w", folder)
    assert "operating point 'careful', in force; review images that score ≥" in said
    assert "with the promise of 80% recall" in said
    assert "which the promise" not in said
    new = shutil.copytree(promised / "new", tmp_path / "new", ignore=shutil.ignore_patterns("list.csv"))
    (new / "torn.png").write_bytes(b"no picture")
    found = command("score", tmp_path / "b", new, "--out", tmp_path / "s.csv")
    table = pd.read_csv(tmp_path / "s.csv", keep_default_na=False)
    assert (found["scored"], found["reviewed"]) == (120, (table["decision"] == "flag").sum())
    said = say("score", tmp_path / "b", new, "--out", tmp_path / "s.csv")
    assert "120 images scored" in said
    assert f"Table: {tmp_path / 's.csv'}" in said.replace("\n", "")
    assert "not scored" in said
    assert "torn.png" in said
