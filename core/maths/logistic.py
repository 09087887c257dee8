"""The probe: L2 logistic regression on frozen embeddings, one-vs-rest, by Newton steps in torch float64."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from core.arrays import BoolArray, FloatArray, IntArray
from core.errors import WHAT_TO_DO, DamageError, InputError, ShapeError

if TYPE_CHECKING:
    import torch

NEWTON_STEPS = 100  # 5 to 12 are usual; the cap only stops a numerically stuck fit
# n x D^2 up to which a single thread is used: 1,000 labels at 384-d. torch's threads synchronise after every operation: with
# one of two cores busy, two threads took 224 ms and one took 45 (200 x 192); on an idle machine two took 55 to 62 ms and one
# 80 to 130 (1,000 x 192).
SMALL_FIT = 150_000_000
GRADIENT_TOLERANCE = 1e-9  # of the mean loss; coefficients then agree with scikit-learn's newton-cholesky to 1e-6
HALVINGS = 34  # of a step, down to 1e-10 of it
FORMATS = FORMAT, WITH_POLICIES = "lassoscope-probe/1", "lassoscope-probe/2"  # 2 has policies' columns before the flagged one
NOT_FINITE = "A probe needs finite embeddings, got NaN or infinity; embed the images again."


@dataclass(frozen=True)
class Probe:
    """Linear scores of raw embeddings x: `x @ weights + bias`, which include the standardisation."""

    class_codes: tuple[int, ...]  # (K,) the class of each column, ascending
    weights: FloatArray  # (D, K) float64
    bias: FloatArray  # (K,) float64
    flagged_weights: FloatArray | None  # (D,) flagged classes against all others; None if all labels are on one side
    flagged_bias: float
    n_labels: int
    policies: Mapping[str, tuple[FloatArray, float]] = field(default_factory=dict)  # the (D,) column and bias of P of them

    def columns(self) -> tuple[FloatArray, FloatArray]:
        """Stack all columns for one pass over the embeddings: (D, K + P), or (D, K + P + 1) with flagged last, and biases."""
        extra = [*self.policies.values()]
        if self.flagged_weights is not None:
            extra.append((self.flagged_weights, self.flagged_bias))
        return np.column_stack([self.weights, *(w for w, _ in extra)]), np.append(self.bias, [b for _, b in extra])

    def column_of(self, policy: str) -> int | None:
        """Return the place of a policy's score in `columns` ("" = that of all flagged classes); None if it has none."""
        if policy:
            return len(self.class_codes) + [*self.policies].index(policy) if policy in self.policies else None
        return None if self.flagged_weights is None else len(self.class_codes) + len(self.policies)

    def for_policy(self, policy: str) -> "Probe | None":
        """Return the probe with a policy's column as its flagged one; None if the policy has none."""
        if policy not in self.policies:
            return None
        weights, bias = self.policies[policy]
        return replace(self, flagged_weights=weights, flagged_bias=bias, policies={})

    def to_bytes(self) -> bytes:
        """Serialise as safetensors, with the layout in its metadata."""
        from safetensors.numpy import save

        weights, bias = self.columns()
        record = {
            "class_codes": self.class_codes,
            "n_labels": self.n_labels,
            "flagged": self.flagged_weights is not None,
            **({"policies": [*self.policies]} if self.policies else {}),
        }
        tensors = {"weights": np.ascontiguousarray(weights), "bias": np.ascontiguousarray(bias)}
        form = WITH_POLICIES if self.policies else FORMAT
        return bytes(save(tensors, metadata={"format": form, "record": json.dumps(record)}))


def flagged_column(data: bytes) -> tuple[FloatArray, float] | None:
    """Read the flagged column, weights (D,) and bias, from the output of `Probe.to_bytes`; None if the probe has none."""
    probe = probe_from_bytes(data)
    return None if probe.flagged_weights is None else (probe.flagged_weights, probe.flagged_bias)


def probe_from_bytes(data: bytes) -> Probe:
    """Read the output of `Probe.to_bytes`.

    Raises:
        DamageError: if it is invalid.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        length = int.from_bytes(data[:8], "little")
        record = json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["record"])
        tensors, codes = load(data), tuple(record["class_codes"])
        weights, bias, k = tensors["weights"], tensors["bias"], len(codes)
        has_flagged, names = record["flagged"], record.get("policies", [])
        last = k + len(names)
        return Probe(
            codes,
            weights[:, :k],
            bias[:k],
            flagged_weights=weights[:, last] if has_flagged else None,
            flagged_bias=float(bias[last]) if has_flagged else math.nan,
            n_labels=record["n_labels"],
            policies={name: (weights[:, k + i], float(bias[k + i])) for i, name in enumerate(names)},
        )
    except (ValueError, KeyError, TypeError, IndexError, SafetensorError) as error:
        raise DamageError(f"A model's weights are damaged ({error}); {WHAT_TO_DO}.") from None


def fit_logistic(x: FloatArray, y: BoolArray, *, c: float = 1.0) -> tuple[FloatArray, float]:
    """Fit a binary L2 logistic regression exactly (Newton steps with halving, float64).

    Minimises `c * sum(log(1 + exp(-s))) + |w|^2 / 2` over w and an unpenalised intercept, scikit-learn's objective.

    Args:
        x: (n, D) standardised embeddings.
        y: (n,) bool, both values present.
        c: inverse strength of the penalty, > 0.
    Returns:
        (D,) float64 coefficients and the intercept.
    Raises:
        ShapeError: if the shapes differ.
        InputError: if only one value of y is present, or x is not finite.
    """
    import torch

    if x.ndim != 2 or y.shape != (len(x),):
        raise ShapeError(f"fit_logistic needs x (n, D) and y (n,), got {x.shape} and {y.shape}.")
    if y.all() or not y.any():
        raise InputError("A probe needs labels on both sides, got one side only; label an image of another class.")
    if not np.isfinite(x).all():
        raise InputError(NOT_FINITE)
    found = newton(torch.tensor(x, dtype=torch.float64), torch.from_numpy(y)[None], c=c)[0].numpy()
    return found[:-1], float(found[-1])


def newton(x: "torch.Tensor", y: "torch.Tensor", *, c: float = 1.0) -> "torch.Tensor":
    """Take the Newton steps of `fit_logistic` on the device of x, without waiting for the outcome of every step.

    Args:
        x: (n, D) float64, finite.
        y: (K, n) bool, K fits side by side; in each, both values present.
    Returns:
        (K, D + 1) float64: the coefficients, then the intercept.
    Source: Newton's method, as scikit-learn's `newton-cholesky`; logistic loss after Cox 1958. With few labels the steps are
    taken in the span of their rows, where the minimum lies (representer theorem, Kimeldorf and Wahba 1971).
    """
    import torch

    from core.devices import Watch

    basis = None
    if 2 * x.shape[0] <= x.shape[1]:  # a tenth of the time at 30 labels of 384 dimensions
        basis, triangle = torch.linalg.qr(x.T)
        x = triangle.T  # lengths and products stay as they are, so the penalty does too
    design, target = torch.column_stack([x, x.new_ones(len(x))]), y.double()
    penalty = x.new_full((design.shape[1],), 1 / c)
    penalty[-1] = 0.0  # the intercept is free
    sizes = 0.5 ** torch.arange(HALVINGS, dtype=torch.float64, device=x.device)
    which = torch.arange(len(y), device=x.device)

    def losses(logits: torch.Tensor, coefficients: torch.Tensor) -> torch.Tensor:
        """Return the loss for (K, H, n) logits of (K, H, D + 1) coefficients, (K, H)."""
        fit = torch.nn.functional.softplus(logits) - target[:, None] * logits
        return fit.sum(dim=-1) + 0.5 * (penalty * coefficients.square()).sum(dim=-1)

    coefficients = x.new_zeros((len(y), design.shape[1]))
    logits = coefficients @ design.T
    loss = losses(logits[:, None], coefficients[:, None])[:, 0]
    is_done, watch = torch.zeros(len(y), dtype=torch.bool, device=x.device), Watch(x.device)
    for _ in range(NEWTON_STEPS):
        probability = torch.sigmoid(logits)
        gradient = (probability - target) @ design + penalty * coefficients
        is_done = is_done | (gradient.abs().amax(dim=1) <= GRADIENT_TOLERANCE * len(x))
        if watch.is_raised(is_done.all()):
            break
        curvature = (probability * (1 - probability)).clamp_min(1e-12)
        hessian = (design.T * curvature[:, None]) @ design + torch.diag(penalty)
        step = torch.cholesky_solve(gradient[:, :, None], torch.linalg.cholesky_ex(hessian).L)[:, :, 0]
        candidates = coefficients[:, None] - sizes[:, None] * step[:, None]
        reached = losses(logits[:, None] - sizes[:, None] * (step @ design.T)[:, None], candidates)
        lower = reached <= loss[:, None]
        first = lower.to(torch.uint8).argmax(dim=1)  # the longest step that does not raise the loss
        is_done = is_done | ~lower.any(dim=1)  # no smaller loss along the step: at float64's floor
        coefficients = torch.where(is_done[:, None], coefficients, candidates[which, first])
        loss = torch.where(is_done, loss, reached[which, first])
        logits = coefficients @ design.T
    return coefficients if basis is None else torch.cat([coefficients[:, :-1] @ basis.T, coefficients[:, -1:]], dim=1)


def fit_probe(
    x: "torch.Tensor",
    codes: IntArray,
    *,
    flagged_codes: Sequence[int],
    mean: FloatArray,
    scale: FloatArray,
    policies: Mapping[str, Sequence[int]] | None = None,
    c: float = 1.0,
) -> Probe:
    """Fit a column per labelled class, per policy, and one for the flagged classes, each against the rest, on the device of x.

    Args:
        x: (n, D) raw embeddings of the training images.
        codes: (n,) class codes >= 0.
        flagged_codes: the codes of flagged classes.
        mean, scale: (D,) standardisation of the whole workspace's embeddings (no labels in it), scale > 0.
        policies: the codes of each policy's classes; one without labels on both sides gets no column.
    Returns:
        a `Probe` over raw embeddings.
    Raises:
        InputError: if fewer than two classes are labelled, or x is not finite.
    """
    import torch

    from core.devices import cores, to_device, to_host, with_threads

    present = tuple(int(code) for code in np.unique(codes))
    if len(present) < 2:
        raise InputError("A probe needs labels of two classes, got fewer; label an image of another class.")
    centre, size = to_device(mean, x.device), to_device(scale, x.device)
    standardised = (x.double() - centre) / size
    if not torch.isfinite(standardised).all():
        raise InputError(NOT_FINITE)
    flagged = np.isin(codes, list(flagged_codes))
    has_flagged = _has_both(flagged)
    by_policy = {name: np.isin(codes, list(theirs)) for name, theirs in (policies or {}).items()}
    by_policy = {name: side for name, side in by_policy.items() if _has_both(side)}
    sides = [*(codes == code for code in present), *by_policy.values(), *([flagged] if has_flagged else [])]
    # With two classes, or one flagged class, sides are equal or opposite: of each such pair one is fitted.
    keys = [min(side.tobytes(), (~side).tobytes()) for side in sides]
    fitted = dict(zip(keys, sides, strict=True))
    targets = to_device(np.stack(list(fitted.values())), x.device)

    def fit() -> torch.Tensor:
        return torch.cat([newton(standardised, target[None], c=c) for target in targets])  # each stops when it is done

    if x.is_cuda:
        fits = newton(standardised, targets, c=c)  # side by side: small steps on a GPU take the time of their launches
    else:
        fits = with_threads(1 if x.shape[0] * x.shape[1] ** 2 <= SMALL_FIT else cores(), fit)
    coefficients = dict(zip(fitted, to_host(fits)[0], strict=True))
    signs = [1.0 if np.array_equal(fitted[key], side) else -1.0 for key, side in zip(keys, sides, strict=True)]
    columns = np.stack([sign * coefficients[key] for sign, key in zip(signs, keys, strict=True)], axis=1)
    weights = columns[:-1] / scale[:, None]
    bias, k = columns[-1] - mean @ weights, len(present)
    return Probe(
        class_codes=present,
        weights=weights[:, :k],
        bias=bias[:k],
        flagged_weights=weights[:, -1] if has_flagged else None,
        flagged_bias=float(bias[-1]) if has_flagged else math.nan,
        n_labels=len(codes),
        policies={name: (weights[:, k + i], float(bias[k + i])) for i, name in enumerate(by_policy)},
    )


def _has_both(side: BoolArray) -> bool:
    return bool(side.any() and not side.all())
