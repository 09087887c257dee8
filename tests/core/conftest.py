"""What tests of `core` share: files read in this process, and a demo workspace to write to."""

import shutil

import pytest

from core.workspace import Workspace
from tests.reading import InProcess


@pytest.fixture
def in_process(monkeypatch):
    """Read files in this process: starting another takes half a second."""
    monkeypatch.setattr("core.intake.ingest.Workers", InProcess)


@pytest.fixture
def writable(demo_400, tmp_path):
    with Workspace(shutil.copytree(demo_400, tmp_path / "w")) as space:
        yield space
