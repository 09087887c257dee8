"""Embeddings on disk: float16 parts, memory-mapped, read as one matrix. numpy in the interface, torch inside."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from core.arrays import FloatArray, IntArray
from core.errors import ShapeError, WorkspaceError
from core.store.files import allow_files, atomic_path

BLOCK_ROWS = 65_536
FILES_EACH = 3  # open at once of each part: a matrix, the longer one that replaces it, and somebody who still reads an older


def write_part(folder: Path, index: int, x: FloatArray) -> Path:
    """Write one part of a matrix into the encoder's folder, by its index from 0, as `write_rows` does; return the file."""
    path = folder / f"part-{index:05d}.npy"
    write_rows(path, x)
    return path


def write_rows(path: Path, x: FloatArray) -> None:
    """Write rows of a matrix as float16 .npy, atomically; an existing file is replaced.

    Args:
        path: of the file.
        x: (n, D) finite values.
    Raises:
        ShapeError: if x is not a non-empty matrix, or its values do not fit into float16.
    """
    if x.ndim != 2 or not x.size:
        raise ShapeError(f"A part needs (n>=1, D>=1) embeddings, got {x.shape}.")
    with np.errstate(over="ignore"):
        half = np.ascontiguousarray(x, np.float16)
    if not np.isfinite(half).all():
        raise ShapeError("Embeddings must be finite and below 65,504 to be stored as float16; use another encoder.")
    with atomic_path(path) as aside, aside.open("wb") as file:
        np.save(file, half, allow_pickle=False)


class Matrix:
    """Part files as one (rows, dim) float16 matrix; memory-mapped, so opening reads nothing."""

    def __init__(self, parts: Sequence[Path], *, most: int | None = None) -> None:
        """Memory-map the files in the given order.

        Args:
            most: rows, after which the last part ends; None for all.
        Raises:
            WorkspaceError: if there are no files, or one is missing, incomplete or of another width.
        """
        if not parts:
            raise WorkspaceError("There are no embeddings; run 'lassoscope embed' first.")
        allow_files(FILES_EACH * len(parts))
        self._files = [_identity(path) for path in parts]  # first: a part replaced in between is then taken for a new one
        self._parts = [map_part(path) for path in parts]
        self.folder = str(parts[0].parent.resolve())
        self.dim = int(self._parts[0].shape[1])
        if any(part.shape[1] != self.dim for part in self._parts):
            raise WorkspaceError("The embedding parts differ in width; run 'lassoscope embed' again.")
        if most is not None:
            before = sum(len(part) for part in self._parts[:-1])
            self._parts[-1] = self._parts[-1][: max(most - before, 0)]
        self._starts = np.cumsum([0, *(len(part) for part in self._parts)])
        self.rows = int(self._starts[-1])

    def take(self, rows: IntArray) -> FloatArray:
        """Read rows, in the given order.

        Args:
            rows: (n,) integers in [0, self.rows), any order, repeats allowed.
        Returns:
            (n, dim) float32.
        Raises:
            ShapeError: if a row is out of range.
        """
        rows = np.asarray(rows, np.int64)
        if rows.ndim != 1 or (len(rows) and (rows.min() < 0 or rows.max() >= self.rows)):
            raise ShapeError(f"The matrix has rows 0 to {self.rows - 1}; some of the requested rows are out of range.")
        if (np.diff(rows) < 0).any():  # disks are fastest in ascending order
            order = np.argsort(rows, kind="stable")
            out = np.empty((len(rows), self.dim), np.float32)
            out[order] = self._take_ascending(rows[order])
            return out
        return self._take_ascending(rows)

    def _take_ascending(self, rows: IntArray) -> FloatArray:
        import torch  # not at the top: half a GB of memory that image-reading processes do not need

        out = torch.empty((len(rows), self.dim), dtype=torch.float32)
        cuts = np.searchsorted(rows, self._starts)
        for place in np.flatnonzero(cuts[1:] > cuts[:-1]).tolist():  # of a million rows in 122 parts, a few need two or three
            low, high, part = cuts[place], cuts[place + 1], self._parts[place]
            local = rows[low:high] - self._starts[place]
            run = local[-1] - local[0] == len(local) - 1 and bool((np.diff(local) == 1).all())
            piece = part[local[0] : local[-1] + 1] if run else part[local]
            out[low:high].copy_(torch.from_numpy(piece))
        return out.numpy()

    def blocks(self, size: int = BLOCK_ROWS) -> Iterator[tuple[int, FloatArray]]:
        """Iterate over the matrix without copying.

        Args:
            size: maximum rows per block; no block spans two parts.
        Yields:
            the block's first row and its (n, dim) float16 view.
        """
        for first, part in zip(self._starts, self._parts, strict=False):
            for start in range(0, len(part), size):
                yield int(first) + start, part[start : start + size]

    def head(self, n: int = 2_048) -> FloatArray:
        """Return the first rows of the first part, (<= n, dim) float16."""
        return self._parts[0][:n]

    def read_into(self, out: FloatArray, start: int) -> None:
        """Read `len(out)` rows from `start` on into (n, dim) float16 memory."""
        for first, part in zip(self._starts, self._parts, strict=False):
            low, high = max(start, int(first)), min(start + len(out), int(first) + len(part))
            if low < high:
                out[low - start : high - start] = part[low - first : high - first]

    def rows_shared_with(self, other: "Matrix") -> int:
        """Count the first rows that come from the same files, unchanged, in another matrix."""
        shared = 0
        for mine, theirs in zip(self._files, other._files, strict=False):
            if mine != theirs:
                break
            shared += 1
        return int(self._starts[shared])


def map_part(path: Path) -> FloatArray:
    """Memory-map one part file, (n, D) float16.

    Raises:
        WorkspaceError: if it is missing, incomplete, or not such a part.
    """
    try:
        # "c": copy on write. Nothing here writes, but torch warns about read-only memory.
        part = np.load(path, mmap_mode="c", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise WorkspaceError(f"The embedding part {path} cannot be read ({error}); run 'lassoscope embed' again.") from None
    if not isinstance(part, np.ndarray) or part.ndim != 2 or part.dtype != np.float16 or not part.size:
        raise WorkspaceError(f"{path} is not a float16 embedding part; run 'lassoscope embed' again.")
    return part.view(np.ndarray)  # slicing np.memmap costs more than reading a block


def _identity(path: Path) -> tuple[str, int, int, int]:
    """Return what tells whether a file is still the same: a part is written aside and renamed, so it gets another number."""
    try:
        found = path.stat()
    except OSError:  # `map_part` says so
        return str(path), 0, 0, 0
    return str(path.resolve()), found.st_ino, found.st_size, found.st_mtime_ns
