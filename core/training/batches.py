"""The images of a training run: in memory, or decoded from their files again in every epoch, behind one interface."""

import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from core.arrays import IntArray
from core.catalog.originals import Pictures
from core.errors import ShapeError

AHEAD = 3  # batches decoded during a training step
CHUNK = 16  # images per decoding task

Uint8Array = np.ndarray[Any, np.dtype[np.uint8]]


class Pixels(Protocol):
    """N square RGB images."""

    side: int  # px

    def __len__(self) -> int:
        """Count the images."""

    def to(self, device: torch.device) -> "Pixels":
        """Return the images for use on a device."""

    def take(self, rows: IntArray) -> Tensor:
        """Return (n, 3, side, side) uint8."""

    def batches(self, rows: Iterable[IntArray]) -> Iterator[Tensor]:
        """Return `take` of each, in turn."""


class MemoryPixels:
    """Images as one tensor on the training device."""

    def __init__(self, images: Uint8Array | Tensor) -> None:
        """Hold (N, 3, S, S) uint8 images.

        Raises:
            ShapeError: if they have another shape.
        """
        self._images = torch.as_tensor(images)
        if self._images.dtype != torch.uint8 or self._images.ndim != 4 or self._images.shape[1] != 3:
            raise ShapeError(f"MSN needs (N, 3, S, S) uint8 images, got {tuple(self._images.shape)} {self._images.dtype}.")
        if self._images.shape[2] != self._images.shape[3]:
            raise ShapeError(f"MSN needs square images, got {tuple(self._images.shape[2:])} px; resize them.")
        self.side = int(self._images.shape[-1])

    def __len__(self) -> int:
        return len(self._images)

    def to(self, device: torch.device) -> "MemoryPixels":
        """Return them on a device."""
        return MemoryPixels(self._images.to(device))

    def take(self, rows: IntArray) -> Tensor:
        """Return (n, 3, side, side) uint8 on the device."""
        return self._images[torch.from_numpy(rows)]

    def batches(self, rows: Iterable[IntArray]) -> Iterator[Tensor]:
        """Return `take` of each, in turn."""
        return map(self.take, rows)


def as_pixels(images: "Uint8Array | Tensor | Pixels") -> Pixels:
    """Wrap a tensor or array as `Pixels`; `Pixels` are returned unchanged."""
    return MemoryPixels(images) if isinstance(images, (np.ndarray, Tensor)) else images


class FilePixels:
    """Images that do not fit into memory: decoded when needed, some batches ahead."""

    def __init__(self, pictures: Pictures, side: int) -> None:
        """Take N pictures and the side, in px, to resize them to."""
        self._pictures, self.side = pictures, side

    def __len__(self) -> int:
        return len(self._pictures)

    def to(self, _device: torch.device) -> "FilePixels":
        """Return self; batches are moved to the device one by one."""
        return self

    def _load(self, rows: IntArray) -> Uint8Array:
        return self._pictures.load(rows.tolist(), self.side)

    def take(self, rows: IntArray) -> Tensor:
        """Return (n, 3, side, side) uint8."""
        return next(self.batches([rows]))

    def batches(self, rows: Iterable[IntArray]) -> Iterator[Tensor]:
        """Return `take` of each, in turn, while threads decode the next ones."""
        waiting: deque[list[Future[Uint8Array]]] = deque()
        coming = iter(rows)
        with ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="decode") as pool:
            try:
                while True:
                    while len(waiting) < AHEAD and (batch := next(coming, None)) is not None:
                        cuts = range(0, len(batch), CHUNK)
                        waiting.append([pool.submit(self._load, batch[i : i + CHUNK]) for i in cuts])
                    if not waiting:
                        return
                    yield torch.from_numpy(np.concatenate([task.result() for task in waiting.popleft()]))
            finally:  # also when the run stops early
                pool.shutdown(wait=True, cancel_futures=True)
