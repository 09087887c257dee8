"""`lassoscope compare` prints what `compare_scorers` finds, as text and as JSON."""

import json
import re

import pytest
from typer.testing import CliRunner

from core.probe.live import refit
from core.probe.scorers import compare_scorers
from core.workspace import Workspace
from dashboard.cli import app
from tests.worlds import with_columns


def test_the_command_prints_what_the_verb_finds(tmp_path):
    folder = tmp_path / "w"
    with with_columns(folder) as space:
        refit(space)
        found = {scorer.name: scorer for scorer in compare_scorers(space)}
    told = json.loads(CliRunner().invoke(app, ["compare", "-w", str(folder), "--json"]).stdout)
    assert told["recall"] == 0.9
    for record in told["scorers"]:
        mine = found[record["name"]]
        assert record["average_precision"] == pytest.approx(list(mine.average_precision))
        if mine.against is not None:
            assert record["against_probe"]["precision_at_recall"] == pytest.approx(list(mine.against.precision))
    text = CliRunner().invoke(app, ["compare", "-w", str(folder), "--recall", "0.8"]).stdout
    assert "'safe' (higher = safer): 1,200 of 1,200 images scored, from v.csv." in text
    assert re.search(r"^Judged on the \d+ check labels for live curves; [\d,]+ more are sealed for the promise\.$", text, re.M)
    assert "at 80% recall" in text
    assert "'wrong' ranks worse than chance" in text
    kept = CliRunner().invoke(app, ["compare", "-w", str(folder), "--stack", "score:good"]).stdout
    assert (
        "'probe + good' (higher = more likely flagged): 1,200 of 1,200 images scored, from 'good' and 60 teach labels." in kept
    )
    gone = CliRunner().invoke(app, ["compare", "-w", str(folder), "--remove", "probe + good"]).stdout
    assert "'probe + good'" not in gone
    assert "'wrong' (higher" in gone


def test_without_a_score_column_the_command_says_how_to_bring_one(tmp_path):
    with Workspace.create(tmp_path / "w"):
        pass
    assert "There is no score column" in CliRunner().invoke(app, ["compare", "-w", str(tmp_path / "w")]).stdout
