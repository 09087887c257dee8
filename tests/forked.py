"""Processes that tests start, forked from one that has imported what they need: in a new one that takes seconds."""

import multiprocessing
from multiprocessing.context import ForkServerContext

CORE = ("core.doctor.repair", "core.study.simulate", "core.training.loop", "sklearn.cluster", "tests.reading")


def forking(*modules: str) -> ForkServerContext:
    """Return what starts such processes; the first caller in a test process says which modules it needs beside `CORE`."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([*CORE, *modules])
    return context
