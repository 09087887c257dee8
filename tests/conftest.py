"""A workspace that is made in seconds, for tests of files and commands: real pictures, made-up embeddings and map."""

import os
import shutil

from core.encoders.chosen import use_encoder
from core.intake.ingest import ingest
from core.labels.actions import label
from core.probe.live import refit

if "PYTEST_XDIST_WORKER" in os.environ:  # one process a core: threads of torch in each would wait for each other
    os.environ["OMP_NUM_THREADS"] = "1"  # before torch is imported; processes that tests start have it too

import numpy as np
import pytest
from PIL import Image

from core.embeddings.matrix import write_part
from core.workspace import Workspace

N = 48


def photo(seed, size=(48, 48)):
    rng = np.random.default_rng(seed)
    return Image.fromarray(rng.integers(0, 255, (8, 8, 3), np.uint8)).resize(size, Image.Resampling.BICUBIC)


@pytest.fixture(scope="session")
def small_made(tmp_path_factory):
    """A workspace folder with 48 labelled images, one encoder "made" with a map, and one kept probe; `images/` beside it."""
    place = tmp_path_factory.mktemp("small")
    images, folder = place / "images", place / "w"
    images.mkdir()
    for i in range(N):
        photo(i).save(images / f"p{i:02d}.png")
    rows = [f"p{i:02d}.png,{'explicit' if i % 3 == 0 else 'neutral'}" for i in range(N)]
    (images / "manifest.csv").write_text("\n".join(["path,label", *rows]) + "\n")
    x = np.random.default_rng(0).normal(size=(N, 8)).astype(np.float32)
    with Workspace.create(folder, salt="small") as space:
        ingest(space, images / "manifest.csv", workers=1)
        space.catalog.models.add_encoder("made", 8, {"source": "made"})
        file = write_part(folder / "embeddings" / "made", 0, x)
        space.catalog.models.add_part("made", 0, 0, N, str(file.relative_to(folder)))
        (folder / "projection").mkdir()
        np.save(folder / "projection" / "map.npy", x[:, :2])
        space.catalog.models.add_projection("made", N, "projection/map.npy", {"seed": 0, "trustworthiness": None})
        use_encoder(space, "made")
        gold = space.gold("label")
        for code, name in enumerate(space.class_names):
            if (gold == code).any():
                label(space, np.flatnonzero(gold == code), name, analyst="ann")
        refit(space)
    return place


@pytest.fixture
def small(small_made, tmp_path):
    """A copy of that folder, to be damaged."""
    return shutil.copytree(small_made / "w", tmp_path / "w")
