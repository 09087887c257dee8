"""Nearest neighbours of new rows by cosine, searched along the neighbour graph of known ones, on any device. numpy, torch."""

from collections.abc import Callable

import numpy as np
import torch

from core.arrays import IntArray
from core.devices import on_all_cores
from core.maths.neighbours import unit_rows

EXACT_UP_TO = 20_000  # known rows: fewer are all compared with each new one
LANDMARKS = 8_192  # rows drawn, all of which are compared with each new one, to start the walk along the neighbours
POOL = 48  # best rows known of while walking
STEP = 8  # of them whose neighbours are looked at in one round
ROUNDS = 6
QUERIES = 512  # new rows at a time
PAIRS = 2_048  # rows compared at a time: 2,048 x 384 are 3 MB and stay in the cache
Take = Callable[[IntArray], torch.Tensor]


def search(
    unit: torch.Tensor, take: Take, neighbour_rows: IntArray, *, k: int, seed: int = 0
) -> tuple[torch.Tensor, torch.Tensor]:
    """Find the k nearest of M known rows for each of n new ones: exactly up to `EXACT_UP_TO` known rows, else by a walk.

    The walk starts at the nearest of `LANDMARKS` rows and follows the neighbours of the best rows known of.

    Args:
        unit: (n, D) float32 new rows of length 1, n >= 1.
        take: returns the (m, D) float32 values of known rows, of any length, on the same device, in memory that may be changed.
        neighbour_rows: (M, K) nearest of each known row, -1 for none; up to `EXACT_UP_TO`, K may be 0.
        k: at most `POOL`.
        seed: of the rows that the walk starts from.
    Returns:
        (n, min(k, M)) int64 rows, nearest first, and their cosines, (n, min(k, M)) float32, on the CPU.
    Source: Fu & Cai 2016 (search along a neighbour graph).
    """
    n_known = len(neighbour_rows)
    drawn = np.arange(n_known)
    if n_known > EXACT_UP_TO:
        drawn = np.sort(np.random.default_rng(seed).choice(n_known, LANDMARKS, replace=False))
    landmarks, k = unit_rows(take(drawn)), min(k, n_known)
    found = on_all_cores(lambda part: _walk(part, landmarks, drawn, take, neighbour_rows, k), unit.split(QUERIES), unit.device)
    rows, cosines = zip(*found, strict=True)
    return torch.cat(rows).cpu(), torch.cat(cosines).cpu()


def _walk(
    unit: torch.Tensor, landmarks: torch.Tensor, drawn: IntArray, take: Take, neighbour_rows: IntArray, k: int
) -> tuple[torch.Tensor, torch.Tensor]:
    start = (unit @ landmarks.T).topk(min(max(k, POOL), len(landmarks)), dim=1)
    rows, cosines = torch.from_numpy(drawn).to(unit.device)[start.indices], start.values
    if len(drawn) == len(neighbour_rows):
        return rows[:, :k], cosines[:, :k]
    is_done = torch.zeros_like(rows, dtype=torch.bool)
    for _ in range(ROUNDS):
        best = cosines.masked_fill(is_done, -torch.inf).topk(STEP, dim=1)
        worth = best.values >= cosines[:, k - 1 : k]  # what is farther than the k nearest hardly leads to nearer ones
        if not worth.any():
            break
        is_done.scatter_(1, best.indices, True)
        looked_at = rows.gather(1, best.indices).cpu().numpy()
        around = torch.from_numpy(neighbour_rows[looked_at].reshape(len(unit), -1).astype(np.int64)).to(unit.device)
        around = around.masked_fill(~worth.repeat_interleave(neighbour_rows.shape[1], dim=1), -1)
        fresh = _unseen(around, rows)
        cosines, kept = torch.cat([cosines, _cosines(unit, fresh, take)], dim=1).topk(POOL, dim=1)
        rows = torch.cat([rows, fresh], dim=1).gather(1, kept)
        is_done = torch.cat([is_done, torch.zeros_like(fresh, dtype=torch.bool)], dim=1).gather(1, kept)
    return rows[:, :k], cosines[:, :k]


def _unseen(around: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    """Return candidates, (n, m), with -1 in the place of those known already and of repeats."""
    around, known = around.sort(dim=1).values, known.sort(dim=1).values
    places = torch.searchsorted(known, around).clamp_max(known.shape[1] - 1)
    is_new = known.gather(1, places) != around
    is_new[:, 1:] &= around[:, 1:] != around[:, :-1]
    return around.masked_fill(~is_new, -1)


def _cosines(unit: torch.Tensor, rows: torch.Tensor, take: Take) -> torch.Tensor:
    """Return (n, m) cosines of each new row with its candidates; -inf where the candidate is -1."""
    places = (rows.flatten() >= 0).nonzero()[:, 0]
    wanted = rows.flatten()[places]
    places = places[wanted.argsort()]  # memory is read in its order
    cosines = torch.full((rows.numel(),), -torch.inf, device=unit.device)
    for part in places.split(PAIRS):
        others = take(rows.flatten()[part].cpu().numpy())
        lengths = others.norm(dim=1).clamp_min(1e-12)
        cosines[part] = others.mul_(unit[part // rows.shape[1]]).sum(dim=1).div_(lengths)
    return cosines.view(rows.shape)
