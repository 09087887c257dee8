"""Embeddings are made part by part: which parts are still to be made, one of them in any process, and its entry in the catalog.

A workspace grows by batches of any size, and each part is a file that stays open. So a batch fills up the last part: a new file
takes the place of the one that was too short.
"""

from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import numpy as np

from core.arrays import BoolArray, IntArray, Progress
from core.catalog.catalog import Catalog
from core.catalog.creation import catalog_file
from core.catalog.models import Models
from core.catalog.originals import Originals
from core.embeddings.embedded import lost_parts
from core.embeddings.matrix import Matrix, write_rows
from core.encoders.encoder import Encoder, embed_originals, load_again
from core.store.thumbnails import ThumbnailStore
from core.workers import Tell
from core.workspace import Workspace

PART_ROWS = 8_192  # rows per embedding part: few enough that a kill loses little, enough to read fast


@dataclass(frozen=True)
class NewPart:
    """A part that is to be made. Its first rows may be embedded already, in files whose place it takes."""

    encoder: str
    position: int  # among the encoder's parts
    start: int  # row of its first image
    stop: int
    file: str  # relative to the workspace
    kept: tuple[str, ...] = ()  # files of its first rows, relative to the workspace
    n_kept: int = 0  # rows in them
    is_new: bool = True  # else the catalog names it already, but its file is lost

    @property
    def n_embedded(self) -> int:
        """Count the images that have to be embedded for it."""
        return self.stop - self.start - self.n_kept


def parts_to_make(folder: Path, models: Models, encoder: str, n_images: int) -> list[NewPart]:
    """Return an encoder's lost parts, then those that are missing until all images of the workspace in `folder` have one."""
    known = models.parts(encoder)
    lost = lost_parts(folder, known)
    again = [NewPart(encoder, position, *known[position], is_new=False) for position in lost]
    first = max((stop for _, stop, _ in known), default=0)
    if first >= n_images:
        return again
    place = len(known)
    while place and place - 1 not in lost and first - known[place - 1][0] < PART_ROWS:
        place -= 1
    filled = known[place:]
    start = filled[0][0] if filled else first
    new = []
    for i, begin in enumerate(range(start, n_images, PART_ROWS)):
        stop = min(begin + PART_ROWS, n_images)
        kept, n_kept = (tuple(file for *_, file in filled), first - start) if i == 0 else ((), 0)
        # Of its length, too: the shorter file has its name until the catalog names this one.
        name = f"part-{place + i:05d}-{stop - begin}.npy" if kept else f"part-{place + i:05d}.npy"
        new.append(NewPart(encoder, place + i, begin, stop, f"embeddings/{encoder}/{name}", kept, n_kept))
    return again + new


def make_part(
    folder: Path,
    part: NewPart,
    gone: BoolArray,
    originals_of: Callable[[IntArray], Originals],
    loaded: Encoder,
    on_progress: Progress,
) -> int:
    """Embed what a part lacks, and write its file; return how many images were read from their thumbnails.

    Args:
        folder: of the workspace.
        gone: (n,) bool, which of the part's images were removed; their rows are blank.
        originals_of: returns the pictures of rows of the workspace.
    """
    is_new = ~gone
    is_new[: part.n_kept] = False
    originals = originals_of(part.start + np.flatnonzero(is_new))
    x = np.zeros((part.stop - part.start, loaded.dim), np.float32)
    if part.kept:
        x[: part.n_kept] = Matrix([folder / file for file in part.kept]).take(np.arange(part.n_kept))
    x[is_new] = np.concatenate([x[:0], *embed_originals(originals, loaded, on_progress=on_progress)])
    x[gone] = 0
    write_rows(folder / part.file, x)
    return originals.n_thumbnails


def embed_part(folder: Path, part: NewPart, device: str, tell: Tell) -> int:
    """Make a part of the workspace in `folder` in a process of its own, as `make_part` does, and write its file aside.

    Nothing of the catalog changes: a part counts once its server has named it there.
    """
    loaded = _known_encoder(folder, part.encoder, device)
    with (
        closing(Catalog.of_file(catalog_file(folder), read_only=True)) as catalog,
        closing(ThumbnailStore(folder / "thumbnails.sqlite", read_only=True)) as thumbnails,
    ):
        gone = np.isin(np.arange(part.start, part.stop), [removal.row for removal in catalog.removals.all()])
        return make_part(folder, part, gone, partial(Originals, catalog, thumbnails), loaded, partial(tell, "Embedding"))


def keep_part(workspace: Workspace, part: NewPart) -> None:
    """Name a part that was made in the catalog, in place of those whose rows it has taken over, and delete their files."""
    if not part.is_new:
        return
    workspace.catalog.models.add_part(part.encoder, part.position, part.start, part.stop, part.file)
    for file in part.kept:
        with suppress(OSError):  # who has it open goes on reading it; what is left of it harms nobody
            (workspace.folder / file).unlink()


@lru_cache(maxsize=1)
def _known_encoder(folder: Path, encoder: str, device: str) -> Encoder:
    """Load an encoder that the workspace's catalog has, once a process."""
    with closing(Catalog.of_file(catalog_file(folder), read_only=True)) as catalog:
        record = next(known["record"] for known in catalog.models.encoders() if known["name"] == encoder)
    return load_again(encoder, record, models=folder / "models", device=device)[0]
