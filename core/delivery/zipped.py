"""A bundle as one ZIP file inside the workspace, written whole or not at all, with progress and a way to stop it."""

import shutil
import tempfile
import time
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

from core.arrays import Progress, ignore
from core.delivery.bundle import need_go, never, write
from core.delivery.choice import choose
from core.delivery.manifest import Manifest
from core.evidence.openings import Opening
from core.store.files import atomic_path
from core.workspace import Workspace

CHUNK = 1 << 20  # bytes packed between two questions whether to stop
LEVEL = 1  # of 9: weights are 4% smaller at 6, which takes eight times as long
PACKED = 100  # steps of progress while files are packed
FORGOTTEN = 3_600  # s after which a temporary folder was left by a killed process


def export_zip(
    workspace: Workspace,
    folder: Path,
    *,
    point: str | None = None,
    threshold: float | None = None,
    opened: Opening | None = None,
    on_progress: Progress = ignore,
    stop: Callable[[], bool] = never,
) -> tuple[Path, Manifest]:
    """Write a bundle as a ZIP file into a folder, whole or not at all; return the file and the content of bundle.json.

    Args:
        point, threshold, opened: as for `export_bundle`.
        on_progress: called before each stage and while files are packed.
        stop: asked before each stage and while files are packed; writing the ONNX model is one stage of some seconds.
    Raises:
        StoppedError: if `stop` said so; nothing is left in the folder then.
    """
    chosen = choose(workspace, point=point, threshold=threshold, opened=opened)
    folder.mkdir(parents=True, exist_ok=True)
    for left in folder.glob(".bundle.*"):
        if time.time() - left.stat().st_mtime > FORGOTTEN:
            shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".bundle.") as inside:
        parts = Path(inside)
        manifest = write(workspace, parts, chosen, on_progress=_scaled(on_progress), stop=stop)
        file = folder / f"bundle-{manifest.version}.zip"
        with atomic_path(file) as aside, zipfile.ZipFile(aside, "w", zipfile.ZIP_DEFLATED) as packed:
            _pack(packed, sorted(parts.iterdir()), on_progress=on_progress, stop=stop)
            need_go(stop)
    return file, manifest


def _scaled(on_progress: Progress) -> Progress:
    """Report the stages of writing as the first half of the steps, packing being the other."""
    return lambda done, total: on_progress(PACKED * done // total, 2 * PACKED)


def _pack(packed: zipfile.ZipFile, parts: Sequence[Path], *, on_progress: Progress, stop: Callable[[], bool]) -> None:
    whole, done = max(sum(part.stat().st_size for part in parts), 1), 0
    for part in parts:
        about = zipfile.ZipInfo.from_file(part, part.name)
        about.compress_type = zipfile.ZIP_DEFLATED
        about._compresslevel = LEVEL  # type: ignore[attr-defined]  # public only since Python 3.13, as compress_level
        with part.open("rb") as source, packed.open(about, "w") as sink:
            while data := source.read(CHUNK):
                need_go(stop)
                sink.write(data)
                done += len(data)
                on_progress(PACKED + PACKED * done // whole, 2 * PACKED)
