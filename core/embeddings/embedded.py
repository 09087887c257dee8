"""One encoder's embeddings and map as one value, so that code using it never mixes two encoders when the choice changes."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from core.arrays import FloatArray, IntArray
from core.catalog.catalog import Catalog
from core.catalog.models import ProjectionRow
from core.embeddings.matrix import Matrix, map_part
from core.embeddings.scores import Standardisation
from core.errors import WorkspaceError
from core.store.files import read_array
from core.wording import counted

if TYPE_CHECKING:
    import torch

    from core.embeddings.resident import DeviceMatrix

T = TypeVar("T")
COMPUTED = {"standardisation", "norms"}  # of the embeddings, once
Part = tuple[int, int, str]  # first row, row after the last, file


@dataclass(frozen=True, eq=False)
class Embedded:
    """A workspace's embeddings and map by one encoder. Immutable."""

    encoder: str | None  # None before the first embedding
    matrix: Matrix | None
    projection: ProjectionRow | None  # the newest map
    xy: FloatArray  # (N, 2) float32 map positions, NaN for images that are not on the map
    lost_parts: str = ""  # message about embeddings that are in the catalog but not on disk; "" = none
    lost_map: str = ""  # message if the map is in the catalog but not on disk; "" = it is there
    device: str = "auto"  # where the arithmetic runs, as `core.devices.pick_device` takes it

    @classmethod
    def open(cls, catalog: Catalog, folder: Path, encoder: str | None, *, n_images: int, device: str = "auto") -> "Embedded":
        """Memory-map an encoder's parts and read its newest map; embeddings are read when used.

        Lost files do not raise: the embeddings end before the first unreadable part, and without its file there is no map.
        """
        matrix, lost_parts = _open_parts(catalog, folder, encoder, n_images) if encoder else (None, "")
        projection = catalog.models.latest_projection(encoder) if encoder else None
        xy, lost_map = np.full((n_images, 2), np.nan, np.float32), ""
        if projection:
            known = read_array(folder / projection["file"], shape=(projection["n_rows"], 2), kind="f")
            if known is None or len(known) > n_images:
                lost_map = f"The map {projection['file']} is lost; run 'lassoscope project' to rebuild it."
                projection = None
            else:
                xy[: len(known)] = known
        return cls(encoder, matrix, projection, xy, lost_parts, lost_map, device)

    def grown(self, n_images: int) -> "Embedded":
        """Return the same of more images, which are not on the map; what was computed of the embeddings stays known."""
        n = len(self.xy)
        if n == n_images:
            return self
        xy = np.full((n_images, 2), np.nan, np.float32)
        xy[:n] = self.xy
        return self._with(xy)

    def without(self, rows: IntArray) -> "Embedded":
        """Return the same with these images, which were removed, not on the map."""
        if np.isnan(self.xy[rows]).all():
            return self
        xy = self.xy.copy()
        xy[rows] = np.nan
        return self._with(xy)

    def _with(self, xy: FloatArray) -> "Embedded":
        """Return the same with other positions; what was computed of the embeddings stays known."""
        more = replace(self, xy=xy)
        for name in COMPUTED & vars(self).keys():
            vars(more)[name] = vars(self)[name]
        return more

    def need_matrix(self) -> Matrix:
        """Return the embeddings.

        Raises:
            WorkspaceError: if there are none.
        """
        if self.matrix is None and self.lost_parts:
            raise WorkspaceError(self.lost_parts)
        if self.matrix is None:
            raise WorkspaceError("The images have no embeddings yet; run 'lassoscope embed' first.")
        return self.matrix

    @property
    def on_device(self) -> "DeviceMatrix":
        """Return the embeddings where the arithmetic runs.

        Raises:
            WorkspaceError: if there are none.
            InputError: if this machine does not have the device.
        """
        from core.devices import pick_device
        from core.embeddings.resident import device_matrix

        return device_matrix(self.need_matrix(), pick_device(self.device))

    def compute(self, work: Callable[["Embedded"], T]) -> T:
        """Return `work(self)`; if the device's memory is full whatever was tried, that of these embeddings on the CPU.

        On the CPU, torch's small steps take one thread each, and passes over all embeddings all cores.
        """
        import torch

        from core.devices import pick_device, warn_once, with_threads

        device = pick_device(self.device)
        if device.type == "cpu":
            return with_threads(1, lambda: work(self))
        try:
            return work(self)
        except torch.OutOfMemoryError:
            warn_once(f"the memory of {device} is full, so the CPU computes instead")
        return with_threads(1, lambda: work(replace(self, device="cpu")))

    @cached_property
    def standardisation(self) -> Standardisation:
        """Mean and scale of the embeddings, computed once."""
        return self.compute(lambda mine: Standardisation.of(mine.on_device))

    def standardised(self, rows: IntArray) -> "torch.Tensor":
        """Return the standardised embeddings of rows, (n, D) float32, where the arithmetic runs."""
        return self.standardisation.apply_(self.on_device.take(rows))

    @cached_property
    def norms(self) -> "torch.Tensor":
        """Lengths of the standardised embeddings, (M,) float32 > 0 where the arithmetic runs, computed once."""
        import torch

        embeddings = self.on_device
        norms = torch.empty(embeddings.rows, dtype=torch.float32, device=embeddings.device)

        def norm(start: int, block: torch.Tensor) -> None:
            norms[start : start + len(block)] = self.standardisation.apply_(block.float()).norm(dim=1).clamp_min(1e-12)

        embeddings.each(norm)
        return norms


def _open_parts(catalog: Catalog, folder: Path, encoder: str, n_images: int) -> tuple[Matrix | None, str]:
    """Memory-map an encoder's sound parts, of the first images; return a message about the others, too.

    A part that is filled up gets another file. If that happens while they are opened, they are opened again.
    """
    parts = catalog.models.parts(encoder)
    while True:
        sound, lost = _sound_parts(folder, parts)
        here = [folder / file for start, _, file in sound if start < n_images]  # more may be embedded by now
        try:
            matrix = Matrix(here, most=n_images) if here else None
        except WorkspaceError:
            if (now := catalog.models.parts(encoder)) == parts:
                raise
        else:
            if not lost or (now := catalog.models.parts(encoder)) == parts:
                return matrix, lost
        parts = now


def lost_parts(folder: Path, parts: Sequence[Part]) -> list[int]:
    """Return the positions of the parts that cannot be read or do not match the catalog."""
    widths = [_width(folder, part) for part in parts]
    counts = Counter(width for width in widths if width)
    usual = counts.most_common(1)[0][0] if counts else 0
    return [position for position, width in enumerate(widths) if width != usual or not width]


def spoilt_parts(folder: Path, parts: Sequence[Part]) -> list[str]:
    """Return the files of readable parts that contain NaN or infinity; reads all parts."""
    lost = set(lost_parts(folder, parts))
    sound = [part for position, part in enumerate(parts) if position not in lost]
    return [file for _, _, file in sound if not np.isfinite(map_part(folder / file)).all()]


def _width(folder: Path, part: Part) -> int:
    start, stop, file = part
    try:
        found = map_part(folder / file)
    except WorkspaceError:
        return 0
    return int(found.shape[1]) if len(found) == stop - start else 0


def _sound_parts(folder: Path, parts: Sequence[Part]) -> tuple[Sequence[Part], str]:
    lost = [parts[position] for position in lost_parts(folder, parts)]
    if not lost:
        return parts, ""
    files, n = ", ".join(file for _, _, file in lost[:3]) + (", …" if len(lost) > 3 else ""), sum(b - a for a, b, _ in lost)
    message = f"The embeddings of {counted(n, 'image')} are lost ({files}); run 'lassoscope embed' to rebuild them."
    return parts[: parts.index(lost[0])], message
