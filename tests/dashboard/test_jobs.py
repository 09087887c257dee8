"""Background work outlives what fails in it, says so, and does one thing at a time."""

import shutil
from contextlib import nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from core.catalog.jobs import JobRecord, JobState
from core.encoders.embed import embed
from core.encoders.encoder import DEFAULT_ENCODER
from core.encoders.offers import Offer
from core.errors import InputError
from core.jobs.runner import JobRunner
from core.probe.live import refit
from core.study.run import ExperimentConfig
from core.workspace import Workspace
from dashboard import jobs
from dashboard.changes import Changes, progress_words
from dashboard.jobs import RefitWorker
from dashboard.shared import Shared
from dashboard.state import SessionState
from dashboard.views.first_run import FirstRun
from dashboard.views.jobs import item, pace_words, time_words
from dashboard.views.selection import SelectionPane
from tests.dashboard.direct import Direct
from tests.reading import take_in
from tests.shared import photo
from tests.waiting import wait_for


@pytest.fixture
def told():
    return []


@pytest.fixture
def publish(told):
    return lambda topic, data: told.append((str(topic), data))


# -- the first embedding --


def lay_out(space, **_):
    """Give every image a place on a map, as UMAP would in many seconds."""
    (space.folder / "projection").mkdir()
    np.save(space.folder / "projection" / "map.npy", space.current.need_matrix().take(np.arange(space.n_images))[:, :2])
    space.catalog.models.add_projection(space.encoder_name, space.n_images, "projection/map.npy", {"seed": 0})
    space.reopen_encoder()
    return {"images": space.n_images, "trustworthiness": None}


@pytest.fixture
def begin(publish):
    """Do jobs of a workspace, and tell windows, as a server does."""
    runners = []

    def begin(space, refits, tidied=None):
        shared = Shared(space)
        changes = Changes(shared, publish, lambda: refits.append(1), lambda: (tidied if tidied is not None else []).append(1))
        runners.append(JobRunner(space, on_job=changes.on_job, on_change=changes.on_change, on_done=changes.on_done))
        return runners[-1], shared

    yield begin
    for runner in runners:
        runner.stop()


def ended(runner, number):
    return not runner.get(number).is_open


def test_the_first_embedding_ends_with_a_map_in_every_window(monkeypatch, fresh, begin, told):
    monkeypatch.setattr("core.map.project.project", lay_out)
    refits, tidied = [], []
    runner, shared = begin(fresh, refits, tidied)
    assert shared.encoders() == []
    runner.add("embed", {"encoder": "pixels-pca", "lay_out": True}, "ann")
    wait_for(lambda: len(runner.newest()) == 2 and ended(runner, 2))
    words = [progress_words(job) for topic, jobs in told if topic == "jobs" for job in jobs if job.kind == "embed"]
    assert "Reading the weights…" in words
    assert "Embedding: 12 of 12…" in words
    assert ("encoder", None) in told
    assert ("said", f"12 images embedded with {fresh.encoder_name}.") in told
    wait_for(lambda: ("said", "12 images on the map, too few images to measure it.") in told)  # after the record has it
    assert refits == [1, 1]
    assert tidied == [1, 1]  # what a job has freed is given back
    assert fresh.has_map
    assert [encoder["mapped"] for encoder in shared.encoders()] == [12]


def test_an_embedding_that_fails_is_told_and_can_be_tried_again(fresh, begin, told):
    runner, _ = begin(fresh, [])
    job = runner.add("embed", {"encoder": "nowhere.safetensors"}, "ann")
    wait_for(lambda: ended(runner, job.number))
    assert any(topic == "message" and "There is no file nowhere.safetensors" in data for topic, data in told)
    assert runner.get(job.number).state == "failed"
    told.clear()
    runner.retry(job.number)
    wait_for(lambda: any(topic == "message" for topic, _ in told))


def test_a_window_says_beside_the_map_and_the_clusters_how_far_their_jobs_are(fresh):
    state = SessionState(workspace=fresh, shared=Shared(fresh))
    at_work = JobRecord(2, "embed", {}, "ann", JobState.RUNNING, 1, "", stage="Embedding", done=1_000, total=2_000)
    state.jobs = [JobRecord(3, "clusters", {}, "ann", JobState.QUEUED, 0, ""), at_work]
    assert state.embedding == "Embedding: 1,000 of 2,000…"
    assert state.finding == "Waiting for another job to end…"
    state.jobs = [JobRecord(3, "clusters", {}, "ann", JobState.DONE, 1, "")]
    assert (state.embedding, state.finding) == ("", "")


def test_the_drawer_says_how_fast_a_job_is_when_it_last_changed_and_what_can_be_done_with_it():
    at_work = JobRecord(2, "embed", {}, "ann", JobState.RUNNING, 1, "2026-11-28T10:00:00", "2026-11-28T11:00:00", rate=2.0)
    assert pace_words(replace(at_work, stage="Embedding", done=1_000, total=2_000)) == "2/s, 8 min left"
    assert pace_words(replace(at_work, rate=0.25)) == "15.0/min"
    assert pace_words(replace(at_work, rate=None)) == ""
    assert [time_words(seconds) for seconds in (0.2, 59, 90, 7_200)] == ["1 s", "59 s", "2 min", "2.0 h"]
    shown = item(at_work, "Europe/Paris")
    assert (shown["title"], shown["when"], shown["can"]) == ("Embed images", "2026-11-28 12:00", "cancel")
    states = (JobState.QUEUED, JobState.FAILED, JobState.CANCELLED, JobState.DONE)
    assert [item(replace(at_work, state=state), "UTC")["can"] for state in states] == ["cancel", "retry", "retry", ""]
    assert item(replace(at_work, kind="fly", state=JobState.FAILED), "UTC")["can"] == ""  # of a newer program
    assert item(replace(at_work, kind="export", state=JobState.FAILED), "UTC")["can"] == ""  # a command asks for it
    assert item(replace(at_work, kind="train", state=JobState.FAILED), "UTC")["can"] == "retry"


def test_the_page_continues_an_interrupted_first_embedding_and_offers_no_other_encoder(monkeypatch, fresh):
    monkeypatch.setattr("core.encoders.parts.PART_ROWS", 4)

    def interrupt(done, _total):
        if done > 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        embed(fresh, "random", device="cpu", on_progress=interrupt)
    started, state = [], SessionState(workspace=fresh, shared=Shared(fresh))
    actions = Direct(state, None)
    actions.start_embedding = lambda chosen, **_: started.append(chosen)
    card = FirstRun(state=state, actions=actions)
    assert "Embedding by random-" in card._words.object
    assert not card._start.disabled
    card._go()
    assert started == [None]  # `embed` finds the encoder that has begun


def test_whether_an_encoder_has_begun_is_read_in_a_thread(monkeypatch, fresh):
    asked, state = [], SessionState(workspace=fresh, shared=Shared(fresh))
    actions = Direct(state, None)
    actions.fetch = lambda read, show, **_: asked.append((read, show))
    monkeypatch.setattr(fresh.catalog.models, "encoders", lambda: pytest.fail("read on the event loop"))
    card = FirstRun(state=state, actions=actions)
    assert card._start.disabled
    monkeypatch.undo()
    for read, show in asked:
        show(read())
    assert not card._start.disabled


def test_what_the_page_says_of_the_missing_map_follows_what_other_windows_and_commands_do(fresh):
    state = SessionState(workspace=fresh, shared=Shared(fresh))
    state.embedding = "Embedding…"  # asked for elsewhere, and cancelled below
    actions = Direct(state, None)
    card, pane = FirstRun(state=state, actions=actions), SelectionPane(state=state, actions=actions)
    assert card._start.disabled
    assert "Embedding…" in pane._words.object
    state.embedding = ""
    assert not card._start.disabled
    assert "Choose an encoder" in card._words.object
    assert "the images have no embeddings" in pane._words.object
    embed(fresh, "random", device="cpu")
    state.follow_encoder(state.shared.grid())
    assert "the map is still to be laid out" in card._words.object
    assert (card._start.label, card._ask.visible, card._choice.visible) == ("Lay out the map", False, False)
    assert "No map yet of the embeddings by" in pane._words.object
    state.embedding = "Laying out the map: 100 of 500…"
    assert "Laying out the map: 100 of 500…" in pane._words.object
    lay_out(fresh)
    state.follow_encoder(state.shared.grid())
    assert not card._layout.visible
    assert "Nothing selected" in pane._words.object


def test_a_page_that_opens_while_new_images_are_placed_reports_no_fault(fresh):
    embed(fresh, "random", device="cpu")
    lay_out(fresh)
    xy = np.array(fresh.xy)
    xy[-2:] = np.nan
    np.save(fresh.folder / "projection" / "map.npy", xy)
    fresh.reopen_encoder()
    assert "2 new images are not on the map yet" in SessionState(workspace=fresh, shared=Shared(fresh)).message
    job = JobRecord(1, "place", {}, "ann", JobState.RUNNING, 1, "2026-11-28T12:00:00+00:00")
    assert SessionState(workspace=fresh, shared=Shared(fresh), jobs=[job]).message == ""
    others = [replace(job, kind=kind) for kind in ("train", "labels", "export", "experiment", "gone")]  # place no image
    assert "2 new images are not on the map yet" in SessionState(workspace=fresh, shared=Shared(fresh), jobs=others).message


def test_the_first_images_end_the_words_that_there_are_none(tmp_path):
    (tmp_path / "images").mkdir()
    photo(0).save(tmp_path / "images" / "p.png")
    with Workspace.create(tmp_path / "w", salt="first") as space:
        state = SessionState(workspace=space, shared=Shared(space))
        pane = SelectionPane(state=state, actions=Direct(state, None))
        assert "there are no images" in pane._words.object
        take_in(space, tmp_path / "images")
        state.follow_images(state.shared.grid())
        assert "the images have no embeddings" in pane._words.object


def test_the_shipped_encoder_is_offered_where_none_could_be_measured(monkeypatch, fresh):
    def fail(*_, **__):
        raise InputError("no room")

    monkeypatch.setattr("core.encoders.offers.offers_here", fail)
    state = SessionState(workspace=fresh, shared=Shared(fresh))
    card = FirstRun(state=state, actions=Direct(state, None))
    assert card._choice.value == DEFAULT_ENCODER
    assert not card._start.disabled


def test_encoders_are_measured_once_for_all_windows(monkeypatch, fresh):
    measured = []

    def measure(*_, **__):
        measured.append(1)
        return [Offer(DEFAULT_ENCODER, "shipped")]

    monkeypatch.setattr("core.encoders.offers.offers_here", measure)
    shared = Shared(fresh)
    for _ in range(2):
        state = SessionState(workspace=fresh, shared=shared)
        card = FirstRun(state=state, actions=Direct(state, None))
        assert card._usable() == [DEFAULT_ENCODER]
    assert measured == [1]


@pytest.fixture
def worker(monkeypatch, publish):
    """A worker whose fits take no time; `fits` is what happens in each."""
    monkeypatch.setattr(jobs, "JUDGE_SECONDS", 0.0)
    monkeypatch.setattr(jobs, "learning", lambda _: "curve")
    fits = []
    monkeypatch.setattr(jobs, "refit", lambda _space: fits.pop(0)() if fits else None)
    shared = SimpleNamespace(refresh_curves=lambda **_: None, bases=list)
    worker = RefitWorker(SimpleNamespace(encoder_name=None, steady=nullcontext), shared, publish)
    worker.fits = fits
    yield worker
    worker.stop()


def fail(error):
    raise error


def test_one_bad_fit_is_reported_and_the_next_one_is_made(worker, told):
    worker.fits += [lambda: fail(InputError("No class is flagged."))]
    worker.request()
    wait_for(lambda: ("fitted", None) in told)
    assert ("message", "No class is flagged.") in told
    told.clear()
    worker.fits += [lambda: fail(ZeroDivisionError())]
    worker.request()
    wait_for(lambda: ("fitted", None) in told)
    assert ("message", "The refit failed; the labels are safe. The server's log has the details.") in told
    told.clear()
    worker.request()
    wait_for(lambda: ("learning", "curve") in told)
    assert worker.learning == "curve"
    assert "message" not in dict(told)


def test_the_windows_that_asked_before_a_fit_began_are_shown_it_first(worker, told):
    worker._hasten = lambda windows: told.append(("first", sorted(windows)))
    worker.fits += [lambda: worker.request("b")]  # a label that comes during the fit is not in it
    worker.request("a")
    wait_for(lambda: ("first", ["b"]) in told)
    assert [said for said in told if said[0] in ("fitted", "first")] == [
        ("fitted", None),
        ("first", ["a"]),
        ("fitted", None),
        ("first", ["b"]),
    ]


def test_a_fit_is_announced_where_the_one_before_took_long(worker, told):
    worker._took = jobs.LONG_SECONDS + 0.01
    worker.request()
    wait_for(lambda: ("fitted", None) in told)
    assert [data for topic, data in told if topic == "fitting"] == [True, False]


def test_a_learning_curve_that_cannot_be_drawn_stops_nothing(worker, told, monkeypatch, caplog):
    monkeypatch.setattr(jobs, "learning", lambda _: 1 / 0)
    worker.request()
    wait_for(lambda: "learning curve failed" in caplog.text)
    told.clear()
    worker.request()
    wait_for(lambda: ("fitted", None) in told)


def test_curves_are_worked_out_for_every_gold_column_that_was_asked_for(small):
    with Workspace(small) as space:
        shared = Shared(space)
        assert shared.newest_curves("label") == []
        shared.curves("label")
        before = shared.newest_curves("label")
        refit(space)
        shared.refresh_curves()
        assert shared.newest_curves("label") is not before
        assert {curve.key for curve in shared.newest_curves("label")} >= {"gold", "check"}
        assert "gold" not in {curve.key for curve in shared.newest_curves(None)}


# -- studies --

SMALL_STUDY = {"strategies": ("random",), "budgets": (6,), "seeds": 2, "features": ("encoder",)}


def test_a_study_is_a_job_whose_report_is_written_when_it_is_done(worked_on, tmp_path, begin, told):
    with Workspace(shutil.copytree(worked_on, tmp_path / "w")) as space:
        runner, _ = begin(space, [])
        config = ExperimentConfig("label", ("footwear",), **SMALL_STUDY)
        job = runner.add("experiment", asdict(config), "ann")
        wait_for(lambda: ended(runner, job.number))
        found = runner.get(job.number)
        assert found.state == "done", found
        assert found.message == "The study is done: 2 tasks."
        assert (Path(found.result["folder"]) / "report.html").is_file()
        wait_for(lambda: ("said", found.message) in told)
        runner.stop()
