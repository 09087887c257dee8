"""Check sets: read blind, sealed, opened a counted number of times. Each verb takes the workspace.

A look is a new pair of model and batch. What the analyst may know before a look (how many were read, how many of them are
flagged) says nothing of the scores, so a set may be read on for as long as one likes before it is opened.
"""

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from core.arrays import BoolArray, FloatArray, IntArray
from core.catalog.check_set import CheckSet
from core.catalog.rows import now
from core.embeddings.scores import score_with
from core.errors import InputError
from core.evidence.bounds import MIN_FLAGGED, certify, look_alpha
from core.evidence.focus import focus_draws, focus_rows, inclusion
from core.evidence.queues import check_queue
from core.evidence.threshold import PointFigures, Range, Sample, binomial_range, figures_at
from core.labels.actions import LabelResult, label
from core.missing import missing_for_check, missing_for_score
from core.wording import counted, target
from core.workspace import Workspace

LOG = logging.getLogger("lassoscope.checking")
SECOND_SHARE = 0.1  # of the other check labels; flagged ones are all read twice
LEAST, MOST = 0.5, 0.999  # of a recall or a confidence to promise
DRIFT_LEVEL = 0.01  # of Fisher's exact test between owed and earlier labels


@dataclass(frozen=True)
class Opening:
    """One opening of a check set, as it was: nothing in it changes afterwards."""

    number: int  # over all sets
    check_set: int
    look: int  # k: of this set
    probe: int  # version
    analyst: str
    at: str  # ISO 8601, UTC
    encoder: str
    recall: float  # to be promised
    confidence: float  # of all looks at this set together
    live: bool
    alpha: float  # error of this look
    threshold: float | None  # flag scores >= it; None = no promise
    misses: int  # flagged check labels that may lie below it
    n_teach: int  # labels the model learned from
    frame: int  # images it covers: rows 0 to frame - 1
    frame_hash: str
    flagged_names: tuple[str, ...]
    guideline: str
    reread: int  # check labels of this batch read by a second analyst
    disagreed: int
    rows: IntArray  # (n,) int64, in the permanent order
    flagged: BoolArray  # (n,)
    scores: FloatArray  # (n,) float64 logits

    @property
    def n(self) -> int:
        """Count the labels."""
        return len(self.rows)

    @property
    def n_flagged(self) -> int:
        """Count the flagged ones."""
        return int(self.flagged.sum())

    @property
    def disagreement(self) -> Range:
        """Share of the second readings that came out otherwise."""
        return binomial_range(self.disagreed, self.reread)


@dataclass(frozen=True)
class CheckStatus:
    """Where the current check set stands. Nothing in it tells of scores."""

    check_set: CheckSet
    n: int  # read in the permanent order without a hole: what an opening would take
    n_flagged: int
    n_owed: int  # not read, but before one that was: skipped, or added later
    n_ahead: int  # read behind a hole
    n_total: int  # images the set could grow to
    look: int  # number of the next one
    alpha: float  # its error
    later_alpha: float  # error of the look that comes with more labels
    known: Opening | None  # the opening of this very model and batch: looking again is free
    missing: str  # why it cannot be opened now; "" if it can

    @property
    def n_left(self) -> int:
        """Count the images the set can still ask for."""
        return self.n_total - self.n

    @property
    def planned(self) -> int:
        """Count the images to read before an opening: as planned, or all there are."""
        return min(self.check_set.size, self.n_total)


# -- state --


def openings(workspace: Workspace) -> list[Opening]:
    """Return every opening that can be read, newest first; one that cannot stands in the way of no other."""
    found = (_readable(known) for known in workspace.catalog.evidence.openings())
    return [opened for opened in found if opened is not None]


def _readable(known: Mapping[str, Any]) -> Opening | None:
    try:
        return _opening_of(known)
    except (KeyError, TypeError, ValueError):  # its place in the counter of looks stays taken: `status` reads the catalog
        LOG.warning("opening %s cannot be read and is passed over", known.get("number"))
        return None


def _opening_of(known: Mapping[str, Any]) -> Opening:
    record = known["record"]
    arrays = {
        "rows": np.array(record["rows"], np.int64),
        "flagged": np.array(record["flagged"], bool),
        "scores": np.array(record["scores"], np.float64),
        "flagged_names": tuple(record["flagged_names"]),
    }
    columns = {key: known[key] for key in ("number", "check_set", "look", "probe", "analyst", "at")}
    return Opening(**(columns | record | arrays))


@dataclass(frozen=True)
class _Batch:
    """What an opening would take."""

    rows: IntArray
    flagged: BoolArray
    n_owed: int
    n_ahead: int
    n_total: int


def _batch(workspace: Workspace) -> _Batch:
    frame = workspace.matrix.rows if workspace.matrix else 0
    candidates = np.flatnonzero(workspace.sealed[:frame])
    candidates = candidates[np.argsort(workspace.check_order[candidates], kind="stable")]
    read = workspace.evidence()[candidates]
    last = int(np.flatnonzero(read)[-1]) + 1 if read.any() else 0
    n = last if read[:last].all() else int(np.argmin(read))
    rows = candidates[:n]
    flagged = np.isin(workspace.labels.codes[rows], workspace.flagged_codes)
    return _Batch(rows, flagged, int((~read[:last]).sum()), int(read[n:].sum()), len(candidates))


def _model_key(workspace: Workspace, probe: int) -> str:
    record = workspace.catalog.models.probe_record(probe)
    return f"{record.get('inputs', probe)}@{workspace.check_set.recall}"


def _batch_key(batch: _Batch) -> str:
    content = batch.rows.astype("<i8").tobytes() + batch.flagged.astype("u1").tobytes()
    return hashlib.blake2b(content, digest_size=8).hexdigest()


def mark(workspace: Workspace) -> tuple[Any, ...]:
    """Return what changes whenever an opening, a second reading, a point, the point in force or a focus draw is added."""
    return workspace.catalog.evidence.mark()


def status(workspace: Workspace) -> CheckStatus:
    """Say how far the current set is read and what opening it would cost."""
    batch, terms, fitted = _batch(workspace), workspace.check_set, workspace.fitted
    mine = [r for r in workspace.catalog.evidence.openings() if r["check_set"] == terms.number]
    known, later = None, 1 + max((r["look"] for r in mine), default=0)
    if fitted is not None and fitted.version:
        model, key = _model_key(workspace, fitted.version), _batch_key(batch)
        known = next((_readable(r) for r in mine if r["key"] == f"{model}/{key}"), None)
        watched = [r["look"] for r in mine if terms.live and r["key"].startswith(f"{model}/")]
        later = watched[0] if watched else later
    look = known.look if known else later
    return CheckStatus(
        check_set=terms,
        n=len(batch.rows),
        n_flagged=int(batch.flagged.sum()),
        n_owed=batch.n_owed,
        n_ahead=batch.n_ahead,
        n_total=batch.n_total,
        look=look,
        alpha=look_alpha(look, 1 - terms.confidence),
        later_alpha=look_alpha(later, 1 - terms.confidence),
        known=known,
        missing=_missing(workspace, batch),
    )


def _missing(workspace: Workspace, batch: _Batch) -> str:
    terms, n, n_flagged = workspace.check_set, len(batch.rows), int(batch.flagged.sum())
    if not batch.n_total and (missing := missing_for_check(workspace)):
        return missing
    if workspace.fitted is None or workspace.fitted.probe.flagged_weights is None:
        return missing_for_score(workspace) or "There is no model to judge yet; run 'lassoscope fit'."
    planned = min(terms.size, batch.n_total)
    if batch.n_owed and n < planned:
        come = "is owed a label and comes" if batch.n_owed == 1 else "are owed a label (skipped, or added later) and come"
        return (
            f"{counted(batch.n_owed, 'image')} {come} first in the Check queue; {n:,} of {planned:,} are read without a hole."
        )
    if n < planned:
        return f"{n:,} of the planned {counted(planned, 'check image')} are read; read {planned - n:,} more in Check first."
    if n_flagged < MIN_FLAGGED:
        names = " or ".join(f"'{name}'" for name in workspace.flagged_names)
        on = "Read on in Check." if n < batch.n_total else "All there are were read: ingest more images."
        return f"Only {n_flagged} of {counted(n, 'check image')} are {names}; to open it needs {MIN_FLAGGED} at least. {on}"
    return ""


# -- verbs --


def open_check_set(workspace: Workspace, *, analyst: str) -> Opening:
    """Open the current check set for the newest model: a look that counts, unless this pair was opened before.

    Returns:
        the opening, kept for ever.
    Raises:
        InputError: if the batch is not complete, too small, or there is no model.
    """
    fitted, stands = workspace.fitted, status(workspace)
    if stands.missing:
        raise InputError(stands.missing)
    if stands.known is not None:
        return stands.known
    if fitted is None or not fitted.version:
        raise InputError("The model in use was not kept; run 'lassoscope fit', then open the check set.")
    batch, terms = _batch(workspace), workspace.check_set
    scores = fitted.score[batch.rows].astype(np.float64)
    certified = certify(scores[batch.flagged], terms.recall, stands.alpha, live=terms.live)
    frame = workspace.matrix.rows if workspace.matrix else 0
    reread, disagreed = _second_outcome(workspace, batch.rows)
    record = {
        "encoder": workspace.encoder_name,
        "recall": terms.recall,
        "confidence": terms.confidence,
        "live": terms.live,
        "alpha": stands.alpha,
        "threshold": certified.threshold,
        "misses": certified.misses,
        "n_teach": fitted.probe.n_labels,
        "frame": frame,
        "frame_hash": hashlib.blake2b(workspace.ids[:frame].tobytes(), digest_size=16).hexdigest(),
        "flagged_names": workspace.flagged_names,
        "guideline": workspace.guideline,
        "reread": reread,
        "disagreed": disagreed,
        "rows": batch.rows.tolist(),
        "flagged": batch.flagged.astype(int).tolist(),
        "scores": scores.tolist(),
    }
    key = f"{_model_key(workspace, fitted.version)}/{_batch_key(batch)}"
    workspace.catalog.evidence.add_opening(terms.number, stands.look, key, fitted.version, analyst, record)
    return openings(workspace)[0]


def change_terms(
    workspace: Workspace,
    *,
    recall: float | None = None,
    confidence: float | None = None,
    size: int | None = None,
    live: bool | None = None,
) -> CheckSet:
    """Change what the next opening asks for.

    Args:
        recall: to be promised, in [0.5, 0.999]; another one is another look.
        confidence: of all promises from the set, and
        live: both fixed once the set was opened.
        size: images to read before the set may be opened.
    Raises:
        InputError: if a value is out of range, or fixed.
    """
    before = workspace.check_set
    after = replace(
        before,
        recall=before.recall if recall is None else recall,
        confidence=before.confidence if confidence is None else confidence,
        size=before.size if size is None else size,
        live=before.live if live is None else live,
    )
    for name, value in (("recall", after.recall), ("confidence", after.confidence)):
        if not LEAST <= value <= MOST:
            raise InputError(f"The {name} to promise must be from {LEAST} to {MOST}, got {value:g}; 0.9 and 0.95 are usual.")
    if after.size < 1:
        raise InputError(f"A check set needs 1 image at least, got {after.size:,}.")
    opened = any(r["check_set"] == before.number for r in workspace.catalog.evidence.openings())
    if opened and (after.confidence, after.live) != (before.confidence, before.live):
        raise InputError(
            f"This check set was opened with {target(before.confidence)} confidence{', watched live' if before.live else ''}; "
            "that cannot change any more. Start a new check set for other terms."
        )
    workspace.set_check_set(after)
    return after


def begin_set(workspace: Workspace, *, analyst: str) -> CheckSet:
    """Start another check set from images that no set has used; the old set's labels stay as estimates.

    Raises:
        InputError: if the current set was not opened yet, or no image is left.
    """
    terms = workspace.check_set
    if not any(r["check_set"] == terms.number for r in workspace.catalog.evidence.openings()):
        raise InputError("The current check set was never opened; open it, or read on, before another is started.")
    seen = [r.rows for r in openings(workspace) if r.check_set == terms.number]  # also where readings were undone since
    used = np.concatenate([np.flatnonzero(workspace.evidence() & workspace.sealed), *seen])
    after = float(workspace.check_order[used].max(initial=terms.after))
    if not (workspace.sealed & (workspace.check_order > after)).any():
        raise InputError("All sealed check images are used up; add images before another check set is started.")
    begun = replace(terms, number=terms.number + 1, after=after, started_by=analyst, started_at=now())
    workspace.set_check_set(begun)
    return begun


# -- what an opening shows --


def frozen_scores(workspace: Workspace, opened: Opening) -> FloatArray:
    """Score the frame of an opening with its frozen model: (frame,) float32 logits, the same to the bit at any time."""
    return score_probe(workspace, opened.encoder, opened.probe)[: opened.frame]


def score_probe(workspace: Workspace, encoder: str, probe: int) -> FloatArray:
    """Score all embedded images by any kept probe: (M,) float32 logits."""
    return score_with(workspace.catalog.models.probe_weights(probe), workspace.embedded(encoder).need_matrix())


def sample_of(workspace: Workspace, opened: Opening, scores: FloatArray) -> Sample:
    """Put an opening's labels, the focus labels there are for it, and the scores of its frame together.

    Args:
        scores: (frame,) by its frozen model (`frozen_scores`).
    """
    uniform = Sample.uniform(opened.scores, opened.flagged, scores)
    draws = [d for d in focus_draws(workspace, opened.check_set) if d.n_frame <= opened.frame]
    asked = focus_rows(draws)
    extra = np.setdiff1d(asked[workspace.evidence()[asked]], opened.rows)
    if not len(extra):
        return uniform
    chance = inclusion(workspace, draws, n_uniform=opened.n, n_frame=opened.frame)
    flagged = np.isin(workspace.labels.codes[extra], flagged_then(workspace, opened))
    weights = 1 / chance[np.concatenate([opened.rows, extra])]
    return replace(uniform, extra_scores=scores[extra].astype(np.float64), extra_flagged=flagged, weights=weights)


def flagged_then(workspace: Workspace, opened: Opening) -> list[int]:
    """Return today's codes of the classes that were flagged at an opening."""
    return [code for code, name in enumerate(workspace.class_names) if name in opened.flagged_names]


def left_to_read(workspace: Workspace, opened: Opening) -> int:
    """Count the images that a later look could add to an opening's labels; none once another set has begun."""
    if opened.check_set != workspace.check_set.number:
        return 0
    frame = workspace.matrix.rows if workspace.matrix else 0
    return max(int(workspace.sealed[:frame].sum()) - opened.n, 0)


def read_since(workspace: Workspace, opened: Opening) -> int:
    """Count the sealed check labels that stand now and that an opening has not seen, or has seen otherwise."""
    now_ = np.flatnonzero(workspace.evidence() & workspace.sealed)
    if opened.check_set != workspace.check_set.number:
        return 0
    then = dict(zip(opened.rows.tolist(), opened.flagged.tolist(), strict=True))
    codes = flagged_then(workspace, opened)
    flagged = np.isin(workspace.labels.codes[now_], codes)
    return sum(then.get(row) != mark for row, mark in zip(now_.tolist(), flagged.tolist(), strict=True))


def promised_figures(opened: Opening, sample: Sample) -> PointFigures | None:
    """Work out the promise's threshold; None if nothing was promised."""
    return None if opened.threshold is None else figures_at(sample, opened.threshold)


def drift_of_owed(workspace: Workspace, opened: Opening) -> float | None:
    """Compare how many are flagged among labels of images added since the opening before, and among the earlier ones.

    Returns:
        Fisher's exact p-value where it is below 1%, else None.
    """
    from scipy.stats import fisher_exact

    before = next((r for r in openings(workspace) if r.check_set == opened.check_set and r.number < opened.number), None)
    if before is None or before.frame == opened.frame:
        return None
    new = opened.rows >= before.frame
    table = [[int((opened.flagged & side).sum()), int((~opened.flagged & side).sum())] for side in (new, ~new)]
    p = float(fisher_exact(table).pvalue)
    return p if p < DRIFT_LEVEL else None


# -- the queues: first reading, live, focus, second reading, disagreements --

QUEUES = ("promise", "live", "focus", "second", "disagreements")


def queue(workspace: Workspace, purpose: str, n: int, *, analyst: str) -> IntArray:
    """Return the next n check images for one purpose, in the permanent order.

    Args:
        purpose: one of `QUEUES`; "second" never asks for an image that this analyst has read first.
    """
    if purpose in ("promise", "live"):
        return check_queue(workspace, n, live=purpose == "live")
    if purpose == "focus":
        asked = focus_rows(focus_draws(workspace, workspace.check_set.number))
        waiting = asked[~workspace.evidence()[asked]]
    elif purpose == "second":
        waiting = waiting_for_second(workspace, analyst)
    elif purpose == "disagreements":
        waiting = disagreements(workspace)
    else:
        raise InputError(f"There is no check queue '{purpose}'; choose {', '.join(QUEUES)}.")
    return waiting[np.argsort(workspace.check_order[waiting], kind="stable")[:n]]


def waiting_for_second(workspace: Workspace, analyst: str) -> IntArray:
    """Return the sealed readings of others that need this analyst's: every flagged one and 10% of the rest, ascending."""
    read = workspace.evidence() & workspace.sealed
    flagged = np.isin(workspace.labels.codes, workspace.flagged_codes)
    tenth = np.modf(workspace.check_order * 2**30)[0] < SECOND_SHARE
    rows = np.flatnonzero(read & (flagged | tenth))
    done = {reading["row"] for reading in workspace.catalog.evidence.second_readings()}
    return np.array([row for row in rows.tolist() if row not in done and workspace.labelled_by(row) != analyst], np.int64)


def read_again(workspace: Workspace, row: int, class_name: str, *, analyst: str) -> None:
    """Keep a second analyst's reading of a check image; the label in force is not changed.

    Raises:
        InputError: if it needs none, or not from this analyst.
    """
    if class_name not in workspace.class_names:
        raise InputError(f"There is no class '{class_name}'; the classes are {', '.join(workspace.class_names)}.")
    if row not in waiting_for_second(workspace, analyst):
        raise InputError("This image needs no second reading from you: it has one, or the first was yours.")
    workspace.catalog.evidence.add_second_reading(row, class_name, analyst, workspace.guideline)


def disagreements(workspace: Workspace) -> IntArray:
    """Return the check images whose two readings differ and that nobody has decided yet, ascending."""
    evidence = workspace.evidence()
    return np.array(
        [r for r, second in _second_classes(workspace).items() if evidence[r] and _differs(workspace, r, second)], np.int64
    )


def adjudicate(workspace: Workspace, row: int, class_name: str, *, analyst: str) -> LabelResult:
    """Decide between two readings; the decision is the label in force.

    Raises:
        InputError: if there is nothing to decide.
    """
    if row not in disagreements(workspace):
        raise InputError("The two readings of this image agree, or somebody has decided already.")
    second = _second_classes(workspace)[row]
    first = workspace.class_names[int(workspace.labels.codes[row])]
    criterion = {"adjudicates": [first, second]}
    return label(workspace, np.array([row]), class_name, analyst=analyst, source="check", criterion=criterion)


def second_class(workspace: Workspace, row: int) -> str | None:
    """Return as what a second analyst has read an image, None if nobody has."""
    return _second_classes(workspace).get(row)


def _second_classes(workspace: Workspace) -> dict[int, str]:
    return {reading["row"]: reading["class_name"] for reading in workspace.catalog.evidence.second_readings()}


def _differs(workspace: Workspace, row: int, second: str) -> bool:
    decided = "adjudicates" in (workspace.label_action(row).criterion or {})
    return not decided and workspace.class_names[int(workspace.labels.codes[row])] != second


def _second_outcome(workspace: Workspace, rows: IntArray) -> tuple[int, int]:
    """Count the second readings among rows, and those that came out otherwise than the first."""
    again = {row: second for row, second in _second_classes(workspace).items() if row in set(rows.tolist())}
    disagreed = 0
    for row, second in again.items():
        pair = (workspace.label_action(row).criterion or {}).get("adjudicates")
        first = pair[0] if pair else workspace.class_names[int(workspace.labels.codes[row])]
        disagreed += first != second
    return len(again), disagreed


# -- operating points --


@dataclass(frozen=True)
class OperatingPoint:
    """A threshold with a name."""

    name: str
    opening: int  # number of the opening it was chosen on
    threshold: float
    analyst: str
    at: str
    in_force: bool


def points(workspace: Workspace) -> list[OperatingPoint]:
    """Return the saved points, oldest first."""
    force = workspace.catalog.evidence.in_force()
    return [
        OperatingPoint(**point, in_force=point["name"] == force.get("name")) for point in workspace.catalog.evidence.points()
    ]


def save_point(workspace: Workspace, name: str, threshold: float, opened: Opening, *, analyst: str) -> OperatingPoint:
    """Keep a threshold under a name.

    Raises:
        InputError: if the name is empty or taken, or the threshold is no number.
    """
    name = name.strip()
    if not name:
        raise InputError("An operating point needs a name, got none; type one beside Save.")
    if name in {point.name for point in points(workspace)}:
        raise InputError(f"There is an operating point '{name}' already; it needs a name of its own, choose another.")
    if not np.isfinite(threshold):
        raise InputError(f"A threshold is a finite score, got {threshold}.")
    workspace.catalog.evidence.add_point(name, opened.number, float(threshold), analyst)
    return next(point for point in points(workspace) if point.name == name)


def put_in_force(workspace: Workspace, name: str, *, analyst: str) -> None:
    """Make one saved point the one in force; who and when are kept.

    Raises:
        InputError: if there is none of this name.
    """
    if name not in {point.name for point in points(workspace)}:
        raise InputError(f"There is no operating point '{name}'; save it first.")
    workspace.catalog.evidence.put_in_force(name, analyst)


def in_force(workspace: Workspace) -> dict[str, str]:
    """Return name, analyst and time of the point in force, {} if there is none."""
    return workspace.catalog.evidence.in_force()
