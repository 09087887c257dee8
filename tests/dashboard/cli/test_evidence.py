"""The commands about evidence: what they print of a check set before and after it is opened."""

import json

import numpy as np
import pytest

from core.catalog.score_columns import NewColumn
from core.workspace import Workspace
from tests.worlds import made, read, teach, three_classes, with_columns


def test_figures_of_a_check_set_are_printed_once_it_is_opened(tmp_path, command):
    with made(tmp_path / "w") as space:
        teach(space, 60, np.random.default_rng(1))
        read(space, 150)

    def run(*words):
        return command(*words, "-w", tmp_path / "w")

    assert run("guideline", "--set", "v2")["guideline"] == "v2"
    before = run("promise")
    assert before["opened"] is None
    assert before["n"] == 150
    assert "threshold" not in json.dumps(before["sentences"])
    found = run("promise", "--recall", "0.8", "--confidence", "0.9", "--reveal")
    assert found["opened"]["recall"] == 0.8
    assert found["opened"]["alpha"] == pytest.approx(0.08)
    assert found["opened"]["figures"]["reviewed"] > 0
    assert run("promise")["opened"]["threshold"] == found["opened"]["threshold"]
    curves = {c["key"]: c for c in run("curves")["curves"]}
    assert curves["opened"]["n"] == 150
    assert all(low <= value for low, value in zip(curves["opened"]["recall_band"], curves["opened"]["recall"], strict=True))


def test_policies_are_declared_judged_and_opened_one_by_one(tmp_path, command, refused):
    with three_classes(tmp_path / "w") as space:
        teach(space, 90, np.random.default_rng(1))
        read(space, 200)

    def run(*words):
        return command(*words, "-w", tmp_path / "w")

    assert run("policies") == {"policies": [], "in_no_policy": []}
    assert run("policies", "--set", "weapons", "--recall", "0.8")["in_no_policy"] == ["explicit"]
    alone = run("promise")
    assert (alone["policy"], alone["recall"], alone["next_alpha"]) == ("weapons", 0.8, pytest.approx(0.04))
    assert run("policies", "--set", "harm", "--classes", "explicit, weapons")["policies"][1] == {
        "name": "harm",
        "classes": ["explicit", "weapons"],
        "recall": 0.9,
    }
    assert "name one with --policy: weapons, harm" in refused("promise", "--reveal", "-w", tmp_path / "w")
    found = run("promise", "--policy", "harm", "--reveal")
    assert (found["opened"]["recall"], found["opened"]["alpha"]) == (0.9, pytest.approx(0.02))
    both = run("promise")["policies"]
    assert [(one["policy"], one["opened"] is None) for one in both] == [("weapons", True), ("harm", False)]
    curves = {c["key"]: c for c in run("curves", "--policy", "harm")["curves"]}
    assert curves["opened"]["n_flagged"] == both[1]["n_flagged"] > both[0]["n_flagged"]
    assert 0 < curves["training"]["n_flagged"] < curves["training"]["n"]
    few = {c["key"]: c for c in run("curves", "--policy", "weapons")["curves"]}
    assert few["training"]["n_flagged"] < curves["training"]["n_flagged"]
    assert "opened" not in few
    assert "no policy 'arms'" in refused("curves", "--policy", "arms", "-w", tmp_path / "w")
    assert run("policies", "--remove", "harm")["in_no_policy"] == ["explicit"]


def test_a_score_column_is_promised_and_stands_beside_the_probe(tmp_path, command, refused):
    with with_columns(tmp_path / "w") as space:
        read(space, 100)

    def run(*words):
        return command("promise", *words, "-w", tmp_path / "w")

    alone = run("--scorer", "good", "--reveal")["opened"]
    assert alone["sentences"][0].startswith("Review images with scores of 'good' ≥ ")
    assert alone["beside"] == []
    probe = run("--reveal")["opened"]
    (other,) = probe["beside"]
    assert (other["scorer"], other["n"]) == ("good", 150)
    assert other["average_precision"]["high"] < 0
    assert any("'probe' is worse than 'good'" in sentence for sentence in probe["sentences"])
    assert run("--scorer", "good")["opened"]["threshold"] == alone["threshold"]
    assert run("--scorer", "good")["next_alpha"] == alone["alpha"]  # looking again is free
    with Workspace(tmp_path / "w") as space:
        other = NewColumn("good", False, "v.csv", np.arange(space.n_images) / 7)
        space.catalog.score_columns.put([other])
    changed = run("--scorer", "good")
    assert changed["opened"] is None
    assert changed["problem"].startswith("Opening 1 cannot be shown. The scores of 'good' have changed since opening 1")
    assert "There is no score column 'best'" in refused("promise", "--scorer", "best", "-w", tmp_path / "w")
    assert "'half' has no score for" in refused("promise", "--scorer", "half", "--reveal", "-w", tmp_path / "w")
