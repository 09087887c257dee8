"""Embed a workspace's images, part by part. Each verb takes the workspace."""

import logging
from contextlib import closing
from functools import lru_cache, partial
from pathlib import Path

import numpy as np

from core.arrays import BoolArray, Progress, ignore
from core.catalog.catalog import Catalog
from core.catalog.creation import catalog_file
from core.catalog.models import EncoderRecord
from core.catalog.originals import Originals, thumbnails_sentence
from core.duplicates.search import find_copies
from core.embeddings.embedded import lost_parts
from core.embeddings.matrix import write_part
from core.encoders.chosen import encoders, other_encoder
from core.encoders.encoder import ENCODERS, Encoder, embed_originals, load_again, load_encoder
from core.encoders.offers import default_encoder, resolve
from core.errors import WorkspaceError
from core.store.thumbnails import ThumbnailStore
from core.wording import counted
from core.workers import Tell, Workers
from core.workspace import Workspace

LOG = logging.getLogger("lassoscope.encoders")
PART_ROWS = 8_192  # rows per embedding part: few enough that a kill loses little, enough to read fast


class EmbedResult(EncoderRecord):
    """The result of `embed`, with the encoder's description."""

    encoder: str
    embedded: int  # images embedded now
    from_thumbnails: int  # how many of them, because their files are gone or changed
    images: int
    near_duplicates: int


def embed_sentence(result: EmbedResult) -> str:
    """State the result."""
    sentence = f"{counted(result['embedded'], 'image')} embedded with {result['encoder']}."
    return f"{sentence} {thumbnails_sentence(result['from_thumbnails'], result['embedded'])}".strip()


def embed(
    workspace: Workspace,
    encoder: str | None = None,
    *,
    device: str = "auto",
    size: int | None = None,
    pool: Workers | None = None,
    on_progress: Progress = ignore,
    on_copies: Progress = ignore,
    on_fetch: Progress = ignore,
) -> EmbedResult:
    """Embed every image without an embedding, or whose part is lost, part by part; make this encoder the current one.

    Near-duplicates are searched for afterwards.

    Args:
        encoder: a registered name, the name of a file in the folder `weights` beside the workspace, a weights file,
            "hf:REPOSITORY" or "timm:NAME"; None for the current encoder, else the one of an interrupted first embedding, else
            `default_encoder`.
        device: "auto", "cpu" or a CUDA device.
        size: input size in px; public weights only.
        pool: processes that do the heavy part; None for this one.
        on_progress: called with (images embedded, images to embed).
        on_copies: called with (images compared, images to compare) by the search for near-duplicates.
        on_fetch: called with (bytes, bytes in all) while weights are downloaded.
    Raises:
        WorkspaceError: if there are no images.
        EncoderError: if the encoder is unknown or unusable, or the current one's weights are gone.
    """
    workspace.need_writable()
    if not workspace.n_here:
        raise WorkspaceError("There are no images to embed; run 'lassoscope ingest SOURCE' first.")
    begun = other_encoder(workspace) or workspace.encoder_name  # a first embedding that was interrupted has chosen no encoder
    current = next((known for known in encoders(workspace) if known["name"] == begun), None)
    if encoder is None and size is None and current is not None:
        models = workspace.folder / "models"
        loaded, source = load_again(current["name"], current["record"], models=models, device=device)
    else:
        encoder = encoder or (current["record"].get("source") if current is not None else None) or default_encoder()
        encoder = resolve(workspace, encoder)
        loaded = load_encoder(encoder, device=device, size=size, on_fetch=on_fetch)
        is_file = encoder not in ENCODERS and Path(encoder).is_file()
        source = {"source": str(Path(encoder).resolve()) if is_file else encoder, "asked_size": size}
    workspace.catalog.models.add_encoder(loaded.name, loaded.dim, {**loaded.describe(), **source})
    todo = _parts_to_make(workspace, loaded.name)
    done, total, small = 0, sum(stop - start for _, start, stop, _ in todo), 0
    folder = workspace.folder / "embeddings" / loaded.name
    for position, start, stop, is_new in todo:
        report = _shifted(on_progress, done, total)
        if pool is None:
            rows, gone = np.arange(start, stop), workspace.removed[start:stop]
            file, n_small = _write_part(folder, position, workspace.originals(rows[~gone]), gone, loaded, report)
        else:
            asked = workspace.folder, loaded.name, device, position, start, stop
            told = partial(_as_progress, report)
            file, n_small = pool.submit_telling(embed_part, *asked, on_told=told).result()
        if is_new:
            workspace.catalog.models.add_part(loaded.name, position, start, stop, str(file.relative_to(workspace.folder)))
        done, small = done + stop - start, small + n_small
    workspace.choose_encoder(loaded.name)
    LOG.info("images embedded", extra={"encoder": loaded.name, "embedded": done})
    if small:
        LOG.warning("embedded from thumbnails, because their files are gone or changed", extra={"images": small})
    find_copies(workspace, on_progress=on_copies, pool=pool)
    return {
        "encoder": loaded.name,
        "embedded": done,
        "from_thumbnails": small,
        "images": workspace.n_here,
        "near_duplicates": workspace.n_copies,
        **loaded.describe(),
    }


def _write_part(
    folder: Path, position: int, originals: Originals, gone: BoolArray, loaded: Encoder, on_progress: Progress
) -> tuple[Path, int]:
    """Embed images into a part file; return it, and how many were read from their thumbnails.

    Args:
        originals: the images of the part but those that were removed.
        gone: (n,) bool, which images of the part were removed; their rows stay blank.
    """
    x = np.zeros((len(gone), loaded.dim), np.float32)
    x[~gone] = np.concatenate([x[:0], *embed_originals(originals, loaded, on_progress=on_progress)])
    return write_part(folder, position, x), originals.n_thumbnails


def embed_part(folder: Path, encoder: str, device: str, position: int, start: int, stop: int, tell: Tell) -> tuple[Path, int]:
    """Embed the rows [start, stop) of the workspace in `folder` in a process of its own, and write them aside.

    Nothing of the catalog changes: a part counts once its server has named it there.
    """
    loaded = _known_encoder(folder, encoder, device)
    with (
        closing(Catalog.of_file(catalog_file(folder), read_only=True)) as catalog,
        closing(ThumbnailStore(folder / "thumbnails.sqlite", read_only=True)) as thumbnails,
    ):
        rows = np.arange(start, stop)
        gone = np.isin(rows, [removal.row for removal in catalog.removals.all()])
        originals = Originals(catalog, thumbnails, rows[~gone])
        return _write_part(folder / "embeddings" / encoder, position, originals, gone, loaded, partial(tell, "Embedding"))


@lru_cache(maxsize=1)
def _known_encoder(folder: Path, encoder: str, device: str) -> Encoder:
    """Load an encoder that the workspace's catalog has, once a process."""
    with closing(Catalog.of_file(catalog_file(folder), read_only=True)) as catalog:
        record = next(known["record"] for known in catalog.models.encoders() if known["name"] == encoder)
    return load_again(encoder, record, models=folder / "models", device=device)[0]


def _as_progress(on_progress: Progress, _stage: str, done: int, total: int) -> None:
    on_progress(done, total)


def _parts_to_make(workspace: Workspace, encoder: str) -> list[tuple[int, int, int, bool]]:
    """Return (position, first row, row after the last, is new) of an encoder's lost and missing parts."""
    known = workspace.catalog.models.parts(encoder)
    todo = [(position, *known[position][:2], False) for position in lost_parts(workspace.folder, known)]
    first = max((stop for _, stop, _ in known), default=0)
    starts = range(first, workspace.n_images, PART_ROWS)
    new = [(len(known) + i, start, min(start + PART_ROWS, workspace.n_images), True) for i, start in enumerate(starts)]
    return todo + new


def _shifted(on_progress: Progress, done_before: int, total: int) -> Progress:
    def report(done: int, _total: int) -> None:
        on_progress(done_before + done, total)

    return report
