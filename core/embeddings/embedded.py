"""One encoder's embeddings and map as one value, so that code using it never mixes two encoders when the choice changes."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from core.arrays import FloatArray
from core.catalog.catalog import Catalog
from core.catalog.models import ProjectionRow
from core.embeddings.matrix import SCORE_ROWS, Matrix, map_part
from core.embeddings.scores import Standardisation
from core.errors import WorkspaceError
from core.store.files import read_array
from core.wording import counted

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

    @classmethod
    def open(cls, catalog: Catalog, folder: Path, encoder: str | None, *, n_images: int) -> "Embedded":
        """Memory-map an encoder's parts and read its newest map; embeddings are read when used.

        Lost files do not raise: the embeddings end before the first unreadable part, and without its file there is no map.
        """
        parts = catalog.models.parts(encoder) if encoder else []
        sound, lost_parts = _sound_parts(folder, parts)
        matrix = Matrix([folder / file for _, _, file in sound]) if sound else None
        projection = catalog.models.latest_projection(encoder) if encoder else None
        xy, lost_map = np.full((n_images, 2), np.nan, np.float32), ""
        if projection:
            known = read_array(folder / projection["file"], shape=(projection["n_rows"], 2), kind="f")
            if known is None or len(known) > n_images:
                lost_map = f"The map {projection['file']} is lost; run 'lassoscope project' to rebuild it."
                projection = None
            else:
                xy[: len(known)] = known
        return cls(encoder, matrix, projection, xy, lost_parts, lost_map)

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

    @cached_property
    def standardisation(self) -> Standardisation:
        """Mean and scale of the embeddings, computed once."""
        return Standardisation.of(self.need_matrix())

    @cached_property
    def norms(self) -> FloatArray:
        """Lengths of the standardised embeddings, (M,) float32 > 0, computed once."""
        matrix, standardisation = self.need_matrix(), self.standardisation
        found = np.empty(matrix.rows, np.float32)
        for start, block in matrix.blocks(SCORE_ROWS):
            found[start : start + len(block)] = np.linalg.norm(standardisation.apply(block), axis=1)
        return np.maximum(found, 1e-12)


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
