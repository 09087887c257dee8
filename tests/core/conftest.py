"""A small real workspace that several test files copy: 400 demo images, embedded, without labels and without a map."""

import shutil

import pytest

from core.demo import write_demo_images
from core.workspace import Workspace
from dashboard.cli import parse_classes


@pytest.fixture(scope="session")
def demo_400(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo") / "w"
    with Workspace.create(folder, classes=parse_classes("neutral,footwear*,copyright"), salt="story") as space:
        space.ingest(write_demo_images(folder / "images", n_images=400), workers=2)
        space.embed("msn-demo", device="cpu")
    return folder


@pytest.fixture
def writable(demo_400, tmp_path):
    with Workspace(shutil.copytree(demo_400, tmp_path / "w")) as space:
        yield space
