"""From a folder of pictures to a map, as one job: it reads, embeds and lays out. A first map comes before the last picture.

Every step is a set difference, so a server that is started again goes on where the one before it ended.
"""

import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Literal

from pydantic import Field

from core.jobs.work import A, Arguments, Change, Outcome, Work
from core.wording import counted
from core.workers import Tell, Workers
from core.workspace import Workspace

FIRST = 500  # images that the first map is made of
GROW_SECONDS = 1.0  # between two times that windows hear of more images: each of them draws its map anew
SHIPPED = "fashion"  # the data set that comes with the program
DEMO_ENCODER = {SHIPPED: "msn-demo"}  # by data set: trained on its images
MAKING = "Making demo pictures"


class BeginArguments(Arguments):
    """What a workspace begins with."""

    source: str = ""  # absolute path of a folder or a manifest; "" for the images that are there
    encoder: str | None = Field(default=None, max_length=4_096)  # as `core.encoders.embed.embed` takes it


class DemoArguments(Arguments):
    """A data set of `core.demo.datasets`, or the shipped one."""

    dataset: Literal["fashion", "cifar10", "caltech101", "pets"] = "fashion"


def growing(work: "Work[A]") -> Callable[[], None]:
    """Return what takes committed images in now and then, and tells windows of them."""
    space, grown_at = work.workspace, [time.monotonic()]

    def grow() -> None:
        if time.monotonic() - grown_at[0] >= GROW_SECONDS:
            grown_at[0] = time.monotonic()
            if space.grow():
                work.changed(Change.IMAGES)

    return grow


def begin(work: Work[BeginArguments]) -> Outcome:
    """Read pictures, embed them and lay them out."""
    with work.processes() as pool:
        return _begin(work, pool, work.arguments.source, work.arguments.encoder)


def begin_demo(work: Work[DemoArguments]) -> Outcome:
    """Write or fetch the demo's pictures, then do the same with them."""
    dataset, folder = work.arguments.dataset, work.workspace.folder / "images"
    work.tell(MAKING)
    with work.processes() as pool:
        manifest = pool.submit_telling(make_demo, dataset, folder, on_told=work.tell).result()
        return _begin(work, pool, str(manifest), DEMO_ENCODER.get(dataset))


def make_demo(dataset: str, folder: Path, tell: Tell) -> Path:
    """Write or fetch a demo's pictures in a process of its own; return their manifest."""
    from core.demo.datasets import fetch_dataset, write_demo_images

    on_progress = partial(tell, MAKING)
    if dataset == SHIPPED:
        return write_demo_images(folder, on_progress=on_progress)
    return fetch_dataset(dataset, folder, on_progress=on_progress)


def _begin(work: "Work[A]", pool: Workers, source: str, encoder: str | None) -> Outcome:
    from core.intake.ingest import ingest
    from core.map.place import OFFER, place, unplaced

    space, sentences, grow = work.workspace, [], growing(work)
    pool.submit(get_ready)  # seconds of imports, while pictures are read

    def on_commit() -> None:
        grow()
        # Not later: what is embedded by then makes the first map, and the rest is read after it.
        if space.projection is None and space.catalog.images.count() >= FIRST:
            space.grow()
            work.changed(Change.IMAGES)
            _embed(work, encoder, pool)
            _lay_out(work, pool)

    if source:
        work.tell("Listing files")
        # All cores read: nobody labels yet.
        telling = work.telling("Reading pictures")
        result = ingest(space, Path(source), workers=os.cpu_count(), nice=work.nice, on_progress=telling, on_commit=on_commit)
        work.changed(Change.IMAGES)
        sentences.append(result.sentence)
    if not space.n_images:
        return Outcome(" ".join([*sentences, "There is no picture to embed yet; add some."]))
    _embed(work, encoder, pool)
    if space.projection is not None and len(unplaced(space)):  # they are seen while all are laid out
        place(space, pool=pool, on_progress=work.telling("Placing on the map"))
        work.changed(Change.MAP)
    if _placed_share(space) > OFFER:
        sentences.append(_lay_out(work, pool))
    return Outcome(" ".join(sentences) or f"{counted(space.n_images, 'image')} on the map.", {"images": space.n_images})


def _placed_share(space: Workspace) -> float:
    """Return the share of the images on the map that were placed rather than laid out; 1 without a map."""
    if space.projection is None:
        return 1.0
    n_rows = space.projection["n_rows"]
    return 1 - space.projection["record"].get("laid_out", n_rows) / max(n_rows, 1)


def get_ready() -> None:
    """Import what a worker process embeds and lays out with."""
    import umap  # noqa: F401

    import core.encoders.embed
    import core.map.project  # noqa: F401


def _embed(work: "Work[A]", encoder: str | None, pool: Workers) -> None:
    from core.encoders.embed import embed

    space = work.workspace
    if space.matrix is not None and space.matrix.rows == space.n_images and not space.current.lost_parts:
        return
    work.tell("Embedding")
    embed(
        space,
        encoder if space.encoder_name is None else None,
        device=space.device,
        pool=pool,
        on_progress=work.telling("Embedding"),
        on_copies=work.telling("Comparing near-duplicates"),
        on_fetch=work.telling("Downloading the weights"),
    )
    work.changed(Change.MAP)


def _lay_out(work: "Work[A]", pool: Workers) -> str:
    from core.map.project import project, project_sentence

    work.tell("Laying out the map")
    result = project(
        work.workspace,
        keep=True,  # from the first map on, people look at it
        device=work.workspace.device,
        pool=pool,
        on_progress=work.telling("Laying out the map"),
        on_copies=work.telling("Comparing near-duplicates"),
    )
    work.changed(Change.MAP)
    return project_sentence(result)
