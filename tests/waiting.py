"""Waiting for what another thread or process does: soon on an idle machine, and patiently on a busy one."""

import time
from collections.abc import Callable

PATIENCE = 120.0  # s; only a test that fails waits for so long


def wait_for(condition: Callable[[], object], said: str = "it did not happen") -> None:
    """Return as soon as the condition holds.

    Raises:
        AssertionError: `said`, if it never does.
    """
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, said
        time.sleep(0.01)
