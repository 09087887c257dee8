"""Embeddings where the arithmetic runs: memory-mapped blocks on the CPU, float16 pieces that stay on a GPU.

What fits stays on the GPU and is shared by everything that computes with it; the rest is sent piece by piece whenever it is
needed. A matrix that has grown sends its new rows only. The least recently used encoder's embeddings leave first.
"""

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import TypeVar

import numpy as np
import torch

from core.arrays import IntArray
from core.devices import CPU, CPU_BLOCK, on_all_cores, to_device, warn_once
from core.embeddings.matrix import Matrix
from core.errors import ShapeError

LOG = logging.getLogger("lassoscope.devices")
PIECE_BYTES = 128 * 2**20  # of one piece; two page-locked buffers of this size send the pieces that do not fit
LEAST_ROWS = 1_024  # a piece is halved down to this many rows while the work on it needs too much memory
SHARE = 0.8  # of the GPU's free memory that embeddings may fill; the rest is for the arithmetic
T = TypeVar("T")


@dataclass(frozen=True)
class Piece:
    """Rows of a matrix that live on a device."""

    start: int
    x: torch.Tensor  # (n, D) float16

    @property
    def stop(self) -> int:
        """Return the row after the last."""
        return self.start + len(self.x)

    @property
    def n_bytes(self) -> int:
        """Return its size."""
        return self.x.numel() * self.x.element_size()


class DeviceMatrix:
    """An encoder's embeddings where the arithmetic runs. Immutable; `device_matrix` gives the one to use."""

    def __init__(self, matrix: Matrix, device: torch.device, pieces: tuple[Piece, ...] = (), *, mapped: bool = True) -> None:
        """Describe where the rows are.

        Args:
            matrix: all rows, on disk.
            pieces: of its first rows, on the device, ascending without gaps.
            mapped: compute on the memory-mapped parts themselves; the CPU only.
        """
        self.matrix, self.device, self.pieces, self._mapped = matrix, device, pieces, mapped and device.type == "cpu"
        self.rows, self.dim = matrix.rows, matrix.dim

    @property
    def n_resident(self) -> int:
        """Count the rows that live on the device; none where the parts are mapped."""
        return self.pieces[-1].stop if self.pieces else 0

    def each(self, work: Callable[[int, torch.Tensor], T]) -> list[T]:
        """Call `work(first row, block)` for all rows, and return the results in the order of the rows.

        Args:
            work: gets (n, D) float32 on the CPU, in a buffer that the next block overwrites, and float16 on a GPU. It must
                not change anything before the end: where memory is short, it is called again with half the rows. What it keeps
                should not be cut from memory that it frees: results of 2,000 blocks then hold on to all of it.
        """
        if self._mapped:
            return self._each_mapped(work)
        results: list[T] = []
        for piece in self.pieces:
            _in_halves(work, piece.start, piece.x, results)
        for start, block in self._sent():
            _in_halves(work, start, block, results)
        return results

    def _each_mapped(self, work: Callable[[int, torch.Tensor], T]) -> list[T]:
        buffers = threading.local()

        def run(block: tuple[int, np.ndarray]) -> T:
            if not hasattr(buffers, "wide"):
                buffers.wide = torch.empty((CPU_BLOCK, self.dim), dtype=torch.float32)
            start, half = block
            return work(start, buffers.wide[: len(half)].copy_(torch.from_numpy(half)))

        return on_all_cores(run, list(self.matrix.blocks(CPU_BLOCK)), self.device)

    def _sent(self) -> Iterator[tuple[int, torch.Tensor]]:
        """Send the rows that do not live on the device, through two buffers by turns: one is filled while one is on its way."""
        size = _piece_rows(self.dim)
        buffers: list[tuple[torch.Tensor, torch.cuda.Event | None]] = []
        for place, start in enumerate(range(self.n_resident, self.rows, size)):
            if place < 2:
                buffers.append(
                    (torch.empty((size, self.dim), dtype=torch.float16, pin_memory=self.device.type == "cuda"), None)
                )
            buffer, sent = buffers[place % 2]
            if sent is not None:
                sent.synchronize()
            n = min(size, self.rows - start)
            self.matrix.read_into(buffer[:n].numpy(), start)
            block = torch.empty((n, self.dim), dtype=torch.float16, device=self.device)
            block.copy_(buffer[:n], non_blocking=True)
            if self.device.type == "cuda":
                sent = torch.cuda.Event()
                sent.record(torch.cuda.current_stream(self.device))
                buffers[place % 2] = buffer, sent
            yield start, block

    def take(self, rows: IntArray) -> torch.Tensor:
        """Return rows, in the given order.

        Args:
            rows: (n,) integers in [0, self.rows), any order, repeats allowed.
        Returns:
            (n, D) float32 on the device.
        Raises:
            ShapeError: if a row is out of range.
        """
        rows = np.asarray(rows, np.int64)
        if self._mapped or not self.pieces:
            return to_device(self.matrix.take(rows), self.device)
        if rows.ndim != 1 or (len(rows) and (rows.min() < 0 or rows.max() >= self.rows)):
            raise ShapeError(f"The matrix has rows 0 to {self.rows - 1}; some of the requested rows are out of range.")
        order = np.argsort(rows, kind="stable")
        ascending, place = rows[order], to_device(order, self.device)
        out = torch.empty((len(rows), self.dim), dtype=torch.float32, device=self.device)
        cuts = np.searchsorted(ascending, [0, *(piece.stop for piece in self.pieces)])
        for piece, low, high in zip(self.pieces, cuts, cuts[1:], strict=False):
            if high > low:
                local = to_device(ascending[low:high] - piece.start, self.device)
                out[place[low:high]] = piece.x[local].float()
        if cuts[-1] < len(rows):
            out[place[cuts[-1] :]] = to_device(self.matrix.take(ascending[cuts[-1] :]), self.device)
        return out


def _in_halves(work: Callable[[int, torch.Tensor], T], start: int, block: torch.Tensor, results: list[T]) -> None:
    """Append the result of `work` on a block, or the results on its halves where the memory is too small for the whole."""
    try:
        results.append(work(start, block))
        return
    except torch.OutOfMemoryError:
        if len(block) <= LEAST_ROWS:
            raise
    warn_once(f"the memory of {block.device} is short, so larger pieces of the embeddings are computed with in halves")
    if block.device.type == "cuda":
        torch.cuda.empty_cache()
    half = len(block) // 2
    _in_halves(work, start, block[:half], results)
    _in_halves(work, start + half, block[half:], results)


def _piece_rows(dim: int) -> int:
    return max(LEAST_ROWS, PIECE_BYTES // (2 * dim))


class Residents:
    """The embeddings that live on one device, of all encoders and workspaces of this process."""

    def __init__(self, device: torch.device, *, budget: int | None = None) -> None:
        """Start with none.

        Args:
            budget: bytes that embeddings may fill; None for `SHARE` of what is free.
        """
        self.device, self.budget = device, budget
        self._kept: OrderedDict[str, DeviceMatrix] = OrderedDict()  # by folder, the least recently used first
        self._told: set[str] = set()  # folders of which a warning has said that they do not fit
        self._lock = threading.Lock()

    def of(self, matrix: Matrix) -> DeviceMatrix:
        """Return a matrix on the device, with as many of its rows there as fit; rows that are there already stay."""
        with self._lock:
            before = self._kept.pop(matrix.folder, None)
            pieces = list(_still_there(before, matrix))
            if before is not None and pieces and pieces[-1].stop == matrix.rows:  # all is there, of a longer one perhaps
                self._kept[matrix.folder] = before
                return DeviceMatrix(matrix, self.device, tuple(pieces), mapped=False)
            while (start := pieces[-1].stop if pieces else 0) < matrix.rows:
                short = pieces and len(pieces[-1].x) < _piece_rows(matrix.dim)
                head = pieces.pop() if short else Piece(start, torch.empty((0, matrix.dim), dtype=torch.float16))
                if (piece := self._place(matrix, head, pieces)) is None:
                    pieces += [head] if short else []
                    self._tell_cut(matrix, pieces)
                    break
                pieces.append(piece)
            placed = self._kept[matrix.folder] = DeviceMatrix(matrix, self.device, tuple(pieces), mapped=False)
            return placed

    def _tell_cut(self, matrix: Matrix, pieces: list[Piece]) -> None:
        if matrix.folder not in self._told:
            self._told.add(matrix.folder)
            share = f"{pieces[-1].stop if pieces else 0:,} of {matrix.rows:,} embeddings"
            LOG.warning("%s stay on %s; the others do not fit and are sent each time they are needed", share, self.device)

    def _place(self, matrix: Matrix, head: Piece, pieces: list[Piece]) -> Piece | None:
        """Fill a piece up with the rows after its own; None if they do not fit, even after all other encoders have left."""
        n = min(_piece_rows(matrix.dim), matrix.rows - head.start)
        wanted = sum(piece.n_bytes for piece in pieces) + n * matrix.dim * 2
        if wanted > self._room(wanted):
            return None
        while wanted + self._used() > self._room(wanted):
            self._drop_oldest()
        while True:
            try:
                x = torch.empty((n, matrix.dim), dtype=torch.float16, device=self.device)
                break
            except torch.OutOfMemoryError:
                if not self._drop_oldest():
                    return None
        new = np.empty((n - len(head.x), matrix.dim), np.float16)
        matrix.read_into(new, head.stop)
        x[: len(head.x)] = head.x
        x[len(head.x) :] = torch.from_numpy(new)
        return Piece(head.start, x)

    def _used(self) -> int:
        return sum(piece.n_bytes for kept in self._kept.values() for piece in kept.pieces)

    def _room(self, wanted: int) -> float:
        """Return the bytes that embeddings may fill: the budget, or a share of what others than embeddings leave."""
        if self.budget is not None or self.device.type != "cuda":
            return float("inf") if self.budget is None else self.budget
        free = torch.cuda.mem_get_info(self.device)[0] + torch.cuda.memory_reserved(self.device)
        return SHARE * (free - torch.cuda.memory_allocated(self.device) + self._used() + wanted)

    def _drop_oldest(self) -> bool:
        if not self._kept:
            return False
        folder, _ = self._kept.popitem(last=False)
        LOG.info("the embeddings in %s leave %s for others", folder, self.device)
        return True

    def clear(self) -> None:
        """Drop all."""
        with self._lock:
            self._kept.clear()


def _still_there(before: DeviceMatrix | None, matrix: Matrix) -> Iterator[Piece]:
    """Yield the whole pieces of an earlier matrix whose rows are the same in this one."""
    shared = 0 if before is None else matrix.rows_shared_with(before.matrix)
    for piece in () if before is None else before.pieces:
        if piece.stop > shared:
            if shared > piece.start:
                yield Piece(piece.start, piece.x[: shared - piece.start])
            return
        yield piece


@cache
def residents(device: torch.device) -> Residents:
    """Return the embeddings that live on a device; one object per device."""
    return Residents(device)


def device_matrix(matrix: Matrix, device: torch.device = CPU) -> DeviceMatrix:
    """Return a matrix where the arithmetic runs: mapped on the CPU, else on the device as far as it fits there."""
    return DeviceMatrix(matrix, device) if device.type == "cpu" else residents(device).of(matrix)
