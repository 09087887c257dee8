"""What is heavy is done in processes of its own: with the same result, and what one of them had done outlives it."""

import os
import shutil
import signal
from functools import partial

import numpy as np
import pytest

from core.catalog.jobs import JobState
from core.encoders import parts
from core.encoders.embed import embed
from core.encoders.parts import NewPart, embed_part
from core.jobs.runner import JobRunner
from core.map.project import project
from core.workers import Workers
from core.workspace import Workspace
from tests.waiting import wait_for


@pytest.fixture(scope="module")
def pool():
    with Workers(1, seconds=None, memory=None, nice=15) as pool:
        yield pool


@pytest.mark.slow
def test_a_process_embeds_and_lays_out_as_this_one_does_and_writes_nothing_else(demo_400, tmp_path, pool, monkeypatch):
    monkeypatch.setattr(parts, "PART_ROWS", 150)
    found = {}
    for name, options in {"here": {}, "there": {"pool": pool}}.items():
        with Workspace(shutil.copytree(demo_400, tmp_path / name)) as space:
            reports = []
            result = embed(space, "random", device="cpu", on_progress=lambda *told: reports.append(told), **options)  # noqa: B023
            assert reports[-1] == (400, 400)
            made = project(space, seed=3, device="cpu", **options)
            x = space.matrix.take(np.arange(400))
            made_of = space.catalog.models.parts(space.encoder_name)
            found[name] = result, made["images"], made["trustworthiness"], x, space.xy, space.groups, made_of
    here, there = found.values()
    assert here[:3] == there[:3]
    assert here[6] == there[6]
    np.testing.assert_allclose(here[3], there[3], atol=2e-3)
    np.testing.assert_array_equal(here[5], there[5])
    np.testing.assert_allclose(here[4], there[4], atol=1e-2)


def test_a_part_that_a_process_wrote_counts_only_once_the_catalog_names_it(demo_400, tmp_path, pool):
    with Workspace(shutil.copytree(demo_400, tmp_path / "w")) as space:
        encoder, before = space.encoder_name, space.matrix.rows
        told = []
        part = NewPart(encoder, 7, 0, 20, f"embeddings/{encoder}/part-00007.npy")
        arguments = space.folder, part, "cpu"
        assert pool.submit_telling(embed_part, *arguments, on_told=lambda *said: told.append(said)).result() == 0
        assert told[-1] == ("Embedding", 20, 20)
        space.reopen_encoder()
        assert space.matrix.rows == before
        np.testing.assert_array_equal(np.load(space.folder / part.file), space.matrix.take(np.arange(20)).astype(np.float16))


@pytest.mark.slow
def test_a_job_whose_process_is_killed_goes_on_and_ends_as_if_it_had_not_been(demo_400, tmp_path, monkeypatch):
    monkeypatch.setattr(parts, "PART_ROWS", 100)
    killed, submit = [], Workers.submit_telling

    def submit_and_kill(self, function, *arguments, on_told):
        def told(*said):
            if len(killed) < 2 and said[1]:  # once it has embedded something, whichever process it is
                killed.append(next(process._process.pid for process in self._all))
                os.kill(killed[-1], signal.SIGKILL)
            on_told(*said)

        return submit(self, function, *arguments, on_told=told)

    monkeypatch.setattr(Workers, "submit_telling", submit_and_kill)
    with Workspace(shutil.copytree(demo_400, tmp_path / "w"), device="cpu") as space:
        runner = JobRunner(space)
        job = runner.add("embed", {"encoder": "random"}, "ann")
        wait_for(lambda: runner.get(job.number).starts == 2, "it did not begin again")  # three processes that import torch
        wait_for(lambda: not runner.get(job.number).is_open)
        found = runner.get(job.number)
        runner.stop()
        assert found.state == JobState.DONE, found
        assert len(killed) == 2  # a call is tried twice, then the job begins again
        assert found.starts == 2
        assert [part[:2] for part in space.catalog.models.parts(space.encoder_name)] == [
            (0, 100),
            (100, 200),
            (200, 300),
            (300, 400),
        ]
        there = space.matrix.take(np.arange(400))
    with Workspace(shutil.copytree(demo_400, tmp_path / "here")) as space:
        embed(space, "random", device="cpu")
        np.testing.assert_allclose(space.matrix.take(np.arange(400)), there, atol=2e-3)


def stubborn(tell):
    """Work and say nothing that anybody could answer."""
    tell("Working", 0, 1)
    while True:
        pass


def test_a_cancelled_job_does_not_wait_for_a_process_that_says_nothing(demo_400, tmp_path, monkeypatch):
    from core.jobs import kinds

    def run(work):
        with work.processes() as pool:
            return pool.submit_telling(stubborn, on_told=work.tell).result()

    monkeypatch.setitem(kinds.KINDS, "embed", kinds.Kind("embed", "", kinds.Lane.IMAGES, kinds.EmbedArguments, run))
    with Workspace(shutil.copytree(demo_400, tmp_path / "w")) as space:
        runner = JobRunner(space)
        job = runner.add("embed", {}, "ann")
        state = partial(lambda: runner.get(job.number))
        wait_for(lambda: state().stage == "Working")
        runner.cancel(job.number)
        wait_for(lambda: state().state == JobState.CANCELLED)
        runner.stop()
