"""A training run's log: written by one process, read by any other at any moment, also after a kill."""

import csv
import json
import math
import os
import struct
import time

import numpy as np
import pytest
import torch

from core.catalog.records import Removal
from core.encoders.vit import Architecture
from core.errors import BusyError, InputError
from core.images.decode import decode
from core.maths.precision_recall import knn_accuracy
from core.training.loop import MsnConfig, StepMetrics, train
from core.training.run import images_of_state, need_new, only_writer, sample_views, train_on_workspace
from core.training.runs import FIGURES, RunLog, RunState, end_killed, read_run, run_folders, treated_views
from core.workspace import Workspace

LINE = {
    "step": 20, "steps": 100, "loss": 4.5, "learning_rate": 1e-3, "ema": 0.99, "prototypes_used": 30, "spread": 0.9,
    "images_per_second": 50.0, "knn": math.nan, "collapsed": False,
}  # fmt: skip


def read_runs(folder):
    return [record for path in run_folders(folder) if (record := read_run(path)) is not None]


@pytest.fixture
def log(tmp_path):
    return RunLog(tmp_path, {"batch_size": 8}, out=tmp_path / "w.safetensors")


def test_what_is_written_is_read_while_the_run_goes_on(tmp_path, log):
    assert read_runs(tmp_path)[0].step == []
    log.add(LINE)
    log.add(LINE | {"step": 40, "knn": 0.7, "collapsed": True})
    (record,) = read_runs(tmp_path)
    assert (record.state, record.step, record.steps, record.collapsed) == ("running", [20, 40], 100, True)
    assert record.settings == {"batch_size": 8}
    assert math.isnan(record.figures["knn"][0])
    assert record.figures["knn"][1] == 0.7
    log.end(RunState.FINISHED)
    assert read_runs(tmp_path)[0].state == "finished"


def test_a_killed_run_is_distinguished_from_a_running_one_and_its_torn_line_is_passed_over(tmp_path, log):
    log.add(LINE)
    log.add(LINE | {"step": 40})
    written = (log.folder / "metrics.csv").read_bytes()
    assert written.endswith(b",40,100.0\r\n")
    (log.folder / "metrics.csv").write_bytes(written[:-4])  # all columns are there, the last figure is not whole
    long_ago = time.time() - 1_000
    for file in log.folder.iterdir():
        os.utime(file, (long_ago, long_ago))
    (record,) = read_runs(tmp_path)
    assert (record.state, record.step) == ("stopped", [20])


@pytest.mark.parametrize(
    ("file", "content", "state"),
    [
        ("run.json", b"", "broken"),
        ("run.json", b"[]", "broken"),
        ("run.json", b"{}", "broken"),
        ("run.json", b'{"state": "happy", "settings": {}}', "broken"),
        ("run.json", b"\xff", "broken"),
        ("metrics.csv", b"5\n[]\n{}\n\xff\n", "running"),
        ("metrics.csv", b"step,steps,loss\r\nx,1,2\r\n3\r\n", "running"),
        ("metrics.csv", b"step\r\n" + b"1" * 200_000 + b"\r\n", "broken"),
    ],
)
def test_a_run_that_cannot_be_read_is_named_and_stands_in_the_way_of_no_other(request, tmp_path, log, file, content, state):
    before = csv.field_size_limit(131_072)  # as Python has it; libraries raise it for the whole process
    request.addfinalizer(lambda: csv.field_size_limit(before))
    log.add(LINE)
    bad = RunLog(tmp_path, {}, out=tmp_path / "w.safetensors")
    (bad.folder / file).write_bytes(content)
    newest, other = read_runs(tmp_path)
    assert (newest.name, newest.state, newest.step) == (bad.folder.name, state, [])
    assert (other.state, other.step) == ("running", [20])


def test_a_run_logged_as_json_lines_is_still_read(tmp_path, log):
    lines = [LINE | {"knn": None}, LINE | {"step": 40, "collapsed": True}]
    (log.folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"step": 60, "lo')
    (record,) = read_runs(tmp_path)
    assert (record.step, record.steps, record.collapsed) == ([20, 40], 100, True)
    assert math.isnan(record.figures["knn"][0])


def test_a_resumed_run_is_logged_in_a_folder_of_its_own_without_loss_or_repetition(tmp_path):
    shape = Architecture(input_size=16, patch_size=4, dim=24, depth=1, heads=3)
    images = torch.randint(0, 256, (32, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    config = MsnConfig(shape, epochs=4, batch_size=16, prototypes=6, head_hidden=16, head_out=12, focal_size=8, seed=1)
    files = {"out": tmp_path / "w", "state": tmp_path / "w.state", "device": "cpu", "log_steps": 1}
    for resume, until in ((False, 3), (True, 99)):
        log = RunLog(tmp_path / "training", {}, out=tmp_path / "w")
        steps: list[int] = []

        def on_step(metrics: StepMetrics, log=log, steps=steps) -> None:
            steps.append(metrics.step)
            log.add(vars(metrics) | {"collapsed": metrics.collapsed})

        train(images, config, **files, resume=resume, on_step=on_step, stop=lambda: len(steps) >= until)  # noqa: B023
        log.end(RunState.FINISHED if resume else RunState.STOPPED)
    resumed, first = read_runs(tmp_path / "training")
    assert [first.step, resumed.step] == [[1, 2, 3], [4, 5, 6, 7, 8]]
    assert np.isfinite(first.figures["loss"] + resumed.figures["loss"]).all()


def test_tensorboard_can_read_the_figures(log):
    from tensorboardX.proto.event_pb2 import Event

    log.add(LINE | {"knn": 0.5})
    log.end(RunState.FINISHED)
    (file,) = log.folder.glob("events.out.tfevents.*")
    content, found, at = file.read_bytes(), {}, 0
    while at < len(content):  # TFRecord: length, checksum, data, checksum
        (length,) = struct.unpack_from("<Q", content, at)
        event = Event.FromString(content[at + 12 : at + 12 + length])
        found |= {value.tag: (event.step, value.simple_value) for value in event.summary.value}
        at += 16 + length
    assert set(found) == set(FIGURES)
    assert found["loss"] == (20, pytest.approx(4.5))


def test_runs_come_newest_first_and_half_made_folders_are_passed_over(tmp_path):
    names = [RunLog(tmp_path, {}, out=tmp_path / "w").folder.name for _ in range(3)]
    (tmp_path / "99999999-half").mkdir()
    assert [record.name for record in read_runs(tmp_path)] == names[::-1]
    assert read_runs(tmp_path / "none") == []


def test_sample_views_are_kept_as_one_picture(tmp_path, log):
    shape = Architecture(input_size=16, patch_size=4, dim=24, depth=1, heads=3)
    images = np.random.default_rng(0).integers(0, 256, (8, 3, 16, 16), dtype=np.uint8)
    views = sample_views(torch.from_numpy(images[:3]), MsnConfig(shape, focal_size=8))
    assert [[view.shape[0] for view in row] for row in views] == [[16, 16, 16, 8, 8]] * 3
    assert np.abs(views[0][0].transpose(2, 0, 1).astype(int) - images[0]).max() <= 1
    log.show_views(views)
    (record,) = read_runs(tmp_path)
    clear, blurred = (np.asarray(decode(treated_views(record, view)), float) for view in ("clear", "blurred"))
    assert clear.shape == blurred.shape == (3 * 20, 5 * 20, 3)
    assert blurred.std() < clear.std()


def test_knn_accuracy_is_one_for_blobs_and_chance_for_noise():
    rng = np.random.default_rng(0)
    codes = np.repeat([0, 1, 2], 40)
    blobs = np.eye(3)[codes] * 10 + rng.normal(size=(120, 3)) * 0.1
    assert knn_accuracy(blobs, codes) == 1
    assert knn_accuracy(rng.normal(size=(120, 8)), codes) < 0.55
    assert math.isnan(knn_accuracy(blobs, np.zeros(120, int)))
    assert math.isnan(knn_accuracy(blobs[:5], codes[:5]))


def test_a_run_made_to_collapse_is_flagged_and_a_healthy_one_is_not(tmp_path):
    """Without me-max and sinkhorn, and with targets that follow at once, one answer for all images is the cheapest."""
    shape = Architecture(input_size=16, patch_size=4, dim=24, depth=2, heads=3)
    images = torch.randint(0, 256, (64, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    common = {"epochs": 12, "batch_size": 16, "prototypes": 6, "head_hidden": 16, "head_out": 12, "focal_size": 8, "seed": 1}
    ends = []
    for extra in ({}, {"me_max": 0.0, "sinkhorn_iterations": 0, "ema": 0.0, "learning_rate": 1e-2}):
        seen: list[StepMetrics] = []
        train(images, MsnConfig(shape, **common, **extra), out=tmp_path / "w", device="cpu", on_step=seen.append)
        ends.append(seen[-1].collapsed)
    assert ends == [False, True]


def test_a_run_resumes_with_its_images_after_others_came_and_some_were_removed(small, tmp_path):
    out, asked = tmp_path / "mine.safetensors", []

    def go_on(n_images):
        shape = Architecture(input_size=16, patch_size=8, dim=16, depth=1, heads=2)
        config = MsnConfig(architecture=shape, focal_size=8, epochs=2, batch_size=16, prototypes=4, head_hidden=8, head_out=4)
        with Workspace(small, read_only=True) as space:
            seen = lambda rows: asked.append(rows) or type(space).originals(space, rows)  # noqa: E731
            space.originals = seen
            return train_on_workspace(space, config, out=out, resume=True, n_images=n_images, device="cpu")

    assert images_of_state(out) is None
    assert go_on(40).n_images == images_of_state(out) == 40  # 8 came later
    with Workspace(small) as space:
        space.take_out(
            [Removal(row, "2026-01-01T00:00:00.000000+00:00", "ann", "", None, 0, erased=False) for row in range(10)]
        )
    assert go_on(40).finished
    first, second = asked
    assert first.tolist() == list(range(40))
    assert second.tolist() == [*range(10, 48), 10, 11]
    out.with_suffix(".state").write_bytes(b"torn")
    assert images_of_state(out) is None
    with pytest.raises(InputError, match="holds an earlier run; add --resume"):
        need_new(out)


def test_runs_that_were_killed_are_said_to_be_stopped_and_no_others(tmp_path):
    mine, other = tmp_path / "mine.safetensors", tmp_path / "other.safetensors"
    for out in (mine, other):
        RunLog(tmp_path / "training", {}, out=out)
    RunLog(tmp_path / "training", {}, out=mine).end(RunState.FINISHED)
    (tmp_path / "training" / "0").mkdir()
    (tmp_path / "training" / "0" / "run.json").write_text("[")
    end_killed(tmp_path / "training", mine)
    states = [record.state for record in read_runs(tmp_path / "training")]
    assert states == [RunState.FINISHED, RunState.RUNNING, RunState.STOPPED, RunState.BROKEN]


def tiny():
    shape = Architecture(input_size=16, patch_size=8, dim=16, depth=1, heads=2)
    return MsnConfig(architecture=shape, focal_size=8, epochs=1, batch_size=16, prototypes=4, head_hidden=8, head_out=4)


def test_two_runs_never_write_the_same_weights_at_once(small, tmp_path, monkeypatch):
    monkeypatch.setattr("core.training.run.ENDING_SECONDS", 0.05)
    out = tmp_path / "mine.safetensors"
    with Workspace(small, read_only=True) as space:
        with only_writer(out):
            RunLog(small / "training", {}, out=out)
            with pytest.raises(BusyError, match=r"Another process trains .*mine\.safetensors; wait until it is done"):
                train_on_workspace(space, tiny(), out=out, resume=True, device="cpu")
            assert [record.state for record in read_runs(small / "training")] == [RunState.RUNNING]  # still the other's
        assert not out.exists()
        assert train_on_workspace(space, tiny(), out=out, device="cpu").finished  # the other one was killed
    assert [record.state for record in read_runs(small / "training")] == [RunState.FINISHED, RunState.STOPPED]


def test_a_job_goes_on_with_its_own_run_and_overwrites_no_other(small, tmp_path):
    out = tmp_path / "mine.safetensors"
    with Workspace(small, read_only=True) as space:
        for _ in range(2):
            assert train_on_workspace(space, tiny(), out=out, device="cpu", job=7).finished
        for job in (8, None):
            with pytest.raises(InputError, match="holds an earlier run; add --resume"):
                train_on_workspace(space, tiny(), out=out, device="cpu", job=job)
        assert train_on_workspace(space, tiny(), out=out, device="cpu", job=8, resume=True).finished
