"""Embed a workspace's images, part by part. Each verb takes the workspace."""

import logging
from functools import partial
from pathlib import Path

from core.arrays import Progress, ignore
from core.catalog.models import EncoderRecord
from core.catalog.originals import thumbnails_sentence
from core.duplicates.search import find_copies
from core.encoders.chosen import encoders, other_encoder
from core.encoders.encoder import ENCODERS, load_again, load_encoder
from core.encoders.offers import default_encoder, resolve
from core.encoders.parts import embed_part, keep_part, make_part, parts_to_make
from core.errors import WorkspaceError
from core.wording import counted
from core.workers import Workers
from core.workspace import Workspace

LOG = logging.getLogger("lassoscope.encoders")


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
    todo = parts_to_make(workspace.folder, workspace.catalog.models, loaded.name, workspace.n_images)
    done, total, small = 0, sum(part.n_embedded for part in todo), 0
    for part in todo:
        report = _shifted(on_progress, done, total)
        if pool is None:
            gone = workspace.removed[part.start : part.stop]
            small += make_part(workspace.folder, part, gone, workspace.originals, loaded, report)
        else:
            told = partial(_as_progress, report)
            small += pool.submit_telling(embed_part, workspace.folder, part, device, on_told=told).result()
        keep_part(workspace, part)
        done += part.n_embedded
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


def _as_progress(on_progress: Progress, _stage: str, done: int, total: int) -> None:
    on_progress(done, total)


def _shifted(on_progress: Progress, done_before: int, total: int) -> Progress:
    def report(done: int, _total: int) -> None:
        on_progress(done_before + done, total)

    return report
