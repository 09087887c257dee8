"""One encoder's embeddings and map, as one value: who holds it never mixes two encoders while another is chosen."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from core.arrays import FloatArray
from core.catalog import Catalog
from core.errors import WorkspaceError
from core.fitting import Standardisation
from core.vectors import SCORE_ROWS, Matrix


@dataclass(frozen=True, eq=False)
class Embedded:
    """What a workspace has of an encoder. Nothing in it changes afterwards."""

    encoder: str | None  # None before the first embedding
    matrix: Matrix | None
    projection: dict[str, Any] | None  # the newest map's record
    xy: FloatArray  # (N, 2) float32 map positions, NaN for images that are not on the map

    @classmethod
    def open(cls, catalog: Catalog, folder: Path, encoder: str | None, *, n_images: int) -> "Embedded":
        """Map an encoder's parts and read its newest map; embeddings are read when they are asked for."""
        parts = catalog.parts(encoder) if encoder else []
        projection = catalog.latest_projection(encoder) if encoder else None
        xy = np.full((n_images, 2), np.nan, np.float32)
        if projection:
            known = np.load(folder / projection["file"], allow_pickle=False)
            xy[: len(known)] = known
        return cls(encoder, Matrix([folder / file for _, _, file in parts]) if parts else None, projection, xy)

    def need_matrix(self) -> Matrix:
        """Return the embeddings.

        Raises:
            WorkspaceError: if there are none.
        """
        if self.matrix is None:
            raise WorkspaceError("The images have no embeddings yet; run 'lassoscope embed' first.")
        return self.matrix

    @cached_property
    def standardisation(self) -> Standardisation:
        """Mean and scale of the embeddings, measured once."""
        return Standardisation.of(self.need_matrix())

    @cached_property
    def norms(self) -> FloatArray:
        """Lengths of the standardised embeddings, (M,) float32 > 0, measured once."""
        matrix, standardisation = self.need_matrix(), self.standardisation
        found = np.empty(matrix.rows, np.float32)
        for start, block in matrix.blocks(SCORE_ROWS):
            found[start : start + len(block)] = np.linalg.norm(standardisation.apply(block), axis=1)
        return np.maximum(found, 1e-12)
