"""The workspaces that tests share, as `conftest` builds them once a run."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from core.demo.datasets import write_demo_images
from core.embeddings.matrix import write_part
from core.encoders.chosen import use_encoder
from core.encoders.embed import embed
from core.evidence.check_sets import change_terms, open_check_set
from core.evidence.queues import check_queue, queue
from core.labels.actions import label
from core.labels.classes import parse_classes
from core.map.project import project
from core.probe.live import refit
from core.probe.suggest import suggest
from core.workspace import Workspace
from tests.reading import take_in

N = 48


def photo(seed, size=(48, 48)):
    rng = np.random.default_rng(seed)
    return Image.fromarray(rng.integers(0, 255, (8, 8, 3), np.uint8)).resize(size, Image.Resampling.BICUBIC)


def build_small(place: Path) -> None:
    """Make `w`, 48 labelled images with one encoder "made", a map and one kept probe, and `images` beside it."""
    images, folder = place / "images", place / "w"
    images.mkdir()
    for i in range(N):
        photo(i).save(images / f"p{i:02d}.png")
    rows = [f"p{i:02d}.png,{'explicit' if i % 3 == 0 else 'neutral'}" for i in range(N)]
    (images / "manifest.csv").write_text("\n".join(["path,label", *rows]) + "\n")
    x = np.random.default_rng(0).normal(size=(N, 8)).astype(np.float32)
    with Workspace.create(folder, salt="small") as space:
        take_in(space, images / "manifest.csv")
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


def build_demo(folder: Path) -> None:
    """Make 400 demo images, embedded, without labels and without a map."""
    with Workspace.create(folder, classes=parse_classes("neutral,footwear*,copyright"), salt="story") as space:
        take_in(space, write_demo_images(folder / "images", n_images=400))
        embed(space, "msn-demo", device="cpu")


def build_worked_on(folder: Path, demo_400: Path) -> None:
    """Give a copy of the demo first labels, readings, a model and a map."""
    with Workspace(shutil.copytree(demo_400, folder)) as space:
        label_first(space, suggest(space, 10))
        refit(space)
        project(space)


def label_first(space, suggested):
    """Give what was suggested its true class, and read check images of both parts."""
    gold = space.gold("label")
    for s in suggested:
        label(space, np.array([s.row]), space.class_names[gold[s.row]], analyst="ann")
    for live, n in ((False, 90), (True, 30)):
        for row in check_queue(space, n, live=live):
            label(space, np.array([row]), space.class_names[gold[row]], analyst="bob", source="check")


def build_promised(folder: Path) -> None:
    """Make `w`, a workspace with an opened check set; `old`, its 400 images, and `new`, 120 that it has not seen."""
    manifest = pd.read_csv(write_demo_images(folder / "all", n_images=520)).sample(frac=1, random_state=0)
    for name, lines in (("old", manifest[:400]), ("new", manifest[400:])):
        (folder / name).mkdir()
        for path in lines["path"]:
            shutil.move(folder / "all" / path, folder / name / path.replace("/", "_"))
        lines.assign(path=lines["path"].str.replace("/", "_")).to_csv(folder / name / "list.csv", index=False)
    with Workspace.create(folder / "w", classes=parse_classes("neutral,footwear*,copyright"), salt="bundle") as space:
        take_in(space, folder / "old" / "list.csv")
        embed(space, "msn-demo", device="cpu")
        gold = space.gold("label")
        rows = [np.flatnonzero(~space.is_check)[:60], queue(space, "promise", 110, analyst="ann")]
        for chosen, source in zip(rows, ("single", "check"), strict=True):
            for code, name in enumerate(space.class_names):
                mine = chosen[gold[chosen] == code]
                if len(mine):
                    label(space, mine, name, analyst="ann", source=source)
        refit(space)
        change_terms(space, recall=0.8)
        open_check_set(space, analyst="ann")
