"""k-means by Lloyd's algorithm, on any device. torch."""

from dataclasses import dataclass

import torch

from core.devices import CPU_BLOCK, Watch, on_all_cores

CUDA_BLOCK = 131_072  # rows whose distances to all centres are held at once
TOLERANCE = 1e-4  # of the mean variance: smaller moves of the centres end it, as in scikit-learn


@dataclass(frozen=True)
class Clusters:
    """N rows in K clusters, on the device of the rows."""

    of_row: torch.Tensor  # (N,) int64, the cluster of each row
    centres: torch.Tensor  # (K, D)
    inertia: torch.Tensor  # () sum of the squared distances to the nearest centre


def lloyd(x: torch.Tensor, centres: torch.Tensor, *, most_steps: int) -> Clusters:
    """Move centres to the means of their rows until they hardly move.

    Args:
        x: (N, D) float32.
        centres: (K, D) to start from, on the same device; one without rows stays where it is.
        most_steps: an upper limit of the moves.
    Source: Lloyd 1982.
    """
    smallest, watch = TOLERANCE * x.var(dim=0, correction=0).mean(), Watch(x.device)
    is_done = torch.zeros((), dtype=torch.bool, device=x.device)
    for _ in range(most_steps):
        sums, counts = _sums(x, centres)
        means = torch.where(counts[:, None] > 0, sums / counts.clamp_min(1)[:, None], centres)
        moved = (means - centres).square().sum()
        centres = torch.where(is_done, centres, means)
        is_done = is_done | (moved <= smallest)
        if watch.is_raised(is_done):
            break
    of_row, distances = assign(x, centres)
    return Clusters(of_row, centres, distances.double().sum())


def assign(x: torch.Tensor, centres: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the nearest centre of each row, (N,) int64, and its squared distance, (N,)."""

    def nearest(block: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        least = _distances(block, centres).min(dim=1)
        return least.indices, (least.values + block.square().sum(dim=1)).clamp_min(0)

    places, distances = zip(*on_all_cores(nearest, _blocks(x), x.device), strict=True)
    return torch.cat(places), torch.cat(distances)


def _sums(x: torch.Tensor, centres: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the sum, (K, D), and the number, (K,), of the rows nearest to each centre."""

    def sums(block: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        nearest = _distances(block, centres).argmin(dim=1)
        if not x.is_cuda:
            added = torch.zeros_like(centres).index_add_(0, nearest, block)
            return added, torch.bincount(nearest, minlength=len(centres)).to(x.dtype)
        # A product, as thousands of threads that add to the same few sums wait for each other, in another order each time.
        mine = torch.zeros((len(centres), len(block)), dtype=x.dtype, device=x.device).scatter_(0, nearest[None], 1.0)
        return mine @ block, mine.sum(dim=1)

    parts, counts = zip(*on_all_cores(sums, _blocks(x), x.device), strict=True)
    return torch.stack(parts).sum(dim=0), torch.stack(counts).sum(dim=0)


def _distances(block: torch.Tensor, centres: torch.Tensor) -> torch.Tensor:
    """Return squared distances less each row's squared length, which does not tell centres apart, (n, K)."""
    return torch.addmm(centres.square().sum(dim=1), block, centres.T, alpha=-2)


def _blocks(x: torch.Tensor) -> list[torch.Tensor]:
    return list(x.split(CUDA_BLOCK if x.is_cuda else CPU_BLOCK))
