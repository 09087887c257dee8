"""From labels to scores: fit the probe on the teach half, score every image. Called without holding the workspace's lock."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.arrays import FloatArray, IntArray
from core.catalog.label_book import UNLABELLED
from core.embeddings.matrix import Matrix, linear_scores
from core.errors import InputError
from core.maths.logistic import Probe, fit_probe, probe_from_bytes
from core.maths.uncertainty import closeness, margin


@dataclass(frozen=True)
class Standardisation:
    """Mean and scale of a workspace's embeddings; they do not depend on labels."""

    mean: FloatArray  # (D,) float64
    scale: FloatArray  # (D,) float64, > 0

    @classmethod
    def of(cls, matrix: Matrix) -> "Standardisation":
        """Compute them for a matrix; a constant column gets scale 1."""
        mean, std = matrix.mean_std()
        return cls(mean, np.where(std > 1e-12, std, 1.0))

    def apply(self, x: FloatArray) -> FloatArray:
        """Standardise (n, D) raw embeddings."""
        return ((x - self.mean) / self.scale).astype(np.float32)


@dataclass(frozen=True)
class Fitted:
    """A probe with its scores of all N images; images without an embedding have NaN and UNLABELLED."""

    version: int  # of the probe in the catalog; 0 if it was not saved
    labels_version: int  # seq of the newest label action it was fitted with
    probe: Probe
    score: FloatArray  # (N,) float32 logits of flagged; all NaN while all labels are on one side
    uncertainty: FloatArray  # (N,) float32 in [0, 1]
    predicted: IntArray  # (N,) int16 class codes


def missing_for_probe(codes: IntArray, class_names: Sequence[str]) -> str:
    """Return what is missing for fitting a probe on these teach-half labels; "" if nothing is."""
    present = np.unique(codes[codes != UNLABELLED])
    if len(present) >= 2:
        return ""
    if not len(present):
        return "No probe yet: label images of at least two classes in the teach half."
    only = class_names[int(present[0])]
    return f"No probe yet: all teach-half labels are '{only}'; label at least one image of another class."


def missing_for_score(codes: IntArray, class_names: Sequence[str], flagged_codes: Sequence[int]) -> str:
    """Return what is missing for a probe that scores how likely an image is flagged; "" if nothing is.

    Args:
        codes: of the teach half's labels.
    """
    if missing := missing_for_probe(codes, class_names):
        return missing
    if not flagged_codes:
        example = ",".join([*class_names[:-1], f"{class_names[-1]}*"])
        return (
            "No class is flagged, so there is nothing to score, find or promise; mark flagged classes with a star, for example "
            f"'lassoscope classes --set {example}'."
        )
    names = ", ".join(f"'{class_names[code]}'" for code in flagged_codes)
    if len(flagged_codes) == len(class_names):
        return "Every class is flagged, so there is nothing to distinguish; remove a star with 'lassoscope classes --set'."
    flagged = np.isin(codes[codes != UNLABELLED], flagged_codes)
    if not flagged.any():
        return f"No score yet: no teach-half label is of a flagged class ({names}); label at least one such image."
    if flagged.all():
        return f"No score yet: all teach-half labels are of flagged classes ({names}); label at least one other image."
    return ""


def score_with(weights: bytes, matrix: Matrix) -> FloatArray:
    """Score all rows with a stored probe, with exactly the same result as `fit_and_score` had.

    Returns:
        (M,) float32 logits of flagged.
    Raises:
        InputError: if the probe has no flagged column.
    """
    probe = probe_from_bytes(weights)
    if probe.flagged_weights is None:
        raise InputError(
            "This probe was fitted without flagged, or without neutral, labels and has no score; label images of both kinds."
        )
    return linear_scores(matrix, *probe.columns())[:, -1]


def fit_and_score(
    matrix: Matrix,
    codes: IntArray,
    rows: IntArray,
    *,
    flagged_codes: Sequence[int],
    standardisation: Standardisation,
    n_images: int,
    device: str,
) -> tuple[Probe, FloatArray, FloatArray, IntArray]:
    """Fit a probe on the given rows and score all images.

    Args:
        matrix: (M, D) embeddings, M <= n_images.
        codes: (N,) label codes.
        rows: (T,) training rows, all labelled and embedded.
    Returns:
        the probe; score (N,), uncertainty (N,) float32, predicted (N,) int16.
    """
    probe = fit_probe(
        matrix.take(rows),
        codes[rows],
        flagged_codes=flagged_codes,
        mean=standardisation.mean,
        scale=standardisation.scale,
        device=device,
    )
    return probe, *score_images(probe, matrix, n_images=n_images)


def score_images(probe: Probe, matrix: Matrix, *, n_images: int) -> tuple[FloatArray, FloatArray, IntArray]:
    """Score all images with a probe: score (N,), uncertainty (N,) float32, predicted (N,) int16."""
    weights, bias = probe.columns()
    logits = linear_scores(matrix, weights, bias)
    n_classes = len(probe.class_codes)
    score = np.full(n_images, np.nan, np.float32)
    uncertainty = score.copy()
    predicted = np.full(n_images, UNLABELLED, np.int16)
    predicted[: matrix.rows] = np.array(probe.class_codes, np.int16)[logits[:, :n_classes].argmax(axis=1)]
    if probe.flagged_weights is not None:
        score[: matrix.rows] = logits[:, n_classes]
        uncertainty[: matrix.rows] = closeness(logits[:, n_classes])
    else:
        uncertainty[: matrix.rows] = margin(logits[:, :n_classes])
    return score, uncertainty, predicted


def inputs_key(encoder: str, matrix: Matrix, codes: IntArray, rows: IntArray, flagged_codes: Sequence[int]) -> str:
    """Hash what a probe is fitted on. A probe with known inputs is not refitted: it would differ in its last digits."""
    content = [encoder.encode(), *(np.asarray(a, "<i8").tobytes() for a in ([matrix.rows], rows, codes[rows], flagged_codes))]
    return hashlib.blake2b(b"".join(content), digest_size=12).hexdigest()
