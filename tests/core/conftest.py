"""A small real workspace that several test files copy: 400 demo images, embedded, without labels and without a map."""

import shutil
from concurrent.futures import Future

import pytest

from core.demo.datasets import write_demo_images
from core.encoders.embed import embed
from core.intake.ingest import ingest
from core.labels.classes import parse_classes
from core.workspace import Workspace


@pytest.fixture(scope="session")
def demo_400(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo") / "w"
    with Workspace.create(folder, classes=parse_classes("neutral,footwear*,copyright"), salt="story") as space:
        ingest(space, write_demo_images(folder / "images", n_images=400), workers=2)
        embed(space, "msn-demo", device="cpu")
    return folder


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
