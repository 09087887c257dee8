"""Processes that tests start, forked from one that has imported core already: in a new one that takes seconds."""

import multiprocessing

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["core.doctor.repair", "core.training.loop", "dashboard.app", "pytest", "tests.reading"])
