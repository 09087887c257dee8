"""What an ingest has read is embedded while it reads on; whatever goes wrong there, the job that follows embeds it."""

import shutil
from concurrent.futures import Future
from contextlib import contextmanager

import numpy as np
import pytest

from core.encoders.chosen import use_encoder
from core.encoders.embed import embed
from core.errors import EncoderError, StoppedError
from core.jobs import ahead, begin
from core.jobs.kept import KeptProcesses
from core.jobs.kinds import KINDS, IngestArguments
from core.jobs.work import Change, Work
from core.map.place import place
from core.map.project import project
from core.workers import CrashedError
from core.workspace import Workspace
from tests.reading import InProcess, take_in
from tests.shared import photo

N, BATCH, LEAST = 40, 4, 8


class Pool(InProcess):
    """A process that does what it is given when a test says so."""

    def __init__(self):
        self.waiting, self.parts, self.at_once = [], [], True

    def submit_telling(self, function, folder, part, *rest, on_told):
        future = Future()
        self.parts.append((part.start + part.n_kept, part.stop))
        self.waiting.append((future, lambda: function(folder, part, *rest, on_told)))
        if self.at_once:
            self.work()
        return future

    def work(self):
        for future, do in self.waiting:
            try:
                future.set_result(do())
            except Exception as error:
                future.set_exception(error)
        self.waiting = []


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """A workspace of 20 images on a map, and 40 other pictures."""
    folder = tmp_path_factory.mktemp("ahead")
    for name, numbers in {"old": range(20), "new": range(20, 20 + N)}.items():
        (folder / name).mkdir()
        for i in numbers:
            photo(i).save(folder / name / f"p{i:02}.png")
    with Workspace.create(folder / "w", salt="ahead") as space:
        take_in(space, folder / "old")
        embed(space, "random", device="cpu")
        project(space, device="cpu")
    return folder


@pytest.fixture
def pool(monkeypatch):
    pool = Pool()

    @contextmanager
    def processes(_work):
        yield pool

    monkeypatch.setattr(Work, "processes", processes)
    monkeypatch.setattr(ahead, "LEAST", LEAST)
    monkeypatch.setattr(begin, "GROW_SECONDS", 0.0)
    monkeypatch.setattr("core.intake.ingest.Workers", InProcess)
    monkeypatch.setattr("core.intake.ingest.BATCH", BATCH)
    return pool


@pytest.fixture
def space(first, tmp_path, pool):
    with Workspace(shutil.copytree(first / "w", tmp_path / "w"), device="cpu") as space:
        yield space


def ingest(space, source, **options):
    work = Work(space, IngestArguments(source=str(source)), kept=KeptProcesses(), **options)
    return KINDS["ingest"].run(work)


def rows(space):
    return max(stop for _, stop, _ in space.catalog.models.parts(space.encoder_name))


def test_images_are_embedded_while_others_are_read_and_the_job_that_follows_embeds_the_rest(space, first, pool):
    said = []
    outcome = ingest(space, first / "new", on_change=said.append)
    assert pool.parts == [(start, start + 8) for start in range(20, 20 + N, 8)]
    assert space.n_images == rows(space) == 20 + N
    assert Change.IMAGES in said
    assert outcome.then == (("embed", {}),)  # it looks for copies, and lets them be placed
    assert embed(space, device="cpu")["embedded"] == 0
    assert place(space)["placed"] == N
    with Workspace.create(space.folder.parent / "other", salt="ahead") as other:
        take_in(other, first / "old")
        take_in(other, first / "new")
        embed(other, "random", device="cpu")
        np.testing.assert_allclose(space.matrix.take(np.arange(20 + N)), other.matrix.take(np.arange(20 + N)), atol=2e-3)


def test_while_one_part_is_embedded_no_other_is_asked_for_and_the_end_waits_for_it(space, first, pool, monkeypatch):
    pool.at_once = False
    told, keep = [], ahead.Ahead.finish

    def finish(self):
        told.append(list(pool.parts))
        pool.work()
        keep(self)

    monkeypatch.setattr(ahead.Ahead, "finish", finish)
    ingest(space, first / "new")
    assert told == [[(20, 28)]]
    assert rows(space) == 28
    assert embed(space, device="cpu")["embedded"] == N - 8


@pytest.mark.parametrize(
    "error", [EncoderError("The weights are gone."), OSError(28, "No space left on device"), RuntimeError()]
)
def test_what_fails_ahead_is_tried_once_and_left_to_the_job_that_follows(space, first, pool, monkeypatch, error):
    def fail(*_):
        raise error

    monkeypatch.setattr(ahead, "embed_part", fail)
    outcome = ingest(space, first / "new")
    assert len(pool.parts) == 1
    assert rows(space) == 20
    assert "40 images ingested" in outcome.sentence
    assert outcome.then == (("embed", {}),)


def test_lost_embeddings_are_not_made_in_passing(space, first, pool):
    (space.folder / space.catalog.models.parts(space.encoder_name)[0][2]).unlink()
    ingest(space, first / "new")
    assert pool.parts == []


def test_images_of_a_workspace_that_was_never_embedded_are_not(first, tmp_path, pool):
    with Workspace.create(tmp_path / "fresh", salt="fresh") as space:
        assert ingest(space, first / "new").then == ()
    assert pool.parts == []


def test_after_a_kill_images_that_were_embedded_ahead_still_get_their_place(space, first):
    ingest(space, first / "new")
    space.reload()  # as a server that is started again reads it, before the job goes on
    assert space.matrix.rows == space.n_images
    outcome = ingest(space, first / "new")
    assert "40 known before" in outcome.sentence
    assert outcome.then == (("embed", {}),)


def test_an_ingest_that_is_cancelled_while_it_waits_for_what_is_embedded_ends_there(space, first, pool, monkeypatch):
    pool.at_once = False
    work = Work(space, IngestArguments(source=str(first / "new")), kept=KeptProcesses())
    finish = ahead.Ahead.finish

    def cancelled(self):
        work.stop()
        self._running[1].set_exception(CrashedError("ended its process"))
        finish(self)

    monkeypatch.setattr(ahead.Ahead, "finish", cancelled)
    with pytest.raises(StoppedError):
        KINDS["ingest"].run(work)
    assert rows(space) == 20


def test_the_job_after_an_ingest_knows_what_was_embedded_ahead(space, first):
    ingest(space, first / "new")
    assert space.matrix.rows == space.n_images  # "lay out anew" may come before the job that embeds the rest
    assert ingest(space, first / "new").then == (("embed", {}),)


def test_an_ingest_after_one_that_has_embedded_all_ahead_has_nothing_to_embed(space, first, pool, monkeypatch):
    monkeypatch.setattr(ahead.Ahead, "close", lambda self: None)  # as where it ended before it said so
    ingest(space, first / "new")
    pool.parts = []
    assert "40 known before" in ingest(space, first / "new").sentence
    assert pool.parts == []


def test_an_encoder_that_is_chosen_in_the_middle_is_the_one_that_embeds_ahead(space, first, pool, monkeypatch):
    embed(space, "pixels-pca", device="cpu")
    pixels, submit = space.encoder_name, pool.submit_telling
    use_encoder(space, space.catalog.models.encoders()[0]["name"])

    def switching(function, folder, part, *rest, on_told):
        if len(pool.parts) == 1:
            use_encoder(space, pixels)
        return submit(function, folder, part, *rest, on_told=on_told)

    monkeypatch.setattr(pool, "submit_telling", switching)
    ingest(space, first / "new")
    known = {
        e["name"]: max(stop for _, stop, _ in space.catalog.models.parts(e["name"])) for e in space.catalog.models.encoders()
    }
    assert known.pop(pixels) == space.matrix.rows > space.n_images - LEAST
    assert list(known.values()) == [36]


def test_posted_pictures_whose_server_was_killed_at_the_end_are_still_embedded(space, first, pool, monkeypatch):
    ingest(space, first / "new")
    work = Work(space, KINDS["uploads"].arguments(), kept=KeptProcesses())
    outcome = KINDS["uploads"].run(work)  # their batch is done with; the ingest above stands for it
    assert (outcome.sentence, outcome.then) == ("No posted picture waits.", (("embed", {}),))
