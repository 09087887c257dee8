"""Find near-duplicates that a hash misses: embedding neighbours, compared pixel by pixel. Each verb takes the workspace."""

import logging
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from threadpoolctl import threadpool_limits

from core.arrays import FloatArray, IntArray, Progress, ignore
from core.catalog.label_book import UNLABELLED
from core.devices import to_device, to_host
from core.duplicates.pixels import SAME, copy_likenesses, detail, lay_over, stands_out
from core.embeddings.embedded import Embedded
from core.embeddings.neighbours import unit_embeddings
from core.errors import InputError
from core.images.decode import decode
from core.images.examine import seen_of
from core.images.overlay import SOME_CROP, Edges, colours_part, places_part, shows_little
from core.maths.neighbours import neighbours, unit_rows
from core.remote.troubles import RemoteError
from core.workers import Tell, Workers
from core.workspace import Workspace

LOG = logging.getLogger("lassoscope.duplicates")
AROUND = 8  # near neighbours that a near-duplicate has to stand out from
SMALL = 64  # px of the shorter side; smaller pictures look alike in large numbers
NEIGHBOURS = 2  # in 240 of 240 trials a copy was its original's nearest (msn-tiny-64); the second is for a third copy
CLOSE = 0.5  # minimum cosine of standardised embeddings of a pair to compare: crops of 28 px go down to .55
DETAILS = 20_000  # pictures cached in memory, 32 KB each
STEP = 65_536  # new images between two commits: a killed search continues from the last
CHUNK = 16  # pairs compared at once: their products stay in the cache
MOST_NUMBERS = 2e8  # of embeddings held as float32, 0.8 GB
MOST_PRODUCTS = 4e8  # new images times all images, compared in seconds; with more, the search waits for the map's neighbours


def find_copies(
    workspace: Workspace,
    *,
    neighbours_file: Path | None = None,
    pool: Workers | None = None,
    on_progress: Progress = ignore,
) -> int:
    """Join the groups of images that are near-duplicates; images searched before are not searched again.

    Idempotent and safe to kill: groups and how far the search got are committed together. Pairs that have to be compared
    by their thumbnails, because a file is gone or changed, are counted in a warning.

    Args:
        neighbours_file: (N, K) rows of every embedded image, nearest first, self excluded, -1 for none. If None they are
            computed here; if that would take minutes or too much memory, nothing is done.
        pool: processes that do the heavy part; None for this one.
        on_progress: called with (images searched, images to search).
    Returns:
        how many images joined another group.
    """
    encoder = workspace.encoder_name
    if encoder is None or workspace.matrix is None or workspace.matrix.rows < 2:
        return 0
    rows = int(workspace.matrix.rows)
    first = min(workspace.catalog.images.searched_for_copies().get(encoder, 0), rows)
    too_many = (rows - first) * rows > MOST_PRODUCTS or rows * workspace.matrix.dim > MOST_NUMBERS
    if first == rows or (neighbours_file is None and too_many):
        return 0
    near, n_joined, n_by_thumbnail = None, 0, 0
    for start in range(first, rows, STEP):
        stop = min(start + STEP, rows)
        report = partial(_told, on_progress, start - first, stop - start, rows - first)
        if pool is None:
            near = near or _Near(workspace, neighbours_file)
            copies, by_thumbnail = _copies_of(workspace, start, stop, near, report)
        else:
            asked = workspace.folder, workspace.device, start, stop, neighbours_file
            copies, by_thumbnail = pool.submit_telling(copies_of_rows, *asked, on_told=partial(_as_progress, report)).result()
        n_by_thumbnail += by_thumbnail
        joined = _merge(workspace, copies)
        with workspace.lock:
            workspace.catalog.images.join_groups(joined, _halves(workspace, joined), copies={encoder: stop})
            if joined:
                workspace.reload_groups()
        n_joined += len(joined)
    if n_by_thumbnail:
        LOG.warning(
            "near-duplicates were compared by thumbnails, because files are gone or changed; ingest the folder where they are "
            "now",
            extra={"pairs": n_by_thumbnail},
        )
    return n_joined


def _copies_of(workspace: Workspace, start: int, stop: int, near: "_Near", on_progress: Progress) -> tuple[IntArray, int]:
    pairs = near.pairs(np.arange(start, stop))
    pairs = pairs[~workspace.removed[pairs].any(axis=1)]
    pairs = pairs[workspace.groups[pairs[:, 0]] != workspace.groups[pairs[:, 1]]]
    return _copies_among(workspace, pairs, near, on_progress)


def copies_of_rows(
    folder: Path, device: str, start: int, stop: int, neighbours_file: Path | None, tell: Tell
) -> tuple[IntArray, int]:
    """Compare rows [start, stop) of the workspace in `folder` with all in a process of its own; nothing is written.

    Returns:
        (P, 2) pairs that are near-duplicates, and how many were compared by thumbnails for lack of a file.
    """
    with Workspace(folder, read_only=True, device=device) as workspace:
        return _copies_of(workspace, start, stop, _Near(workspace, neighbours_file), partial(tell, "Comparing"))


def _as_progress(on_progress: Progress, _stage: str, done: int, total: int) -> None:
    on_progress(done, total)


def _told(on_progress: Progress, before: int, here: int, total: int, done: int, of: int) -> None:
    on_progress(before + here * done // max(of, 1), total)


class _Near:
    """Nearest neighbours by cosine of standardised embeddings: the map's, or computed here."""

    def __init__(self, workspace: Workspace, neighbours_file: Path | None) -> None:
        self._embedded = workspace.current
        self._known: IntArray | None = None if neighbours_file is None else np.load(neighbours_file, mmap_mode="r")
        self._unit = workspace.current.compute(unit_embeddings) if neighbours_file is None else None
        self._removed = workspace.removed

    def of(self, rows: IntArray, k: int) -> IntArray:
        """Return the nearest rows of some rows, nearest first, self excluded, (len(rows), <= k); -1 for none."""
        found = self._found(rows, k)
        return np.where(self._removed[found], -1, found)  # of -1, which is the last, nothing else comes

    def _found(self, rows: IntArray, k: int) -> IntArray:
        if self._unit is None:
            assert self._known is not None  # noqa: S101  one of both is there
            return np.asarray(self._known[rows, :k], np.int64)
        try:
            return _nearest(self._unit, rows, k)
        except torch.OutOfMemoryError:
            self._unit = self._unit.cpu()  # there are few enough for the CPU: `MOST_PRODUCTS`
        return _nearest(self._unit, rows, k)

    def pairs(self, new: IntArray) -> IntArray:
        """Return (P, 2) pairs of a new image and a close neighbour, each once, the earlier row first."""
        near = self.of(new, NEIGHBOURS)
        pairs = np.stack([np.repeat(new, near.shape[1]), near.ravel()], axis=1).astype(np.int64)
        pairs = np.unique(np.sort(pairs[pairs[:, 1] >= 0], axis=1), axis=0)
        return pairs[np.concatenate([self._likeness(part) >= CLOSE for part in _chunks(pairs, STEP)])]

    def _likeness(self, pairs: IntArray) -> FloatArray:
        def of(mine: Embedded) -> FloatArray:
            first, second = (unit_rows(mine.standardised(side)) for side in pairs.T)
            return np.asarray(to_host((first * second).sum(dim=1))[0])

        return self._embedded.compute(of)


def _nearest(unit: torch.Tensor, rows: IntArray, k: int) -> IntArray:
    found, _ = neighbours(unit, min(k, len(unit) - 1), of=to_device(rows, unit.device))
    return np.asarray(to_host(found)[0], np.int64)


def _chunks(rows: IntArray, size: int) -> Iterable[IntArray]:
    return (rows[start : start + size] for start in range(0, max(len(rows), 1), size))


def _copies_among(workspace: Workspace, pairs: IntArray, near: _Near, on_progress: Progress) -> tuple[IntArray, int]:
    """Return the pairs that are near-duplicates, and how many pairs were compared by thumbnails for lack of a file.

    Near-duplicates are alike in detail and stand out from the other neighbours of both images.
    """

    @lru_cache(maxsize=DETAILS)
    def of(row: int) -> FloatArray:
        return detail(workspace.thumbnail(workspace.image_id(row), "clear"))

    def compared(some: IntArray) -> FloatArray:
        first, second = (np.stack([of(row) for row in side.tolist()]) for side in some.T)
        return copy_likenesses(first, second)

    # numpy releases the interpreter's lock in the products. They are small: with BLAS's own threads, which wait for each
    # other, a pair takes many times longer.
    with ThreadPoolExecutor(2) as pool, threadpool_limits(1, user_api="blas"):

        def compare(some: IntArray, told: Progress = ignore) -> FloatArray:
            parts = [some[start : start + CHUNK] for start in range(0, len(some), CHUNK)]
            likenesses: list[float] = []
            for part in pool.map(compared, parts):
                likenesses += part.tolist()
                told(len(likenesses), len(some))
            return np.array(likenesses)

        found = compare(pairs, on_progress)
        close = np.flatnonzero(found >= SAME)
        rows = np.unique(pairs[close])
        beside = dict(zip(rows.tolist(), near.of(rows, AROUND).tolist() if len(rows) else [], strict=True))
        likenesses = dict(zip(map(tuple, pairs.tolist()), found.tolist(), strict=True))
        wanted = {(min(a, b), max(a, b)) for a, around in beside.items() for b in around if b >= 0}
        asked = sorted(wanted - likenesses.keys())
        likenesses |= zip(asked, compare(np.array(asked, np.int64).reshape(-1, 2)).tolist(), strict=True)

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
        full = list(pool.map(lambda place: _full_size(workspace, pairs[place].tolist()), likely))
        same = list(pool.map(lambda place, pair: _are_one(workspace, pairs[place].tolist(), pair, of), likely, full))
    found_pairs = pairs[[place for place, one in zip(likely, same, strict=True) if one]]
    return found_pairs, sum(pair is None for pair in full)


def _full_size(workspace: Workspace, pair: Sequence[int]) -> tuple[Image.Image, Image.Image] | None:
    """Return two images in full size; None if a file is gone, changed or broken, or cannot be fetched now."""
    try:
        first, second = (seen_of(image) for image in workspace.catalog.images.files_of(pair))
    except RemoteError:
        return None
    return None if first is None or second is None else (first, second)


def _are_one(
    workspace: Workspace,
    pair: Sequence[int],
    whole: tuple[Image.Image, Image.Image] | None,
    of: Callable[[int], FloatArray],
) -> bool:
    """Compare two images in full size, because they may differ in one small place.

    Without their full size the thumbnails decide, and plain pictures, of which those prove nothing, do not match.
    """
    thumbnails = [decode(workspace.thumbnail(workspace.image_id(row), "clear")) for row in pair]
    (overlay,) = lay_over(*(of(row)[1][None] for row in pair))
    cropped, of_second = overlay.cropped, overlay.of_second
    little = any(map(shows_little, thumbnails))
    if whole is None:
        first, second = (thumbnails[1], thumbnails[0]) if of_second else (thumbnails[0], thumbnails[1])
        return not little and not colours_part(first, second, cut=cropped)
    if little:  # a crop of a page with one digit matches any such page
        return not places_part(whole[0], whole[1])
    first, second = (whole[1], whole[0]) if of_second else (whole[0], whole[1])
    tries: list[tuple[Image.Image, Image.Image, Edges | None]] = [
        (first, second, None),
        (first, second, cropped),
        (second, first, SOME_CROP),  # it is not certain which of the two was cropped
    ]
    return any(not places_part(whole_one, part, cropped=cut) for whole_one, part, cut in tries)


def _short_side(workspace: Workspace, row: int) -> int:
    record = workspace.catalog.images.record(row)
    return int(min(record["width"], record["height"]))


def _merge(workspace: Workspace, pairs: IntArray) -> dict[int, int]:
    """Return {row: first row of its new group} of every image whose group changes."""
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
    """Decide the half of every group that grows, {first row: is in the check half}.

    An image is no honest evidence if the model has learned from its near-duplicate, so such a group goes to the teach half as
    a whole; other groups follow their oldest image.
    """
    learned = (workspace.labels.codes != UNLABELLED) & workspace.is_teach
    groups = workspace.groups.copy()
    groups[list(joined)] = list(joined.values())
    taught = np.isin(groups, groups[learned])
    return {first: bool(workspace.is_check[first] and not taught[first]) for first in set(joined.values())}


def copies_of(workspace: Workspace, rows: IntArray) -> IntArray:
    """Return all images in the near-duplicate groups of these, including these, ascending.

    Raises:
        InputError: if there is no such row.
    """
    if len(rows) and not 0 <= rows.min() <= rows.max() < workspace.n_images:
        raise InputError(f"There is no row {rows.max()}; rows go from 0 to {workspace.n_images - 1}.")
    found, of_these = np.zeros(workspace.n_images, bool), np.zeros(workspace.n_images, bool)
    of_these[workspace.groups[rows]] = True
    found[rows] = True
    found[workspace.columns.with_copies[of_these[workspace.groups[workspace.columns.with_copies]]]] = True
    return np.flatnonzero(found)


def group_sizes(workspace: Workspace, rows: IntArray) -> IntArray:
    """Return how many images the near-duplicate group of each of these has, (K,) int64; 1 for an image without any."""
    groups, place = np.unique(workspace.groups[rows], return_inverse=True)
    members = workspace.groups[workspace.columns.with_copies]
    members = members[np.isin(members, groups)]
    return np.maximum(np.bincount(np.searchsorted(groups, members), minlength=len(groups)), 1)[place]


def one_of_each(workspace: Workspace, rows: IntArray) -> IntArray:
    """Return the first row of every near-duplicate group among these rows, in their order."""
    groups, places = workspace.groups[rows], np.arange(len(rows))
    first = np.empty(workspace.n_images, np.int64)
    first[groups[::-1]] = places[::-1]  # written last = first of its group
    return rows[first[groups] == places]
