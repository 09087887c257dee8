"""Processes that tests start, forked from one that has imported what they need: in a new one that takes seconds."""

import multiprocessing
from multiprocessing.context import ForkServerContext


def forking(*modules: str) -> ForkServerContext:
    """Return what starts such processes; the first caller in a test process says which modules are imported before."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.reading", *modules])
    return context
