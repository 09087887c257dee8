"""Jobs are done one after the other, can be cancelled and tried again, and outlive the process that does them."""

import os
import signal
import sqlite3
import threading
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from core.catalog.jobs import JobState
from core.errors import InputError, ReadOnlyError
from core.jobs import kinds
from core.jobs.kinds import Kind, Lane, Pace
from core.jobs.runner import MOST_STARTS, JobRunner
from core.jobs.work import Arguments, Change, Outcome
from core.workspace import Workspace
from tests.forked import forking
from tests.shared import photo
from tests.waiting import wait_for

FORKING = forking()
ASKED = {
    "export": {"folder": "/b"},
    "promise": {"scorer": "probe", "by": "ann", "reveal": True},
    "guideline": {"name": "v2", "by": "ann"},
    "encoder": {"name": "e"},
    "labels": {"file": "/l.csv", "analyst": "ann", "beside": "/"},
    "inboxes": {"folder": "/i", "watched": True},
}


class Doing(Arguments):
    what: str = ""


class Hand:
    """Kinds whose jobs do what a test says."""

    def __init__(self):
        self.began, self.go_on, self.does = [], threading.Event(), {}

    def run(self, work):
        self.began.append(work.arguments.what)
        while not self.go_on.wait(0.005):
            work.tell("Waiting", 1, 4)
        does = self.does.get(work.arguments.what)
        return does(work) if does else Outcome(f"{work.arguments.what} is done.", {"n": 1})


@pytest.fixture
def hand(monkeypatch):
    hand = Hand()
    for name, lane in (("one", Lane.IMAGES), ("two", Lane.IMAGES), ("long", Lane.TRAINING)):
        monkeypatch.setitem(kinds.KINDS, name, Kind(name, name, lane, Doing, hand.run))
    return hand


@pytest.fixture
def space(tmp_path):
    with Workspace.create(tmp_path / "w", salt="jobs") as space:
        yield space


@pytest.fixture
def start_runner(space):
    runners = []

    def start(**options):
        runners.append(JobRunner(space, **options))
        return runners[-1]

    yield start
    for runner in runners:
        runner.stop()


def state(runner, job):
    return runner.get(job.number).state


def test_jobs_are_done_in_order_one_at_a_time_and_say_what_came_of_them(hand, start_runner):
    told = []
    runner = start_runner(on_job=told.append)
    first, second = runner.add("one", {"what": "a"}, "ann"), runner.add("two", {"what": "b"}, "bob")
    wait_for(lambda: runner.get(first.number).stage == "Waiting")
    assert hand.began == ["a"]
    assert (runner.get(first.number).done, runner.get(first.number).total) == (1, 4)
    assert state(runner, second) == JobState.QUEUED
    hand.go_on.set()
    wait_for(lambda: state(runner, second) == JobState.DONE)
    assert hand.began == ["a", "b"]
    found = runner.get(first.number)
    assert (found.state, found.message, found.result, found.analyst) == (JobState.DONE, "a is done.", {"n": 1}, "ann")
    assert [job.number for job in runner.newest()] == [second.number, first.number]
    assert {job.state for job in told} == {JobState.QUEUED, JobState.RUNNING, JobState.DONE}


def test_two_at_once_are_never_of_one_lane(hand, start_runner):
    runner = start_runner(n=2)
    jobs = [runner.add(kind, {"what": kind}, "ann") for kind in ("one", "two", "long")]
    wait_for(lambda: len(hand.began) == 2)
    assert sorted(hand.began) == ["long", "one"]
    assert state(runner, jobs[1]) == JobState.QUEUED
    hand.go_on.set()
    wait_for(lambda: all(state(runner, job) == JobState.DONE for job in jobs))


def test_a_quick_job_waits_for_what_is_at_work_in_its_lane_and_for_nothing_that_waits(hand, start_runner, monkeypatch):
    done = []
    quick = Kind(
        "quick", "quick", Lane.TRAINING, Doing, lambda work: Outcome(done.append(work.arguments.what) or ""), pace=Pace.QUICK
    )
    monkeypatch.setitem(kinds.KINDS, "quick", quick)
    runner = start_runner()
    runner.add("one", {"what": "a"}, "ann")
    wait_for(lambda: hand.began == ["a"])
    first = runner.add("quick", {"what": "b"}, "ann")
    wait_for(lambda: state(runner, first) == JobState.DONE)
    waits = runner.add("long", {"what": "c"}, "ann")  # behind the one of another lane
    past = runner.add("quick", {"what": "d"}, "ann")
    wait_for(lambda: state(runner, past) == JobState.DONE)
    assert (hand.began, state(runner, waits)) == (["a"], JobState.QUEUED)
    runner.cancel(1)
    wait_for(lambda: hand.began == ["a", "c"])
    behind = runner.add("quick", {"what": "e"}, "ann")
    time.sleep(0.2)
    assert state(runner, behind) == JobState.QUEUED
    hand.go_on.set()
    wait_for(lambda: state(runner, behind) == JobState.DONE)
    assert done == ["b", "d", "e"]


def test_an_export_waits_neither_for_an_embedding_nor_for_training(hand, start_runner, monkeypatch):
    done = []
    monkeypatch.setitem(
        kinds.KINDS,
        "export",
        replace(kinds.KINDS["export"], run=lambda work: Outcome(done.append(work.arguments.folder) or "")),
    )
    monkeypatch.setitem(kinds.KINDS, "long", replace(kinds.KINDS["long"], pace=Pace.LONG))
    runner = start_runner()
    for kind in ("one", "long"):
        runner.add(kind, {"what": kind}, "ann")
    wait_for(lambda: sorted(hand.began) == ["long", "one"])
    job = runner.add("export", {"folder": "/b"}, "ann")
    wait_for(lambda: state(runner, job) == JobState.DONE)
    assert done == ["/b"]


def test_an_export_asked_for_again_while_one_is_written_is_another(hand, start_runner, monkeypatch):
    def run(work):
        hand.began.append(work.arguments.folder)
        hand.go_on.wait(20)
        return Outcome("")

    monkeypatch.setitem(kinds.KINDS, "export", replace(kinds.KINDS["export"], run=run))
    runner = start_runner()
    first = runner.add("export", {"folder": "/b"}, "ann")
    wait_for(lambda: hand.began == ["/b"])
    second = runner.add("export", {"folder": "/b"}, "ann")
    assert second.number != first.number
    assert runner.add("export", {"folder": "/b"}, "ann").number == second.number  # it has not begun
    hand.go_on.set()
    wait_for(lambda: state(runner, second) == JobState.DONE)
    assert hand.began == ["/b", "/b"]


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("guideline", {"name": "{}", "by": "ann"}),
        ("classes", {"classes": "{}"}),
        ("encoder", {"name": "{}"}),
        ("policies", {"name": "{}"}),
        ("labels", {"file": "/{}", "analyst": "ann", "beside": "/"}),
        ("promise", {"policy": "{}", "scorer": "probe", "by": "ann"}),
        ("columns", {"stack": "{}"}),
    ],
)
def test_a_setting_that_is_changed_and_changed_back_ends_as_it_was_asked_last(start_runner, monkeypatch, kind, names):
    set_to, go_on = [], threading.Event()
    field = next(name for name, value in names.items() if "{}" in value)

    def run(work):
        go_on.wait(20)
        set_to.append(getattr(work.arguments, field)[-2:])
        return Outcome("")

    monkeypatch.setitem(kinds.KINDS, kind, replace(kinds.KINDS[kind], run=run))
    runner = start_runner()
    for value in ("v2", "v3", "v2"):
        runner.add(kind, {name: text.format(value) for name, text in names.items()}, "ann")
    go_on.set()
    wait_for(lambda: not any(job.is_open for job in runner.newest()))
    assert set_to == ["v2", "v3", "v2"]


def test_a_job_that_waits_or_works_can_be_cancelled_and_tried_again(hand, start_runner):
    runner = start_runner()
    works, waits = runner.add("one", {"what": "a"}, "ann"), runner.add("two", {"what": "b"}, "ann")
    wait_for(lambda: hand.began == ["a"])
    assert runner.cancel(waits.number).state == JobState.CANCELLED
    runner.cancel(works.number)
    wait_for(lambda: state(runner, works) == JobState.CANCELLED)
    assert "a retry goes on from there" in runner.get(works.number).message
    with pytest.raises(InputError, match="has ended already"):
        runner.cancel(works.number)
    hand.go_on.set()
    assert runner.retry(works.number).number == works.number
    wait_for(lambda: state(runner, works) == JobState.DONE)
    with pytest.raises(InputError, match="only jobs that failed or were cancelled"):
        runner.retry(works.number)
    assert state(runner, waits) == JobState.CANCELLED


@pytest.mark.parametrize(
    "kind", ["export", "promise", "fit", "policies", "guideline", "encoder", "columns", "labels", "inboxes"]
)
def test_what_only_commands_ask_for_is_not_tried_again(space, start_runner, kind):
    space.catalog.jobs.add(kind, ASKED.get(kind, {}), "ann")
    space.catalog.jobs.move(1, JobState.FAILED, message="no")
    runner = start_runner()
    with pytest.raises(InputError, match=r"is not tried again from here; give its command again\."):
        runner.retry(1)
    assert runner.get(1).state == JobState.FAILED


def test_the_second_press_starts_nothing(hand, start_runner):
    runner = start_runner()
    first = runner.add("one", {"what": "a"}, "ann")
    wait_for(lambda: hand.began)
    assert runner.add("one", {"what": "a"}, "bob").number == first.number
    assert runner.add("one", {"what": "b"}, "bob").number != first.number


def test_a_failure_is_one_sentence_and_the_next_job_is_done(hand, start_runner, caplog):
    def fail(error):
        raise error

    hand.go_on.set()
    hand.does = {"a": lambda _: fail(InputError("There is no folder /x.")), "b": lambda _: fail(ZeroDivisionError())}
    runner = start_runner()
    jobs = [runner.add("one", {"what": what}, "ann") for what in "abc"]
    wait_for(lambda: state(runner, jobs[2]) == JobState.DONE)
    failed, broken = (runner.get(job.number) for job in jobs[:2])
    assert (failed.state, failed.message) == (JobState.FAILED, "There is no folder /x.")
    assert broken.state == JobState.FAILED
    assert "The server's log has the details" in broken.message
    assert "ZeroDivisionError" in caplog.text


def test_what_follows_from_a_job_is_queued_for_the_same_person(hand, start_runner):
    hand.go_on.set()
    hand.does = {"a": lambda _: Outcome("done", then=(("two", {"what": "b"}),))}
    runner = start_runner()
    runner.add("one", {"what": "a"}, "eve")
    wait_for(lambda: hand.began == ["a", "b"])
    assert [(job.kind, job.analyst) for job in runner.newest()] == [("two", "eve"), ("one", "eve")]


@pytest.mark.parametrize(
    ("kind", "arguments", "said"),
    [("fly", {}, "There is no job 'fly'"), ("ingest", {}, "source: Field required"), ("embed", {"size": 3}, "size: Input")],
)
def test_a_job_with_wrong_arguments_is_refused_in_a_sentence(start_runner, kind, arguments, said):
    runner = start_runner()
    with pytest.raises(InputError, match=said):
        runner.add(kind, arguments, "ann")
    assert runner.newest() == []


def test_a_workspace_that_is_only_read_takes_no_job(space):
    with Workspace(space.folder, read_only=True) as read:
        runner = JobRunner(read)
        with pytest.raises(ReadOnlyError):
            runner.add("embed", {}, "ann")
        runner.stop()


def test_a_job_whose_arguments_an_older_program_kept_fails_in_a_sentence_and_the_next_is_done(hand, space, start_runner):
    hand.go_on.set()
    old, _ = space.catalog.jobs.add("one", {"colour": "red"}, "ann")
    runner = start_runner()
    job = runner.add("one", {"what": "a"}, "ann")
    wait_for(lambda: state(runner, job) == JobState.DONE)
    assert state(runner, old) == JobState.FAILED
    assert "colour: Extra inputs are not permitted" in runner.get(old.number).message


def test_an_end_that_the_disk_refuses_is_kept_once_there_is_space_with_what_follows(
    hand, space, start_runner, monkeypatch, caplog
):
    hand.does = {"a": lambda _: Outcome("done", then=(("two", {"what": "b"}),))}
    monkeypatch.setattr("core.jobs.runner.PAUSE_SECONDS", 0.05)
    runner = start_runner()
    job = runner.add("one", {"what": "a"}, "ann")
    wait_for(lambda: hand.began == ["a"])
    move, full = space.catalog.jobs.move, [True]

    def refuse(number, to, **more):
        if full[0] and to == JobState.DONE:
            raise sa.exc.OperationalError("UPDATE", {}, sqlite3.OperationalError("database or disk is full"))
        return move(number, to, **more)

    monkeypatch.setattr(space.catalog.jobs, "move", refuse)
    hand.go_on.set()
    wait_for(lambda: "could not be kept yet" in caplog.text)
    assert state(runner, job) == JobState.RUNNING
    assert [known.kind for known in runner.newest()] == ["two", "one"]  # before its end: a kill now loses nothing
    full[0] = False
    wait_for(lambda: hand.began == ["a", "b"])
    assert state(runner, job) == JobState.DONE


# -- the end of the server --


def test_a_server_that_ends_leaves_its_job_queued_and_the_next_one_does_it(hand, space, start_runner):
    runner = start_runner()
    for _ in range(MOST_STARTS + 1):  # as often as anybody likes
        job = runner.add("one", {"what": "a"}, "ann")
        wait_for(lambda runner=runner, job=job: state(runner, job) == JobState.RUNNING)
        runner.stop()
        assert space.catalog.jobs.get(job.number).state == JobState.QUEUED
        runner = start_runner()
    hand.go_on.set()
    wait_for(lambda: state(runner, job) == JobState.DONE)
    assert job.number == 1


def test_a_job_that_was_running_at_three_ends_of_the_server_rests_and_then_goes_on(hand, space, start_runner, monkeypatch):
    hand.go_on.set()
    space.catalog.jobs.add("one", {"what": "a"}, "ann")
    for starts in range(1, MOST_STARTS + 3):
        if starts > 1:
            space.catalog.jobs.move(1, JobState.QUEUED)
        assert space.catalog.jobs.move(1, JobState.RUNNING).starts == starts  # and then the process is gone
    runner = start_runner()
    assert runner.get(1).message == "The server ended 5 times during this job; it goes on 40 seconds after the start."
    other = runner.add("one", {"what": "b"}, "ann")  # it is not held up
    wait_for(lambda: state(runner, other) == JobState.DONE)
    assert state(runner, runner.get(1)) == JobState.QUEUED
    runner.stop()
    monkeypatch.setattr("core.jobs.runner.REST_SECONDS", 0.05)
    runner = start_runner()  # also after a start in which it did not begin
    assert hand.began == ["b"]
    wait_for(lambda: runner.get(1).state == JobState.DONE)
    assert hand.began == ["b", "a"]


def test_a_job_that_rests_can_be_cancelled(hand, space, start_runner):
    space.catalog.jobs.add("one", {"what": "a"}, "ann")
    for _ in range(MOST_STARTS):
        space.catalog.jobs.move(1, JobState.RUNNING)
        space.catalog.jobs.move(1, JobState.QUEUED)
    runner = start_runner()
    assert runner.cancel(1).state == JobState.CANCELLED


# -- images --


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    for i in range(40):
        photo(i).save(folder / f"p{i:03d}.png")
    (folder / "broken.png").write_bytes(b"nothing")
    return folder


def test_images_are_added_to_a_workspace_that_is_open_and_windows_are_told(space, start_runner, pictures):
    changes = []
    runner = start_runner(on_change=changes.append)
    job = runner.add("ingest", {"source": str(pictures)}, "ann")
    wait_for(lambda: state(runner, job) == JobState.DONE)
    assert space.n_images == 40
    assert Change.IMAGES in changes
    found = runner.get(job.number)
    assert found.message.startswith("40 images ingested, 1 file rejected")
    assert (found.result["added"], found.result["images"]) == (40, 40)
    again = runner.add("ingest", {"source": str(pictures)}, "ann")
    wait_for(lambda: state(runner, again) == JobState.DONE)
    assert runner.get(again.number).result["already"] == 41
    assert space.n_images == 40


def serve(folder: Path, say) -> None:
    """Do a workspace's jobs until this process is killed."""
    from core.intake import ingest

    ingest.BATCH = 4  # many commits, so that a kill falls between and inside them
    with Workspace(folder) as space:
        runner = JobRunner(space, on_job=lambda job: say((job.state.value, job.done)))
        say(("ready", space.n_images))
        while any(job.is_open for job in runner.newest()):
            time.sleep(0.01)
        say(("over", space.n_images))
        time.sleep(60)


def test_kill_9_in_the_midst_of_intake_loses_and_doubles_nothing(space, pictures, chance, tmp_path):
    space.catalog.jobs.add("ingest", {"source": str(pictures), "workers": 1}, "ann")
    folder = space.folder
    space.close()
    counts, over = [], False
    for attempt in range(12):
        ours, theirs = FORKING.Pipe(duplex=False)
        process = FORKING.Process(target=serve, args=(folder, theirs.send))
        process.start()
        theirs.close()
        limit, said = float(chance.uniform(0.0, 0.4)), []
        with suppress(EOFError, OSError):
            while not said or said[-1][0] not in ("running", "over", "failed"):
                said.append(ours.recv())
            deadline = time.monotonic() + (limit if attempt < 2 else 60)
            while time.monotonic() < deadline and not over:
                if ours.poll(0.01):
                    said.append(ours.recv())
                over = said[-1][0] == "over"
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        ours.close()
        with Workspace(folder, read_only=True) as read:
            counts.append(read.n_images)
            job = read.catalog.jobs.get(1)
        if over:
            break
    assert job.state == JobState.DONE, (counts, job)
    assert counts == sorted(counts)
    with Workspace(folder, read_only=True) as read:
        assert read.n_images == 40
        assert len(set(read.ids.tolist())) == 40
        assert read.thumbnails.count() == 40
        assert read.catalog.images.count_files() == 40
    with Workspace(folder) as again:  # for the fixture, which closes it
        assert again.n_images == 40


def test_a_job_of_hours_keeps_no_other_waiting(hand, start_runner, monkeypatch):
    monkeypatch.setitem(kinds.KINDS, "long", Kind("long", "long", Lane.TRAINING, Doing, hand.run, pace=Pace.LONG))
    runner = start_runner()
    hours = [runner.add("long", {"what": name}, "ann") for name in ("a", "b")]
    wait_for(lambda: hand.began == ["a"])
    runner.add("one", {"what": "c"}, "ann")
    wait_for(lambda: hand.began == ["a", "c"])
    assert state(runner, hours[1]) == JobState.QUEUED
    hand.go_on.set()
    wait_for(lambda: state(runner, hours[1]) == JobState.DONE)
