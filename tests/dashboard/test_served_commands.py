"""Commands that train, export or change something of a workspace that is served: its server does it, windows hear of it."""

import json
import shutil
from pathlib import Path

import pytest

from core.catalog.jobs import JobState
from core.delivery.bundle import load_bundle
from core.errors import InputError
from core.jobs.quick import (
    ColumnsArguments,
    PoliciesArguments,
    PromiseArguments,
    columns_changed,
    newest_opening,
    policies_changed,
    promise_changed,
)
from core.labels.policies import set_policy
from core.score_columns.keep import score_columns
from core.training.runs import RunState, read_run, run_folders
from core.workspace import Workspace
from dashboard.api import job_now
from dashboard.app import start, stop
from dashboard.handover import FILE
from dashboard.hub import Topic
from dashboard.settings import Settings
from tests.dashboard.test_handover import run
from tests.waiting import wait_for

SHORT = ("--preset", "tiny-32", "--set", "architecture.depth=1", "--set", "batch_size=100")


@pytest.fixture(scope="module")
def served(promised, tmp_path_factory):
    """A server of a copy of `promised`, and another copy that nobody serves."""
    place, left_out = tmp_path_factory.mktemp("served"), shutil.ignore_patterns("workspace.lock")
    for name in ("w", "alone"):
        shutil.copytree(promised / "w", place / name, ignore=left_out)
    server = start(Settings(workspace=place / "w", analyst="ann", device="cpu"))
    yield server
    stop(server)


@pytest.fixture
def alone(served):
    return served.workspace.folder.parent / "alone"


@pytest.fixture
def heard(served, monkeypatch):
    """The topics that windows are told."""
    topics = []
    publish = served.changes._publish
    monkeypatch.setattr(served.changes, "_publish", lambda topic, data: topics.append(topic) or publish(topic, data))
    return topics


def kind_and_end(server):
    job = server.jobs.newest()[0]
    return job.kind, job.state


def refusal(*words):
    return " ".join(run(*words, code=1).output.split())


def test_an_export_is_a_job_and_ends_as_without_a_server(served, alone, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = run("export", "there", "-w", served.workspace.folder).stdout
    assert kind_and_end(served) == ("export", JobState.DONE)
    assert f"written to {tmp_path / 'there'}: the promise of opening 1" in " ".join(said.split())
    assert served.jobs.newest()[0].message == said.strip()
    told = job_now(served.jobs.newest()[0])  # programs hear of no folder of the owner
    assert str(tmp_path) not in json.dumps(told)
    assert (told["kind"], told["state"]) == ("export", "done")
    told = json.loads(run("export", "there", "-w", served.workspace.folder, "--json").stdout)  # replaces the older bundle
    here = json.loads(run("export", "here", "-w", alone, "--json").stdout)
    same = ("classes", "encoder", "probe", "threshold", "promise", "preprocessing", "workspace")
    assert {key: told[key] for key in same} == {key: here[key] for key in same}
    assert sorted(told["files"]) == sorted(here["files"])
    assert told["folder"] == str(tmp_path / "there")
    assert load_bundle(tmp_path / "there", device="cpu").manifest.version == told["version"]


def test_an_export_that_would_overwrite_other_files_or_has_no_threshold_is_refused_as_without_a_server(served, alone, tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "thesis.txt").write_text("years of work")
    for words in ((tmp_path / "b",), (tmp_path / "c", "--point", "nothing")):
        there, here = (refusal("export", *words, "-w", folder) for folder in (served.workspace.folder, alone))
        assert there == here != ""
        assert kind_and_end(served) == ("export", JobState.FAILED)
    assert [file.name for file in tmp_path.rglob("*")] == ["b", "thesis.txt"]


def test_commands_that_only_read_do_it_themselves_where_a_server_was_killed_or_is_another_users(alone, tmp_path, monkeypatch):
    (alone / FILE).write_text('{"port": 1, "token": "x"}')
    monkeypatch.setattr("core.delivery.bundle._write_onnx", lambda *_: 0.0)
    assert "written to" in run("export", tmp_path / "b", "-w", alone).stdout
    monkeypatch.setattr("pathlib.Path.read_text", _refused(Path.read_text))
    assert "written to" in run("export", tmp_path / "c", "-w", alone).stdout
    monkeypatch.undo()
    (alone / FILE).unlink()


def _refused(read):
    def read_text(path, *args, **kwargs):
        if path.name == FILE:
            raise PermissionError
        return read(path, *args, **kwargs)

    return read_text


# -- training --


def runs_of(server):
    return [record for path in run_folders(server.workspace.folder / "training") if (record := read_run(path)) is not None]


def test_training_is_a_job_that_ends_as_without_a_server_and_its_weights_embed(served, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder, words = served.workspace.folder, (*SHORT, "--epochs", "1", "--out", "mine.safetensors")
    said = " ".join(run("train", *words, "-w", folder).stdout.split())
    assert kind_and_end(served) == ("train", JobState.DONE)
    assert said == f"Trained 4 steps on 400 images; weights in {tmp_path / 'mine.safetensors'}."
    assert "holds an earlier run; add --resume" in " ".join(run("train", *words, "-w", folder, code=1).output.split())
    told = json.loads(run("train", *words, "--resume", "-w", folder, "--json").stdout)
    assert (told["finished"], told["steps"], told["images"]) == (True, 4, 400)
    assert told["out"] == str(tmp_path / "mine.safetensors")
    again = served.jobs.add("train", {**served.jobs.newest()[0].arguments, "resume": False}, "ann").number
    for _ in range(2):  # also when it is tried again: the run is not this job's
        wait_for(lambda: not served.jobs.get(again).is_open)
        assert "holds an earlier run; add --resume" in served.jobs.get(again).message
        served.jobs.retry(again)
    wait_for(lambda: not served.jobs.get(again).is_open)
    assert "There is no preset" in run("train", "--preset", "none", "-w", folder, code=1).output


@pytest.mark.slow
def test_training_that_was_cancelled_or_whose_server_ended_goes_on_where_it_was(promised, tmp_path):
    folder = shutil.copytree(promised / "w", tmp_path / "w", ignore=shutil.ignore_patterns("workspace.lock"))
    asked = {"settings": {}, "images": 400, "out": str(tmp_path / "mine.safetensors"), "checkpoint_epochs": 1}
    asked["settings"] = {
        "architecture.input_size": 32,
        "architecture.depth": 1,
        "batch_size": 100,
        "epochs": 50,
        "focal_size": 16,
    }
    server = start(Settings(workspace=folder, analyst="ann", device="cpu"))
    try:
        job = server.jobs.add("train", asked, "ann")
        wait_for(lambda: server.jobs.get(job.number).done >= 8)
        other = server.jobs.add("clusters", {}, "ann")
        wait_for(lambda: server.jobs.get(other.number).state != JobState.QUEUED)  # it waits for no training
        assert server.jobs.get(job.number).state == JobState.RUNNING
        server.jobs.cancel(job.number)
        wait_for(lambda: server.jobs.get(job.number).state == JobState.CANCELLED)
        assert [record.state for record in runs_of(server)] == [RunState.STOPPED]
        server.jobs.retry(job.number)
        wait_for(lambda: server.jobs.get(job.number).done >= 20)
        assert server.jobs.get(job.number).state == JobState.RUNNING
    finally:
        stop(server)
    server = start(Settings(workspace=folder, analyst="ann", device="cpu"))
    try:
        wait_for(lambda: not server.jobs.get(job.number).is_open)
        found = server.jobs.get(job.number)
        assert (found.state, found.result["steps"], found.result["finished"]) == (JobState.DONE, 200, True)
        last, second, first = runs_of(server)
        assert [record.state for record in (first, second, last)] == [RunState.STOPPED, RunState.STOPPED, RunState.FINISHED]
        assert 4 < second.step[0] <= first.step[-1] + 8
        assert last.step[0] > 4
    finally:
        stop(server)


# -- changes of a moment --


def test_policies_and_the_guideline_are_changed_beside_the_server(served, alone, heard):
    for words in (
        ("policies", "--set", "shoes", "--classes", "footwear", "--recall", "0.85"),
        ("policies", "--remove", "shoes"),
        ("guideline", "--set", "v7"),
    ):
        there, here = (json.loads(run(*words, "-w", folder, "--json").stdout) for folder in (served.workspace.folder, alone))
        assert there == here
        assert kind_and_end(served) == (words[0], JobState.DONE)
    assert served.workspace.guideline == "v7"
    assert served.workspace.policies == []
    assert {Topic.CLASSES, Topic.OPENINGS} <= set(heard)
    refused = refusal("policies", "--set", "hats", "-w", served.workspace.folder)
    assert "which is not there" in refused
    assert refused == refusal("policies", "--set", "hats", "-w", alone)


def test_the_encoder_is_chosen_and_the_probe_fitted_beside_the_server(served, alone, heard):
    name, folder = served.workspace.encoder_name, served.workspace.folder
    there, here = (json.loads(run("encoders", "--use", name, "-w", w, "--json").stdout) for w in (folder, alone))
    assert there == here
    assert kind_and_end(served) == ("encoder", JobState.DONE)
    assert Topic.ENCODER in heard
    assert "has no embeddings by 'other'" in run("encoders", "--use", "other", "-w", folder, code=1).output
    there, here = (json.loads(run("fit", "-w", w, "--json").stdout) for w in (folder, alone))
    assert there | {"probe": 0} == here | {"probe": 0}
    assert there["probe"] == served.workspace.fitted.version > 0
    assert "The server computes on cpu, and so does a fit beside it" in refusal("fit", "--device", "meta", "-w", folder)
    assert refusal("fit", "--device", "cuda:77", "-w", folder) == refusal("fit", "--device", "cuda:77", "-w", alone)
    run("fit", "--device", "cpu", "-w", folder)
    assert kind_and_end(served) == ("fit", JobState.DONE)


def test_score_columns_are_stacked_and_removed_beside_the_server(served, alone, tmp_path):
    folder, space = served.workspace.folder, served.workspace
    lines = [f"{space.image_id(row)},{(row % 7) / 7}" for row in range(space.n_images)]
    (tmp_path / "s.csv").write_text("\n".join(["image,score:vendor", *lines]) + "\n")
    for w in (folder, alone):
        run("labels", "import", tmp_path / "s.csv", "-w", w)
    told = [" ".join(run("compare", "--stack", "vendor", "-w", w).stdout.split()) for w in (folder, alone)]
    assert told[0] == told[1]
    assert "'probe + vendor'" in told[0]
    for w in (alone, folder):
        run("compare", "--remove", "probe + vendor", "-w", w)
    assert kind_and_end(served) == ("columns", JobState.DONE)
    assert "'probe + vendor'" not in run("compare", "-w", folder).stdout


def test_a_check_set_is_opened_and_followed_by_another_beside_the_server(served, alone, heard):
    folder = served.workspace.folder
    for words in (("--recall", "0.82"), ("--recall", "0.8", "--reveal"), ("--new-set",), ()):
        there, here = (json.loads(run("promise", *words, "-w", w, "--json").stdout) for w in (folder, alone))
        for told in (there, here):
            told["opened"] = told["opened"] and {**told["opened"], "at": "", "probe": 0, "sentences": []}
        assert there == here
    assert kind_and_end(served) == ("promise", JobState.DONE)
    assert served.workspace.check_set.number == 2
    assert Topic.OPENINGS in heard
    assert "The recall must be from" in run("promise", "--recall", "2", "-w", folder, code=1).output


def test_a_promise_that_is_done_again_after_a_kill_opens_and_begins_nothing_twice(promised, tmp_path):
    folder = shutil.copytree(promised / "w", tmp_path / "w", ignore=shutil.ignore_patterns("workspace.lock"))
    with Workspace(folder) as space:
        asked = PromiseArguments(
            new_set=True, known_set=1, reveal=True, known_opening=0, scorer="probe", by="ann", recall=0.8
        )  # of one that was asked for before the opening that is there
        assert newest_opening(space, "", "probe") == 1
        done = promise_changed(space, asked)
        assert "Opening 1 has been made since this was asked; it stands." in done.sentence
        assert len(space.catalog.evidence.openings()) == 1
        assert space.check_set.number == 2
        assert "has started" not in promise_changed(space, asked).sentence
        assert space.check_set.number == 2


def test_a_removal_that_is_done_again_after_a_kill_skips_what_is_gone(promised, tmp_path):
    folder = shutil.copytree(promised / "w", tmp_path / "w", ignore=shutil.ignore_patterns("workspace.lock"))
    with Workspace(folder) as space:
        lines = [f"{space.image_id(row)},{(row % 7) / 7},{(row % 5) / 5}" for row in range(space.n_images)]
    (tmp_path / "s.csv").write_text("\n".join(["image,score:x,score:y", *lines]) + "\n")
    run("labels", "import", tmp_path / "s.csv", "-w", folder)
    with Workspace(folder) as space:
        asked = ColumnsArguments(remove="x", known=True, stack="y")
        assert columns_changed(space, asked) == columns_changed(space, asked)
        assert {column.name for column in score_columns(space)} == {"y", "probe + y"}
        with pytest.raises(InputError, match="'x'"):
            columns_changed(space, ColumnsArguments(remove="x"))
        for name in ("shoes", "hats"):
            set_policy(space, name, classes=["footwear"])
        change = PoliciesArguments(remove="hats", known=True)
        assert policies_changed(space, change) == policies_changed(space, change)
        assert [policy.name for policy in space.policies] == ["shoes"]
        with pytest.raises(InputError, match="There is no policy 'hats'"):
            policies_changed(space, PoliciesArguments(remove="hats"))
