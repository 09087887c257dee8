"""Orders of images: by the names of their files, by how like they are to some. Each verb takes the workspace."""

import numpy as np

from core.arrays import FloatArray, IntArray
from core.devices import to_host
from core.embeddings import neighbours
from core.workspace import Workspace


def places_by_name(workspace: Workspace) -> IntArray:
    """Return the place of every image in the order of file names, whatever their case, (N,) int64; without a file: last."""
    paths = workspace.catalog.images.paths(0, workspace.n_images)
    keys = [(not path, path.rpartition("/")[2].casefold(), path) for path in paths]
    places = np.empty(len(keys), np.int64)
    places[sorted(range(len(keys)), key=keys.__getitem__)] = np.arange(len(keys))
    return places


def likeness(workspace: Workspace, rows: IntArray) -> FloatArray:
    """Return how like every image is to the likest of some, (N,) float32 in [-1, 1]; NaN for images without an embedding.

    Args:
        rows: (K,); those without an embedding do not count, and where none is left nothing is alike: all NaN.
    """
    found, matrix = np.full(workspace.n_images, np.nan, np.float32), workspace.matrix
    known = rows[rows < matrix.rows] if matrix is not None else rows[:0]
    if len(known):
        alike = workspace.current.compute(lambda mine: to_host(neighbours.likeness(mine, known))[0])
        found[: len(alike)] = alike
    return found
