"""A call in a worker process is bounded in memory and time, and what it does to its process hurts no other call."""

import os
import signal
import time

import pytest

from core.workers import CrashedError, StartError, TookTooLongError, Workers


def held(megabytes):
    return len(bytearray(megabytes * 2**20)) // 2**20


@pytest.fixture(scope="module")
def pool():
    with Workers(1, seconds=2.0, memory=200) as pool:
        yield pool


def test_answers_and_errors_come_back(pool):
    assert pool.submit(abs, -3).result() == 3
    with pytest.raises(ZeroDivisionError):
        pool.submit(divmod, 1, 0).result()


def test_a_call_that_takes_too_long_is_ended_and_the_next_one_is_answered(pool):
    began = time.monotonic()
    with pytest.raises(TookTooLongError, match="2 seconds"):
        pool.submit(time.sleep, 60).result()
    assert time.monotonic() - began < 30
    assert pool.submit(abs, -4).result() == 4


def test_a_call_that_ends_its_process_is_distinguished_from_one_that_was_killed(pool, tmp_path):
    with pytest.raises(CrashedError):
        pool.submit(os._exit, 3).result()
    victim = pool.submit(os.getpid).result()
    os.kill(victim, signal.SIGKILL)
    assert pool.submit(abs, -5).result() == 5  # tried once more in another process


def test_a_process_that_does_not_come_up_is_no_fault_of_what_it_was_to_do():
    with Workers(1, prepare=os.abort) as pool, pytest.raises(StartError, match="while starting"):
        pool.submit(abs, 1).result()


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="the system bounds no memory")
def test_memory_is_bounded(pool):
    assert pool.submit(held, 50).result() == 50
    with pytest.raises(MemoryError):
        pool.submit(held, 400).result()


def test_leaving_by_an_error_does_not_wait_for_what_is_being_done():
    began = time.monotonic()

    def leave():
        with Workers(1) as pool:
            pool.submit(abs, 1).result()
            pool.submit(time.sleep, 50)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        leave()
    assert time.monotonic() - began < 20
