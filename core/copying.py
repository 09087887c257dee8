"""Near-duplicates that a hash does not find: embedding neighbours, looked at pixel by pixel. Takes the workspace."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

import numpy as np

from core.arrays import FloatArray, IntArray, Progress, ignore
from core.copies import detail, is_copy
from core.errors import InputError
from core.labels import UNLABELLED
from core.workspace import Workspace

NEIGHBOURS = 2  # a copy was its original's nearest in every one of 240 trials (msn-tiny-64); the second is for a third copy
CLOSE = 0.8  # cosine of standardised embeddings below which nobody looks: 99% of copies were above .90
DETAILS = 20_000  # pictures kept in memory, 32 KB each
CHUNK = 512  # pairs between two reports
MOST_PRODUCTS = 4e8  # new images times all images that are compared here; more wait for the map's neighbours


def affordable(n_new: int, n_images: int) -> bool:
    """Tell whether all distances of the new images take seconds rather than minutes."""
    return n_new * n_images <= MOST_PRODUCTS


def find_copies(workspace: Workspace, *, neighbour_rows: IntArray | None = None, on_progress: Progress = ignore) -> int:
    """Join the groups of images that are copies of each other; images looked at before are not looked at again.

    Idempotent and safe to kill: groups and how far the search came are one transaction.

    Args:
        neighbour_rows: (N, K) of every embedded image, nearest first, self excluded, -1 for none; found here if None.
        on_progress: told (pairs looked at, pairs).
    Returns:
        how many images joined another group.
    """
    encoder = workspace.encoder_name
    if encoder is None or workspace.matrix is None:
        return 0
    searched = workspace.catalog.setting("copies", {})
    done = min(searched.get(encoder, 0), workspace.matrix.rows)
    new = np.arange(done, workspace.matrix.rows)
    if not len(new) or workspace.matrix.rows < 2:
        return 0
    pairs = _pairs(workspace, new, neighbour_rows)
    pairs = pairs[workspace.groups[pairs[:, 0]] != workspace.groups[pairs[:, 1]]]
    joined = _merge(workspace, pairs[_same(workspace, pairs, on_progress)])
    workspace.join_groups(joined, _halves(workspace, joined), copies=searched | {encoder: int(workspace.matrix.rows)})
    return len(joined)


def _pairs(workspace: Workspace, new: IntArray, neighbour_rows: IntArray | None) -> IntArray:
    """Return the (P, 2) pairs of a new image and a near neighbour, each once, the earlier row first."""
    embedded = workspace.embedded(str(workspace.encoder_name))
    matrix, standardisation = embedded.need_matrix(), embedded.standardisation

    def unit(rows: IntArray) -> FloatArray:
        x = standardisation.apply(matrix.take(rows))
        return np.asarray(x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12), np.float32)

    if neighbour_rows is None:
        near = _nearest(unit(np.arange(matrix.rows)), new)
    else:
        near = neighbour_rows[new, :NEIGHBOURS]
    pairs = np.stack([np.repeat(new, near.shape[1]), near.ravel()], axis=1).astype(np.int64)
    pairs = np.unique(np.sort(pairs[pairs[:, 1] >= 0], axis=1), axis=0)
    close = np.concatenate([(unit(part[:, 0]) * unit(part[:, 1])).sum(axis=1) >= CLOSE for part in _chunks(pairs, 65_536)])
    return pairs[close]


def _nearest(x: FloatArray, new: IntArray) -> IntArray:
    """Return the nearest rows of each new one by cosine, (len(new), <= NEIGHBOURS), self excluded."""
    k, found = min(NEIGHBOURS, len(x) - 1), []
    for rows in _chunks(new, 1_024):
        likeness = x[rows] @ x.T
        likeness[np.arange(len(rows)), rows] = -np.inf
        nearest = np.argpartition(-likeness, k - 1, axis=1)[:, :k]
        order = np.argsort(-np.take_along_axis(likeness, nearest, axis=1), axis=1)
        found.append(np.take_along_axis(nearest, order, axis=1))
    return np.concatenate(found)


def _chunks(rows: IntArray, size: int) -> Iterable[IntArray]:
    return (rows[start : start + size] for start in range(0, max(len(rows), 1), size))


def _same(workspace: Workspace, pairs: IntArray, on_progress: Progress) -> IntArray:
    """Return the positions of the pairs that are copies."""

    @lru_cache(maxsize=DETAILS)
    def of(row: int) -> FloatArray:
        return detail(workspace.thumbnail(workspace.image_id(row), "clear"))

    found: list[bool] = []
    with ThreadPoolExecutor(2) as pool:  # numpy lets go of the interpreter in the products
        for part in _chunks(pairs, CHUNK):
            found += pool.map(lambda pair: is_copy(of(int(pair[0])), of(int(pair[1]))), part)
            on_progress(len(found), len(pairs))
    return np.flatnonzero(np.array(found, bool))


def _merge(workspace: Workspace, pairs: IntArray) -> dict[int, int]:
    """Return the new first image of the group of every image whose group changes, {row: row}."""
    first = {int(row): int(row) for row in np.unique(workspace.groups[pairs])}

    def root(row: int) -> int:
        while first[row] != row:
            row = first[row]
        return row

    for a, b in pairs.tolist():
        low, high = sorted((root(int(workspace.groups[a])), root(int(workspace.groups[b]))))
        first[high] = low
    moved = np.flatnonzero(np.isin(workspace.groups, [row for row in first if root(row) != row]))
    return {int(row): root(int(workspace.groups[row])) for row in moved}


def _halves(workspace: Workspace, joined: dict[int, int]) -> dict[int, bool]:
    """Decide the half of every group that grows, {first row: is it the check half}.

    An image whose copy the model has learned from is no honest evidence, so such a group goes to the teach half whole;
    others follow their oldest image.
    """
    learned = (workspace.labels.codes != UNLABELLED) & ~workspace.is_check
    groups = workspace.groups.copy()
    groups[list(joined)] = list(joined.values())
    taught = np.isin(groups, groups[learned])
    return {first: bool(workspace.is_check[first] and not taught[first]) for first in set(joined.values())}


def copies_of(workspace: Workspace, rows: IntArray) -> IntArray:
    """Return all images in the near-duplicate groups of these, ascending, themselves among them.

    Raises:
        InputError: if there is no such row.
    """
    if len(rows) and not 0 <= rows.min() <= rows.max() < workspace.n_images:
        raise InputError(f"There is no row {rows.max()}; rows go from 0 to {workspace.n_images - 1}.")
    return np.flatnonzero(np.isin(workspace.groups, np.unique(workspace.groups[rows])))


def one_of_each(workspace: Workspace, rows: IntArray) -> IntArray:
    """Return of every near-duplicate group among these rows the first, in their order."""
    groups, places = workspace.groups[rows], np.arange(len(rows))
    first = np.empty(workspace.n_images, np.int64)
    first[groups[::-1]] = places[::-1]  # written last = first of its group
    return rows[first[groups] == places]
