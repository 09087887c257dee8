"""The stages of the work as commands: their JSON on real demo images."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

from core.encoders.chosen import use_encoder
from core.errors import InputError
from core.overview import label_counts
from core.probe.live import refit
from core.workspace import Workspace
from dashboard.cli import app


def test_the_commands_give_sensible_json(command, worked_on):
    w = ("-w", worked_on)
    assert command("project", *w)["images"] == 400
    assert command("fit", *w)["flagged"] == ["footwear"]
    found = command("curves", *w, "--gold", "label")["curves"]
    assert [c["key"] for c in found] == ["training", "check", "gold"]
    picks = command("suggest", *w, "--n", "10")["suggestions"]
    assert len({p["id"] for p in picks}) == 10
    assert command("doctor", *w)["problems"] == []
    assert [c["name"] for c in command("classes", *w)["classes"]] == ["neutral", "footwear", "copyright"]


def test_clusters_of_the_map_are_found_and_listed(command, worked_on):
    found = command("clusters", "-w", worked_on, "--grain", "coarse")["clusters"]
    assert len(found) >= 2
    assert all(len(c["pictures"]) == 6 and c["size"] >= 20 for c in found)
    assert command("clusters", "-w", worked_on, "--grain", "coarse", "--again")["clusters"] == found


def test_weights_trained_on_the_workspace_embed_it(command, demo_400, tmp_path):
    folder, out = shutil.copytree(demo_400, tmp_path / "w"), tmp_path / "mine.safetensors"
    w = ("-w", folder)
    settings = ("--preset", "tiny-32", "--epochs", "1", "--set", "architecture.depth=1", "--set", "batch_size=100")
    result = command("train", *w, *settings, "--device", "cpu", "--out", out)
    assert (result["finished"], result["steps"], result["images"]) == (True, 4, 400)
    again = CliRunner().invoke(app, ["train", *w, *settings, "--out", out])
    assert again.exit_code == 1
    assert "--resume" in again.output
    assert command("train", *w, *settings, "--resume", "--out", out)["steps"] == 4
    assert [r["state"] for r in map(json.loads, (p.read_text() for p in sorted((folder / "training").glob("*/run.json"))))] == [
        "finished",
        "finished",
    ]
    found = command("embed", *w, "--encoder", out, "--device", "cpu")
    assert found["encoder"].startswith("mine-")
    assert found["embedded"] == 400
    assert "400 images of the workspace" in found["data"]
    assert command("embed", *w, "--device", "cpu")["encoder"] == found["encoder"]  # the current one stays


def test_encoders_are_listed_compared_on_the_same_labels_and_switched(command, worked_on, tmp_path):
    folder = shutil.copytree(worked_on, tmp_path / "w")
    w = ("-w", folder)
    with Workspace(folder) as space:  # a later set has begun: the readings of this one may be watched
        space.set_check_set(replace(space.check_set, number=2, after=1.0))
    command("embed", *w, "--encoder", "random", "--device", "cpu")
    found = {e["name"].split("-")[0]: e for e in command("encoders", *w, "--compare")["encoders"]}
    assert set(found) == {"msn", "random"}
    assert found["random"]["current"]
    assert not found["msn"]["current"]
    assert found["msn"]["mapped"] == 400
    assert found["random"]["mapped"] == 0
    assert found["msn"]["labels"] == found["random"]["labels"] == 10
    assert found["msn"]["average_precision"] > found["random"]["average_precision"] > 0.3
    before = command("doctor", *w)["workspace"]["labels"]
    command("encoders", *w, "--use", found["msn"]["name"])
    with Workspace(folder) as space:
        assert space.encoder_name == found["msn"]["name"]
        assert np.isfinite(space.xy).all()
        assert label_counts(space)["labels"] == before
        assert refit(space) is not None
        with pytest.raises(InputError, match="no embeddings by 'other'"):
            use_encoder(space, "other")


def test_a_workspace_that_is_not_there_is_one_sentence(tmp_path):
    result = CliRunner().invoke(app, ["embed", "-w", str(tmp_path / "none")])
    assert result.exit_code == 1
    assert "Traceback" not in result.output
    assert CliRunner().invoke(app, ["embed"]).exit_code == 2
