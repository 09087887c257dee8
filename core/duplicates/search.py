"""Near-duplicates that a hash does not find: embedding neighbours, looked at pixel by pixel. Takes the workspace."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial

import numpy as np
from PIL import Image
from threadpoolctl import threadpool_limits

from core.arrays import FloatArray, IntArray, Progress, ignore
from core.catalog.label_book import UNLABELLED
from core.duplicates.pixels import SAME, copy_likeness, detail, laid_over, stands_out
from core.errors import InputError
from core.images.decode import decode
from core.images.examine import seen_of
from core.images.overlay import SOME_CROP, Edges, colours_part, places_part, shows_little
from core.workspace import Workspace

AROUND = 8  # near neighbours that a copy has to stand out from
SMALL = 64  # px of the shorter side; below, whole families of pictures look alike
NEIGHBOURS = 2  # a copy was its original's nearest in every one of 240 trials (msn-tiny-64); the second is for a third copy
CLOSE = 0.5  # cosine of standardised embeddings below which nobody looks: crops of 28 px go down to .55
DETAILS = 20_000  # pictures kept in memory, 32 KB each
STEP = 65_536  # new images between two commits: a killed search goes on from the last
LIKENESSES = 2**24  # between new images and all that are worked out at once
CHUNK = 512  # pairs between two reports
MOST_NUMBERS = 2e8  # of the embeddings that are held as float32 at once, 0.8 GB
MOST_PRODUCTS = 4e8  # new images times all images that are compared here in seconds; more wait for the map's neighbours


def find_copies(workspace: Workspace, *, neighbour_rows: IntArray | None = None, on_progress: Progress = ignore) -> int:
    """Join the groups of images that are copies of each other; images looked at before are not looked at again.

    Idempotent and safe to kill: groups and how far the search came are one transaction.

    Args:
        neighbour_rows: (N, K) of every embedded image, nearest first, self excluded, -1 for none. If None they are found
            here, or where that would take minutes or much memory nothing is done.
        on_progress: told (images looked at, images to look at).
    Returns:
        how many images joined another group.
    """
    encoder = workspace.encoder_name
    if encoder is None or workspace.matrix is None or workspace.matrix.rows < 2:
        return 0
    rows = int(workspace.matrix.rows)
    first = min(workspace.catalog.images.searched_for_copies().get(encoder, 0), rows)
    too_many = (rows - first) * rows > MOST_PRODUCTS or rows * workspace.matrix.dim > MOST_NUMBERS
    if first == rows or (neighbour_rows is None and too_many):
        return 0
    near, n_joined = _Near(workspace, neighbour_rows), 0
    for start in range(first, rows, STEP):
        stop = min(start + STEP, rows)
        pairs = near.pairs(np.arange(start, stop))
        pairs = pairs[workspace.groups[pairs[:, 0]] != workspace.groups[pairs[:, 1]]]
        report = partial(_told, on_progress, start - first, stop - start, rows - first)
        joined = _merge(workspace, _copies_among(workspace, pairs, near, report))
        with workspace.lock:
            workspace.catalog.images.join_groups(joined, _halves(workspace, joined), copies={encoder: stop})
            if joined:
                workspace.reload_groups()
        n_joined += len(joined)
    return n_joined


def _told(on_progress: Progress, before: int, here: int, total: int, done: int, of: int) -> None:
    on_progress(before + here * done // max(of, 1), total)


class _Near:
    """Nearest neighbours by cosine of standardised embeddings: the ones of the map, or found here."""

    def __init__(self, workspace: Workspace, neighbour_rows: IntArray | None) -> None:
        self._matrix, self._standardisation = workspace.current.need_matrix(), workspace.current.standardisation
        self._known = neighbour_rows
        self._unit: FloatArray | None = None
        if neighbour_rows is None:
            parts = _chunks(np.arange(self._matrix.rows), STEP)
            self._unit = np.concatenate([self.unit(part) for part in parts])

    def unit(self, rows: IntArray) -> FloatArray:
        """Return the embeddings of some rows at length 1."""
        if self._unit is not None:
            return self._unit[rows]
        x = self._standardisation.apply(self._matrix.take(rows))
        return np.asarray(x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12), np.float32)

    def of(self, rows: IntArray, k: int) -> IntArray:
        """Return the nearest rows of each, nearest first, self excluded, (len(rows), <= k); -1 for none."""
        if self._known is not None:
            return self._known[rows, :k]
        assert self._unit is not None  # noqa: S101  one of the two is there
        k, found = min(k, self._matrix.rows - 1), []
        for part in _chunks(rows, max(1, LIKENESSES // self._matrix.rows)):
            likeness = self._unit[part] @ self._unit.T
            likeness[np.arange(len(part)), part] = -np.inf
            nearest = np.argpartition(likeness, -k, axis=1)[:, -k:]
            order = np.argsort(-np.take_along_axis(likeness, nearest, axis=1), axis=1)
            found.append(np.take_along_axis(nearest, order, axis=1))
        return np.concatenate(found)

    def pairs(self, new: IntArray) -> IntArray:
        """Return the (P, 2) pairs of a new image and a close neighbour, each once, the earlier row first."""
        near = self.of(new, NEIGHBOURS)
        pairs = np.stack([np.repeat(new, near.shape[1]), near.ravel()], axis=1).astype(np.int64)
        pairs = np.unique(np.sort(pairs[pairs[:, 1] >= 0], axis=1), axis=0)
        units = ((self.unit(part[:, 0]), self.unit(part[:, 1])) for part in _chunks(pairs, 65_536))
        return pairs[np.concatenate([(a * b).sum(axis=1) >= CLOSE for a, b in units])]


def _chunks(rows: IntArray, size: int) -> Iterable[IntArray]:
    return (rows[start : start + size] for start in range(0, max(len(rows), 1), size))


def _copies_among(workspace: Workspace, pairs: IntArray, near: _Near, on_progress: Progress) -> IntArray:
    """Return the pairs that are copies: alike in detail, and standing out from what else is near either of them."""

    @lru_cache(maxsize=DETAILS)
    def of(row: int) -> FloatArray:
        return detail(workspace.thumbnail(workspace.image_id(row), "clear"))

    def likeness(pair: Sequence[int]) -> float:
        return copy_likeness(of(int(pair[0])), of(int(pair[1])))

    found: list[float] = []
    # numpy lets go of the interpreter in the products. They are small: shared between BLAS's own threads, which then wait for
    # each other, a pair takes 6 to 9 ms of a core instead of 0.7.
    with ThreadPoolExecutor(2) as pool, threadpool_limits(1, user_api="blas"):
        for part in _chunks(pairs, CHUNK):
            found += pool.map(likeness, part)
            on_progress(len(found), len(pairs))
        close = np.flatnonzero(np.array(found) >= SAME)
        rows = np.unique(pairs[close])
        beside = dict(zip(rows.tolist(), near.of(rows, AROUND).tolist() if len(rows) else [], strict=True))
        likenesses = dict(zip(map(tuple, pairs.tolist()), found, strict=True))
        wanted = {(min(a, b), max(a, b)) for a, around in beside.items() for b in around if b >= 0}
        asked = sorted(wanted - likenesses.keys())
        likenesses |= zip(asked, pool.map(likeness, asked), strict=True)

    def copies(place: int) -> bool:
        a, b = pairs[place].tolist()
        return all(
            stands_out(
                found[place],
                [likenesses[min(row, other), max(row, other)] for other in beside[row] if other >= 0 and other not in (a, b)],
                alone=_short_side(workspace, row) >= SMALL,
            )
            for row in (a, b)
        )

    likely = [place for place in close.tolist() if copies(place)]
    with ThreadPoolExecutor(2) as pool:
        same = list(pool.map(lambda place: _are_one(workspace, pairs[place].tolist(), of), likely))
    return pairs[[place for place, one in zip(likely, same, strict=True) if one]]


def _are_one(workspace: Workspace, pair: Sequence[int], of: Callable[[int], FloatArray]) -> bool:
    """Look at two pictures in full size: whatever they share, in one place they may say something else.

    Where a file is gone the thumbnails have to do, and prove nothing of pictures with little in them.
    """
    thumbnails = [decode(workspace.thumbnail(workspace.image_id(row), "clear")) for row in pair]
    whole = [seen_of(image) for image in workspace.catalog.images.files_of(pair)]
    _, cropped, of_second = laid_over(of(pair[0])[1], of(pair[1])[1])
    little = any(map(shows_little, thumbnails))
    if whole[0] is None or whole[1] is None:
        first, second = (thumbnails[1], thumbnails[0]) if of_second else (thumbnails[0], thumbnails[1])
        return not little and not colours_part(first, second, cut=cropped)
    if little:  # a crop of a page with a digit on it can be laid over any such page
        return not places_part(whole[0], whole[1])
    first, second = (whole[1], whole[0]) if of_second else (whole[0], whole[1])
    tries: list[tuple[Image.Image, Image.Image, Edges | None]] = [
        (first, second, None),
        (first, second, cropped),
        (second, first, SOME_CROP),  # which of the two was cropped is not sure
    ]
    return any(not places_part(whole_one, part, cropped=cut) for whole_one, part, cut in tries)


def _short_side(workspace: Workspace, row: int) -> int:
    record = workspace.catalog.images.record(row)
    return int(min(record["width"], record["height"]))


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
