"""The first `embed` of a workspace: terminals choose between the encoders, scripts take the shipped weights."""

import json
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from core.encoders.chosen import encoders
from core.encoders.encoder import DEFAULT_ENCODER
from core.workspace import Workspace
from dashboard.cli import app
from tests.hub import SMALL, vit_msn
from tests.reading import take_in
from tests.shared import photo

N = 12


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A workspace with a few images and no embeddings."""
    monkeypatch.setattr("core.encoders.offers.MEASURE_SECONDS", 0.0)
    monkeypatch.setattr("core.encoders.offers.PUBLIC_SHAPE", SMALL)
    monkeypatch.delenv("LASSOSCOPE_ENCODER", raising=False)
    (tmp_path / "images").mkdir()
    for i in range(N):
        photo(i).save(tmp_path / "images" / f"p{i}.png")
    with Workspace.create(tmp_path / "w", salt="choose") as space:
        take_in(space, tmp_path / "images")
    return tmp_path / "w"


@pytest.fixture
def terminal(monkeypatch):
    monkeypatch.setattr("dashboard.cli.prepare.is_at_terminal", lambda: True)


def embed(folder, *words, typed=""):
    return CliRunner().invoke(app, ["embed", "-w", str(folder), "--device", "cpu", *words], input=typed)


def used(folder):
    with Workspace(folder, read_only=True) as space:
        return [encoder["name"].rpartition("-")[0] for encoder in encoders(space)]


def test_the_public_weights_are_offered_with_their_cost_fetched_once_and_used(hub, folder, terminal):
    result = embed(folder, typed="2\n")
    assert result.exit_code == 0, result.output
    assert f"1  {DEFAULT_ENCODER}: shipped, 64 px, " in result.stderr
    assert "2  hf:facebook/vit-msn-small: public, 32 px, 64-d;" in result.stderr
    assert "images/s here, less than a minute for 12 images after a download of 1 MB" in result.stderr
    assert "Apache-2.0 by its model card" in result.stderr
    assert "12 images embedded with facebook-vit-msn-small-" in result.stdout
    assert hub.fetched == ["config.json", "model.safetensors"]
    assert used(folder) == ["facebook-vit-msn-small"]
    asked = len(hub.asked)
    again = embed(folder)
    assert "0 images embedded with facebook-vit-msn-small" in again.stdout
    assert "Which one?" not in again.stderr  # it has been chosen
    assert len(hub.asked) == asked


def test_weights_that_were_fetched_before_need_no_hub(hub, folder, terminal, monkeypatch):
    assert embed(folder, "--encoder", "hf:facebook/vit-msn-small").exit_code == 0
    with Workspace.create(folder.parent / "other", salt="choose") as space:
        take_in(space, folder.parent / "images")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    result = embed(folder.parent / "other", typed="2\n")
    assert "download" not in result.stderr.partition("Which one?")[0].partition("2  hf:")[2]
    assert used(folder.parent / "other") == ["facebook-vit-msn-small"]


def test_without_a_network_the_shipped_weights_are_taken_and_the_reason_is_told(hub, folder, terminal, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    result = embed(folder)
    assert "hf:facebook/vit-msn-small is not offered: The hub cannot be reached from this machine" in result.stderr
    assert "Which one?" not in result.stderr
    assert used(folder) == [DEFAULT_ENCODER]


def test_a_download_cut_off_half_way_embeds_nothing_and_is_named(hub, folder, terminal, monkeypatch):
    monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda _seconds: None)
    hub.cuts = True
    result = embed(folder, typed="2\n")
    assert result.exit_code == 1
    assert "lassoscope: The download of facebook/vit-msn-small was cut off" in result.stderr
    assert used(folder) == []


def test_a_script_is_told_in_one_line_and_takes_the_shipped_weights_without_asking_the_hub(hub, folder):
    result = embed(folder, "--json")
    assert result.exit_code == 0
    told = [line for line in result.stderr.splitlines() if "hf:facebook/vit-msn-small" in line]
    assert len(told) == 1
    assert f"Embedding with {DEFAULT_ENCODER}" in told[0]
    assert json.loads(result.stdout)["encoder"].startswith(f"{DEFAULT_ENCODER}-")
    assert hub.asked == []


def test_the_team_s_default_is_taken_without_a_question_and_an_option_wins(hub, folder, terminal, monkeypatch):
    monkeypatch.setenv("LASSOSCOPE_ENCODER", "pixels-pca")
    assert "Which one?" not in embed(folder).stderr
    assert used(folder) == ["pixels-pca"]
    embed(folder, "--encoder", "msn-demo")
    embed(folder)  # the current one stays, whatever the default
    assert used(folder) == ["pixels-pca", "msn-demo"]
    assert hub.asked == []


def test_files_beside_the_workspace_are_offered_and_taken_by_their_names(hub, folder, terminal):
    weights = folder.parent / "weights"
    weights.mkdir()
    (weights / "ours.safetensors").write_bytes(vit_msn(replace(SMALL, dim=128, heads=2))["model.safetensors"])
    (weights / "half.safetensors").write_bytes(vit_msn()["model.safetensors"][:5_000])
    (weights / "notes.txt").write_text("not weights")
    result = embed(folder, typed="9\nx\n2\n")
    assert result.stderr.count("a number from 1 to 3 is needed") == 2
    assert "2  ours: in weights/, 32 px, 128-d;" in result.stderr
    assert "-  half: " in result.stderr
    assert "half.safetensors is incomplete" in result.stderr
    assert "notes" not in result.stderr
    assert used(folder) == ["ours"]
    assert embed(folder, "--encoder", "msn-demo").exit_code == 0
    assert "0 images embedded with ours-" in embed(folder, "--encoder", "ours").stdout  # by name, without a path
    assert embed(folder, "--encoder", "half").exit_code == 1
