"""What tests of `core` share: files read in this process, and a demo workspace to write to."""

import shutil
from concurrent.futures import Future

import pytest

from core.workspace import Workspace


class InProcess:
    """What `core.workers.Workers` does, here and now: for tests whose files are harmless and whose question is another."""

    def __init__(self, *_args, **_options):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def submit(self, function, *arguments):
        future = Future()
        try:
            future.set_result(function(*arguments))
        except Exception as error:
            future.set_exception(error)
        return future


@pytest.fixture
def in_process(monkeypatch):
    """Read files in this process: starting another takes half a second."""
    monkeypatch.setattr("core.intake.ingest.Workers", InProcess)


@pytest.fixture
def writable(demo_400, tmp_path):
    with Workspace(shutil.copytree(demo_400, tmp_path / "w")) as space:
        yield space
