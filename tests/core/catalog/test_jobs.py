"""Records of jobs: what state leads to what, and what a record says."""

import threading

import pytest

from core.catalog.jobs import CHANGES, REQUESTS, WAITING_OR_AT_WORK, JobState
from core.errors import InputError

STATES = [state for state in JobState if state != JobState.UNKNOWN]


def in_state(catalog, state):
    """Return a new job in this state."""
    job, _ = catalog.jobs.add("ingest", {"source": "/x"}, "ann")
    ways = {
        JobState.QUEUED: (),
        JobState.RUNNING: (JobState.RUNNING,),
        JobState.CANCELLED: (JobState.CANCELLED,),
        JobState.DONE: (JobState.RUNNING, JobState.DONE),
        JobState.FAILED: (JobState.RUNNING, JobState.FAILED),
    }
    for step in ways[state]:
        job = catalog.jobs.move(job.number, step, message=f"it is {step}")
    return job


@pytest.mark.parametrize("before", STATES)
@pytest.mark.parametrize("after", STATES)
def test_a_job_changes_its_state_in_the_ways_there_are_and_in_no_other(catalog, before, after):
    job = in_state(catalog, before)
    found = catalog.jobs.move(job.number, after)
    if after in CHANGES[before]:
        assert found.state == after
    else:
        assert found is None
        assert catalog.jobs.get(job.number) == job


def test_a_record_tells_when_it_began_and_ended_and_what_came_of_it(catalog):
    job, is_new = catalog.jobs.add("embed", {"encoder": None}, "ann")
    assert is_new
    assert (job.number, job.kind, job.arguments, job.analyst) == (1, "embed", {"encoder": None}, "ann")
    assert (job.started_at, job.ended_at, job.starts) == (None, None, 0)
    job = catalog.jobs.move(1, JobState.RUNNING)
    assert job.created_at <= job.started_at
    assert job.starts == 1
    catalog.jobs.note(1, stage="Embedding", done=30, total=120, rate=2.0)
    job = catalog.jobs.get(1)
    assert (job.stage, job.done, job.total, job.remaining) == ("Embedding", 30, 120, 45.0)
    job = catalog.jobs.move(1, JobState.DONE, message="120 images embedded.", result={"embedded": 120})
    assert job.started_at <= job.ended_at
    assert (job.message, job.result, job.remaining) == ("120 images embedded.", {"embedded": 120}, None)
    catalog.jobs.note(1, stage="late", done=1, total=1, rate=None)  # of a thread that had not heard yet
    assert catalog.jobs.get(1) == job


def test_a_job_tried_again_keeps_its_number_and_counts_its_starts_anew(catalog):
    job = in_state(catalog, JobState.FAILED)
    assert job.message == "it is failed"
    again = catalog.jobs.move(job.number, JobState.QUEUED)
    assert (again.number, again.starts, again.message, again.ended_at) == (job.number, 0, "", None)
    assert again.created_at > job.created_at
    stopped = catalog.jobs.move(catalog.jobs.move(job.number, JobState.RUNNING).number, JobState.QUEUED)
    assert stopped.starts == 1  # the server ended: nobody has asked again
    assert stopped.created_at == again.created_at


def test_the_same_job_is_not_added_twice_while_the_first_waits(catalog):
    first, _ = catalog.jobs.add("ingest", {"source": "/x"}, "ann", unless=WAITING_OR_AT_WORK)
    same, is_new = catalog.jobs.add("ingest", {"source": "/x"}, "bob", unless=WAITING_OR_AT_WORK)
    assert (same, is_new) == (first, False)
    other, is_new = catalog.jobs.add("ingest", {"source": "/y"}, "bob", unless=WAITING_OR_AT_WORK)
    assert is_new
    catalog.jobs.move(first.number, JobState.CANCELLED)
    again, is_new = catalog.jobs.add("ingest", {"source": "/x"}, "ann", unless=WAITING_OR_AT_WORK)
    assert is_new
    assert len({first.number, other.number, again.number}) == 3


def test_a_request_made_again_gets_its_job_whatever_has_become_of_it(catalog):
    first, is_new = catalog.jobs.add("export", {}, "ann", request="a")
    assert is_new
    for state in (JobState.RUNNING, JobState.DONE):
        catalog.jobs.move(first.number, state)
    again, is_new = catalog.jobs.add("export", {}, "ann", request="a")
    assert (again.number, again.state, is_new) == (first.number, JobState.DONE, False)
    other, is_new = catalog.jobs.add("export", {}, "ann", request="b")
    assert is_new
    equal, is_new = catalog.jobs.add("export", {}, "bob", unless=[JobState.QUEUED], request="c")  # it counts as that one
    assert (equal.number, is_new) == (other.number, False)
    catalog.jobs.move(other.number, JobState.CANCELLED)
    assert catalog.jobs.add("export", {}, "bob", unless=[JobState.QUEUED], request="c")[0].number == other.number
    for number in range(REQUESTS):  # only so many are kept
        catalog.jobs.add("export", {}, "ann", unless=[JobState.QUEUED], request=str(number))
    assert catalog.jobs.add("export", {}, "ann", request="a")[1]


def test_jobs_are_listed_newest_first_and_open_ones_are_never_left_out(catalog):
    waits = catalog.jobs.add("train", {}, "ann")[0]
    done = [in_state(catalog, JobState.DONE) for _ in range(4)]
    listed = catalog.jobs.newest(3)
    assert [job.number for job in listed] == [done[-1].number, done[-2].number, waits.number]
    assert [job.number for job in catalog.jobs.in_states([JobState.QUEUED])] == [waits.number]


def test_of_two_hands_that_take_one_job_one_wins(catalog):
    job, _ = catalog.jobs.add("train", {}, "ann")
    took, start = [], threading.Barrier(2)

    def take():
        start.wait()
        took.append(catalog.jobs.move(job.number, JobState.RUNNING))

    threads = [threading.Thread(target=take) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found is None for found in took) == [False, True]
    assert catalog.jobs.get(job.number).starts == 1


def test_a_job_that_is_not_there_is_said(catalog):
    for use in (catalog.jobs.get, lambda number: catalog.jobs.move(number, JobState.RUNNING)):
        with pytest.raises(InputError, match="There is no job 7"):
            use(7)
