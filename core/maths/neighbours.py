"""Nearest neighbours by cosine, by comparing all rows with all, in blocks, on any device. torch."""

import torch

from core.devices import on_all_cores

CPU_QUERIES, CUDA_QUERIES = 256, 4_096  # rows whose neighbours are searched at a time
CPU_CHUNK, CUDA_CHUNK = 8_192, 65_536  # rows they are compared with at a time
STRIPS = 32  # that a row of likenesses is cut into, to pass over it once
SPARE = 16  # more candidates than asked for where rows are rounded to float16; the best of them are found in float32


def unit_rows(x: torch.Tensor) -> torch.Tensor:
    """Scale rows to length 1; a zero row stays zero. (N, D) float32."""
    return x / x.norm(dim=1, keepdim=True).clamp_min(1e-12)


def neighbours(
    unit: torch.Tensor, k: int, *, of: torch.Tensor | None = None, is_rounded: bool | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Find the k nearest other rows: exactly in float32; among rows rounded to float16 with a recall of .999 or more.

    Args:
        unit: (N, D) float32, rows of length 1.
        k: neighbours, 1 <= k < N.
        of: (n,) int64, the rows to find neighbours of, on the same device; all if None.
        is_rounded: find candidates among rows rounded to float16, which a GPU multiplies faster, and compare those in float32.
            None for on a GPU only.
    Returns:
        (n, k) int64 rows, nearest first, and their cosines, (n, k) float32, on the device.
    """
    of = torch.arange(len(unit), device=unit.device) if of is None else of
    others = unit.half() if (unit.is_cuda if is_rounded is None else is_rounded) else unit
    parts = of.split(CUDA_QUERIES if unit.is_cuda else CPU_QUERIES)
    rows, cosines = zip(*on_all_cores(lambda part: _nearest_of(unit, others, part, k), parts, unit.device), strict=True)
    return torch.cat(rows), torch.cat(cosines)


def _nearest_of(unit: torch.Tensor, others: torch.Tensor, of: torch.Tensor, k: int) -> tuple[torch.Tensor, torch.Tensor]:
    queries, chunk, is_rounded = others[of], CUDA_CHUNK if unit.is_cuda else CPU_CHUNK, others.dtype == torch.float16
    wanted = min(k + 1 + (SPARE if is_rounded else 0), len(unit))  # one more, as a row finds itself
    best, places = unit.new_empty((len(of), 0)), of.new_empty((len(of), 0))
    for start in range(0, len(unit), chunk):
        values, columns = _highest(_products(queries, others[start : start + chunk]), wanted)
        best, kept = torch.cat([best, values], dim=1).topk(min(wanted, best.shape[1] + values.shape[1]), dim=1)
        places = torch.cat([places, columns + start], dim=1).gather(1, kept)
    if is_rounded:
        best = (unit[places] @ unit[of][:, :, None])[:, :, 0]
    best, kept = best.masked_fill(places == of[:, None], -torch.inf).topk(k, dim=1)
    return places.gather(1, kept), best


def _products(queries: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
    """Return (n, m) products in float32."""
    if queries.is_cuda and queries.dtype == torch.float16:
        return torch.mm(queries, others.T, out_dtype=torch.float32)
    return queries.float() @ others.float().T


def _highest(values: torch.Tensor, k: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the k highest of each row of (n, m) values, and their columns; fewer if m is smaller.

    `topk` passes over a wide row several times. The k highest lie in the k places with the highest maxima over strips, so one
    pass for the maxima leaves few candidates.
    """
    n, width = values.shape
    m = width // STRIPS
    if m <= k:
        found = values.topk(min(k, width), dim=1)
        return found.values, found.indices
    strips = values[:, : m * STRIPS].view(n, STRIPS, m)
    columns = strips.amax(dim=1).topk(k, dim=1).indices
    candidates = strips.gather(2, columns[:, None].expand(n, STRIPS, k)).reshape(n, -1)
    of_candidate = (columns[:, None] + m * torch.arange(STRIPS, device=values.device)[:, None]).reshape(n, -1)
    rest = torch.arange(m * STRIPS, width, device=values.device).expand(n, -1)
    found = torch.cat([candidates, values[:, m * STRIPS :]], dim=1).topk(k, dim=1)
    return found.values, torch.cat([of_candidate, rest], dim=1).gather(1, found.indices)
