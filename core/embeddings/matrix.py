"""Embeddings on disk: float16 parts, memory-mapped, read as one matrix. numpy in the interface, torch inside."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from core.arrays import FloatArray, IntArray
from core.errors import ShapeError, WorkspaceError
from core.store.files import atomic_path

SCORE_ROWS = 2_048  # converted to float32 at a time: 2,048 x 384 are 3 MB and stay in the cache
BLOCK_ROWS = 65_536


def write_part(folder: Path, index: int, x: FloatArray) -> Path:
    """Write one part of a matrix as float16 .npy, atomically.

    Args:
        folder: of the encoder's parts.
        index: of the part, from 0; an existing part is replaced.
        x: (n, D) finite values.
    Returns:
        the file.
    Raises:
        ShapeError: if x is not a non-empty matrix, or its values do not fit into float16.
    """
    if x.ndim != 2 or not x.size:
        raise ShapeError(f"A part needs (n>=1, D>=1) embeddings, got {x.shape}.")
    with np.errstate(over="ignore"):
        half = np.ascontiguousarray(x, np.float16)
    if not np.isfinite(half).all():
        raise ShapeError("Embeddings must be finite and below 65,504 to be stored as float16; use another encoder.")
    path = folder / f"part-{index:05d}.npy"
    with atomic_path(path) as aside, aside.open("wb") as file:
        np.save(file, half, allow_pickle=False)
    return path


class Matrix:
    """Part files as one (rows, dim) float16 matrix; memory-mapped, so opening reads nothing."""

    def __init__(self, parts: Sequence[Path]) -> None:
        """Memory-map the files in the given order.

        Raises:
            WorkspaceError: if there are no files, or one is missing, incomplete or of another width.
        """
        if not parts:
            raise WorkspaceError("There are no embeddings; run 'lassoscope embed' first.")
        self._parts = [map_part(path) for path in parts]
        self.dim = int(self._parts[0].shape[1])
        if any(part.shape[1] != self.dim for part in self._parts):
            raise WorkspaceError("The embedding parts differ in width; run 'lassoscope embed' again.")
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
        for part, first, low, high in zip(self._parts, self._starts, cuts, cuts[1:], strict=False):
            local = rows[low:high] - first
            if len(local):
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

    def mean_std(self) -> tuple[FloatArray, FloatArray]:
        """Return each dimension's mean and standard deviation (ddof 0), (dim,) float64 each, in one pass."""
        import torch

        shift = torch.from_numpy(self._parts[0][:SCORE_ROWS].astype(np.float32)).mean(dim=0)
        total, squares = torch.zeros(self.dim, dtype=torch.float64), torch.zeros(self.dim, dtype=torch.float64)
        for _, block in self.blocks(SCORE_ROWS):
            x = torch.from_numpy(block).float() - shift  # mean near zero, against cancellation in the squares
            total += x.sum(dim=0).double()
            squares += x.square_().sum(dim=0).double()
        mean = total / self.rows
        variance = (squares / self.rows - mean.square()).clamp(min=0)
        return (mean + shift.double()).numpy(), variance.sqrt().numpy()


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


def linear_scores(matrix: Matrix, weights: FloatArray, bias: FloatArray, *, block_rows: int = SCORE_ROWS) -> FloatArray:
    """Score all rows by k linear functions: x @ weights + bias.

    Blocks are converted to float32 while they are in the cache, so memory is read only once, as float16.

    Args:
        matrix: N rows.
        weights: (dim, k).
        bias: (k,).
        block_rows: rows converted at a time.
    Returns:
        (N, k) float32.
    Raises:
        ShapeError: if the weights do not fit.
    """
    import torch

    from core.devices import one_thread_each

    if weights.ndim != 2 or weights.shape[0] != matrix.dim or bias.shape != (weights.shape[1],):
        raise ShapeError(
            f"Scores need ({matrix.dim}, k) weights and (k,) bias, got {weights.shape} and {bias.shape}; fit again."
        )
    w, b = (torch.from_numpy(np.ascontiguousarray(a, np.float32)) for a in (weights, bias))
    out = torch.empty((matrix.rows, weights.shape[1]), dtype=torch.float32)

    def score(blocks: Sequence[tuple[int, FloatArray]]) -> None:
        wide = torch.empty((block_rows, matrix.dim), dtype=torch.float32)
        for start, block in blocks:
            n = len(block)
            wide[:n].copy_(torch.from_numpy(block))
            torch.add(wide[:n] @ w, b, out=out[start : start + n])

    blocks = list(matrix.blocks(block_rows))
    share = -(-len(blocks) // (torch.get_num_threads() * 8))
    with one_thread_each() as pool:
        list(pool.map(score, [blocks[i : i + share] for i in range(0, len(blocks), share)]))
    return out.numpy()
