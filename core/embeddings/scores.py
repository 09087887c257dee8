"""From labels to scores: fit the probe on the teach half, score every image. Called without holding the workspace's lock."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core.arrays import FloatArray, IntArray
from core.catalog.label_book import UNLABELLED
from core.embeddings.matrix import Matrix
from core.errors import InputError
from core.maths.logistic import Probe, fit_probe, probe_from_bytes
from core.maths.uncertainty import closeness, margin

if TYPE_CHECKING:
    import torch

    from core.embeddings.embedded import Embedded
    from core.embeddings.resident import DeviceMatrix

HISTOGRAM_BINS = 100
# Rows whose logits are turned into what is shown at a time. On a CPU, with the blocks of the pass it would take twice the time;
# on a GPU a million such rows took 240 launches and 4 ms.
READ_ROWS, READ_ROWS_GPU = 65_536, 8_388_608


@dataclass(frozen=True)
class Standardisation:
    """Mean and scale of a workspace's embeddings; they do not depend on labels."""

    mean: FloatArray  # (D,) float64
    scale: FloatArray  # (D,) float64, > 0

    @classmethod
    def of(cls, embeddings: "DeviceMatrix") -> "Standardisation":
        """Compute them for all embeddings; a constant column gets scale 1."""
        from core.devices import to_host
        from core.embeddings.products import mean_and_std

        mean, std = to_host(*mean_and_std(embeddings))
        return cls(mean, np.where(std > 1e-12, std, 1.0))

    def apply_(self, x: "torch.Tensor") -> "torch.Tensor":
        """Standardise (n, D) float32 raw embeddings in place, on their device, and return them."""
        from core.devices import to_device

        mean, scale = (to_device(a.astype(np.float32), x.device) for a in (self.mean, self.scale))
        return x.sub_(mean).div_(scale)


@dataclass(frozen=True)
class Scored:
    """What a probe says of all N images, on the device that computed it; images without an embedding have NaN, UNLABELLED."""

    score: "torch.Tensor"  # (N,) float32 logits of flagged; all NaN while all labels are on one side
    uncertainty: "torch.Tensor"  # (N,) float32 in [0, 1]
    predicted: "torch.Tensor"  # (N,) int16 class codes
    histogram: "torch.Tensor"  # (HISTOGRAM_BINS,) float64, images by the probability of flagged; all 0 without scores

    def grown(self, n_images: int) -> "Scored":
        """Return the same of more images, of which the probe says nothing yet."""
        import torch

        def longer(x: "torch.Tensor", fill: float) -> "torch.Tensor":
            return torch.cat([x, x.new_full((n_images - len(x),), fill)])

        score, uncertainty = longer(self.score, torch.nan), longer(self.uncertainty, torch.nan)
        return Scored(score, uncertainty, longer(self.predicted, UNLABELLED), self.histogram)

    def without(self, rows: IntArray) -> "Scored":
        """Return the same without a word on these images, which were removed."""
        import torch

        from core.devices import to_device

        places = to_device(rows, self.score.device)
        score, uncertainty = (x.index_fill(0, places, torch.nan) for x in (self.score, self.uncertainty))
        theirs = self.score[places]
        counted = torch.histc(theirs[~theirs.isnan()].sigmoid(), HISTOGRAM_BINS, 0, 1)
        return Scored(score, uncertainty, self.predicted.index_fill(0, places, UNLABELLED), self.histogram - counted)

    @property
    def likely_flagged(self) -> int:
        """Count the images that are flagged with a probability of 50% or more."""
        return int(self.histogram[HISTOGRAM_BINS // 2 :].sum())


@dataclass(frozen=True)
class Fitted:
    """A probe with its scores of all N images; images without an embedding have NaN and UNLABELLED."""

    version: int  # of the probe in the catalog; 0 if it was not saved
    labels_version: int  # seq of the newest label action it was fitted with
    probe: Probe
    on_device: Scored
    score: FloatArray  # (N,) float32 logits of flagged; all NaN while all labels are on one side
    uncertainty: FloatArray  # (N,) float32 in [0, 1]
    predicted: IntArray  # (N,) int16 class codes

    def grown(self, n_images: int) -> "Fitted":
        """Return the same of more images, of which the probe says nothing yet."""
        if len(self.score) == n_images:
            return self
        return Fitted.of(self.version, self.labels_version, self.probe, self.on_device.grown(n_images))

    def without(self, rows: IntArray) -> "Fitted":
        """Return the same without a word on these images, which were removed."""
        said = rows[~np.isnan(self.uncertainty[rows])]
        if not len(said):
            return self
        return Fitted.of(self.version, self.labels_version, self.probe, self.on_device.without(said))

    @classmethod
    def of(cls, version: int, labels_version: int, probe: Probe, scored: Scored) -> "Fitted":
        """Bring what is shown into the machine's memory."""
        from core.devices import to_host

        shown = to_host(scored.score, scored.uncertainty, scored.predicted)
        return cls(version, labels_version, probe, scored, *shown)


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


def score_with(weights: bytes, matrix: Matrix, policy: str = "") -> FloatArray:
    """Score all rows with a stored probe: on the CPU, so that what a promise rests on does not depend on a GPU.

    Returns:
        (M,) float32 logits of the policy's classes, or of all flagged ones.
    Raises:
        InputError: if the probe has no such column.
    """
    from core.devices import CPU, to_device
    from core.embeddings.products import linear_scores
    from core.embeddings.resident import device_matrix

    probe = probe_from_bytes(weights)
    column = probe.column_of(policy)
    if column is None and policy:
        raise InputError(
            f"This probe has no score for the policy '{policy}'; run 'lassoscope fit' once its classes have labels."
        )
    if column is None:
        raise InputError(
            "This probe was fitted without flagged, or without neutral, labels and has no score; label images of both kinds."
        )
    columns = (to_device(a, CPU) for a in probe.columns())
    return np.asarray(linear_scores(device_matrix(matrix, CPU), *columns)[:, column].numpy())


def fit_and_score(
    embedded: "Embedded",
    codes: IntArray,
    rows: IntArray,
    *,
    flagged_codes: Sequence[int],
    n_images: int,
    policies: Mapping[str, Sequence[int]] | None = None,
) -> tuple[Probe, Scored]:
    """Fit a probe on the given rows and score all images, on the device of the embeddings.

    Args:
        embedded: M rows, M <= n_images.
        codes: (N,) label codes.
        rows: (T,) training rows, all labelled and embedded.
        policies: the codes of each policy's classes.
    """
    probe = fit_probe(
        embedded.on_device.take(rows),
        codes[rows],
        flagged_codes=flagged_codes,
        mean=embedded.standardisation.mean,
        scale=embedded.standardisation.scale,
        policies=policies,
    )
    return probe, score_images(probe, embedded.on_device, n_images=n_images)


def score_images(probe: Probe, embeddings: "DeviceMatrix", *, n_images: int) -> Scored:
    """Score all images with a probe in one pass over the embeddings."""
    import torch

    from core.devices import on_all_cores, to_device
    from core.embeddings.products import linear_scores

    device, n_classes = embeddings.device, len(probe.class_codes)
    logits = linear_scores(embeddings, *(to_device(a, device) for a in probe.columns()))
    codes = torch.tensor(probe.class_codes, dtype=torch.int16, device=device)
    score, uncertainty = torch.full((2, n_images), torch.nan, device=device)
    predicted = torch.full((n_images,), UNLABELLED, dtype=torch.int16, device=device)

    at_a_time = READ_ROWS_GPU if logits.is_cuda else READ_ROWS

    def read(start: int) -> torch.Tensor:
        rows = slice(start, min(start + at_a_time, embeddings.rows))
        mine = logits[rows]
        predicted[rows] = codes[mine[:, :n_classes].argmax(dim=1)]
        if probe.flagged_weights is None:
            uncertainty[rows] = margin(mine[:, :n_classes])
            return torch.zeros(HISTOGRAM_BINS, device=device)
        flagged = mine[:, -1].contiguous()
        score[rows], uncertainty[rows] = flagged, closeness(flagged)
        return torch.histc(flagged.sigmoid(), HISTOGRAM_BINS, 0, 1)

    counts = on_all_cores(read, range(0, embeddings.rows, at_a_time), device)
    return Scored(score, uncertainty, predicted, torch.stack(counts).sum(dim=0, dtype=torch.float64))


def inputs_key(
    encoder: str,
    matrix: Matrix,
    codes: IntArray,
    rows: IntArray,
    flagged_codes: Sequence[int],
    policies: Mapping[str, Sequence[int]],
) -> str:
    """Hash what a probe is fitted on. A probe with known inputs is not refitted: it would differ in its last digits."""
    content = [encoder.encode(), *(np.asarray(a, "<i8").tobytes() for a in ([matrix.rows], rows, codes[rows], flagged_codes))]
    content += [f"\0{name}\0{sorted(theirs)}".encode() for name, theirs in policies.items()]
    return hashlib.blake2b(b"".join(content), digest_size=12).hexdigest()
