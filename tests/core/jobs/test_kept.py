"""Processes that are kept between jobs: used again while they wait, gone when nobody wants them."""

import contextlib
import os

import pytest

from core.jobs.kept import KeptProcesses
from tests.waiting import wait_for


@pytest.fixture
def kept():
    kept = KeptProcesses()
    yield kept
    kept.close()


def alive(pid):
    with contextlib.suppress(OSError):
        os.kill(pid, 0)
        return True
    return False


def pid_of(pool):
    return pool.submit(os.getpid).result()


def test_the_next_job_gets_the_process_of_the_last_and_two_at_once_have_their_own(kept):
    with kept.lent() as pool:
        first = pid_of(pool)
        with kept.lent() as other:
            assert pid_of(other) != first
        # the other is kept: this one came back too late
    with kept.lent() as pool:
        assert pid_of(pool) != first
        assert not alive(first)


def test_a_process_ends_when_nobody_wants_it_and_with_its_keeper():
    kept = KeptProcesses(idle=0.2)
    with kept.lent() as pool:
        pid = pid_of(pool)
    wait_for(lambda: not alive(pid))
    kept = KeptProcesses()
    with kept.lent() as pool:
        pid = pid_of(pool)
    assert alive(pid)
    kept.close()
    assert not alive(pid)


def test_a_pool_that_was_killed_or_failed_is_not_kept(kept):
    with kept.lent() as pool:
        killed = pid_of(pool)
        pool.kill()
    with kept.lent() as pool:
        failed = pid_of(pool)
    assert failed != killed
    with contextlib.suppress(ZeroDivisionError), kept.lent() as pool:
        assert pid_of(pool) == failed  # so far all went well
        raise ZeroDivisionError
    with kept.lent() as pool:
        assert pid_of(pool) not in (killed, failed)
