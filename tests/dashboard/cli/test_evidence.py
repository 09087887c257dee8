"""The commands about evidence: what they print of a check set before and after it is opened."""

import json

import numpy as np
import pytest

from tests.worlds import made, read, teach


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
