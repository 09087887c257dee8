"""Products of all embeddings with a few columns, and their mean and scale, wherever the embeddings are. torch."""

import torch

from core.devices import to_device
from core.embeddings.resident import DeviceMatrix
from core.errors import ShapeError


class Columns:
    """k columns to multiply blocks of embeddings with.

    Columns that are equal or opposite, as those of two classes are, are multiplied once. On a GPU a block stays float16, so
    that memory is read once; a column is the sum of two float16 parts, which keeps float32's precision, and products are summed
    in float32.
    """

    def __init__(self, weights: torch.Tensor, bias: torch.Tensor) -> None:
        """Prepare (D, k) weights and (k,) bias, float64 on the device of the blocks."""
        columns = torch.cat([weights, bias[None]])
        sign = torch.where(columns.gather(0, columns.abs().argmax(dim=0)[None])[0] < 0, -1.0, 1.0).double()
        distinct, self._place = torch.unique(columns * sign, dim=1, return_inverse=True)
        self._sign = sign.float()
        self._rows = distinct[:-1].T.float().contiguous()  # (m, D): in this order a product takes a quarter of the time
        self._bias = distinct[-1].float()
        self._halves: torch.Tensor | None = None
        if weights.is_cuda:
            self._halves, self._size = halves_of(distinct[:-1])

    def of(self, block: torch.Tensor) -> torch.Tensor:
        """Return block @ weights + bias, (n, k) float32, for an (n, D) block in float16 or float32."""
        if self._halves is None or block.dtype != torch.float16:
            found = torch.nn.functional.linear(block.float(), self._rows, self._bias)
        else:
            high, low = torch.mm(block, self._halves, out_dtype=torch.float32).chunk(2, dim=1)
            found = torch.addcmul(self._bias, high + low, self._size)
        return found[:, self._place].mul_(self._sign)


def halves_of(weights: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Split columns into two float16 parts: weights = (high + low) * size, to about 2^-21 of a column's largest weight.

    Args:
        weights: (D, k) float64.
    Returns:
        (D, 2k) float16, the high parts first, and the sizes, (k,) float32.
    """
    size = weights.abs().amax(dim=0).clamp_min(1e-30)
    scaled = weights / size
    high = scaled.half()
    return torch.cat([high, (scaled - high.double()).half()], dim=1), size.float()


def linear_scores(embeddings: DeviceMatrix, weights: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """Score all rows by k linear functions: x @ weights + bias.

    Args:
        embeddings: N rows.
        weights: (D, k) float64 on the same device.
        bias: (k,) float64.
    Returns:
        (N, k) float32 on the device.
    Raises:
        ShapeError: if the weights do not fit.
    """
    if weights.ndim != 2 or weights.shape[0] != embeddings.dim or bias.shape != (weights.shape[1],):
        raise ShapeError(
            f"Scores need ({embeddings.dim}, k) weights and (k,) bias, got {tuple(weights.shape)} and {tuple(bias.shape)}; "
            "fit again."
        )
    columns = Columns(weights, bias)
    out = torch.empty((embeddings.rows, weights.shape[1]), dtype=torch.float32, device=embeddings.device)

    def score(start: int, block: torch.Tensor) -> None:
        out[start : start + len(block)] = columns.of(block)

    embeddings.each(score)
    return out


def mean_and_std(embeddings: DeviceMatrix) -> tuple[torch.Tensor, torch.Tensor]:
    """Return each dimension's mean and standard deviation (ddof 0), (D,) float64 each on the device, in one pass.

    Rows of zeros, which are blank, do not count.
    """
    shift = to_device(embeddings.matrix.head(), embeddings.device).float().mean(dim=0)

    def sums(_start: int, block: torch.Tensor) -> torch.Tensor:
        maybe = (block[:, 0] == 0).nonzero()[:, 0]
        n_blank = int((~block[maybe].any(dim=1)).sum()) if len(maybe) else 0
        x = block.float().sub_(shift)  # mean near zero, against cancellation in the squares
        found = torch.stack([x.sum(dim=0), x.square_().sum(dim=0)]).double()
        if n_blank:
            found += n_blank * torch.stack([shift, -shift.square()]).double()
        return torch.cat([found, found.new_full((1, found.shape[1]), len(block) - n_blank)])

    total, squares, n = torch.stack(embeddings.each(sums)).sum(dim=0)
    total, squares = total / n.clamp(min=1), squares / n.clamp(min=1)
    return total + shift.double(), (squares - total.square()).clamp(min=0).sqrt()
