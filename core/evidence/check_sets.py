"""Check sets: read blind, sealed, and opened a counted number of times. Each verb takes the workspace.

A look is a new pair of model and batch, for one subject: a policy, and the scorer that is judged for it. What analysts may
know before a look (how many images were read and how many of them are flagged) reveals nothing about the probe's scores, so
they may read as many images as they like before opening the set.

A score column's scores are in the analysts' own file, and `labels export` writes the readings. Nothing here can stop them from
judging columns on sealed labels and opening the set for the best one, at no cost in error. A column's promise holds if the
column was chosen without the sealed labels: on those for live curves, as `lassoscope compare` does.
"""

import hashlib
from dataclasses import dataclass, replace

import numpy as np

from core.arrays import BoolArray, IntArray
from core.catalog.check_set import CheckSet
from core.catalog.evidence import OpeningRow
from core.catalog.records import Policy, Removal
from core.catalog.rows import now
from core.errors import InputError
from core.evidence.bounds import MIN_FLAGGED, certify, look_alpha
from core.evidence.frozen import missing_for_subject, score_subject, scores_hash
from core.evidence.openings import Opening, OpeningRecord, openings, readable
from core.evidence.plan import Ahead
from core.evidence.second_reading import second_outcome
from core.evidence.subject import PROBE, Family, Look, Subject, standing
from core.labels.policies import check_terms, codes_of, policies, policy_named, set_policy
from core.missing import missing_for_check, missing_for_score
from core.score_columns.keep import score_column
from core.wording import counted, target, verb
from core.workspace import Workspace


@dataclass(frozen=True)
class CheckStatus:
    """State of the current check set for one subject. Nothing in it reveals scores."""

    check_set: CheckSet
    subject: Subject
    policy: Policy  # the subject's
    family: Family  # the subjects that share the set's error from the next look on
    share: float  # of the set's error that the subject has
    n: int  # labels an opening would use: read in the permanent order without a gap
    n_flagged: int
    n_owed: int  # unread images before the last one read: skipped, or added later
    n_ahead: int  # images read after a gap
    n_total: int  # images the set could grow to
    look: int  # number of the next look
    alpha: float  # error allowed to it
    later_alpha: float  # error allowed to the look after more labels
    known: Opening | None  # the opening of this same model and batch, if any: looking again is free
    missing: str  # why the set cannot be opened now; "" if it can

    @property
    def error(self) -> float:
        """Return the error of all looks of the subject together."""
        return self.share * (1 - self.check_set.confidence)

    @property
    def n_left(self) -> int:
        """Return how many images the set can still ask for."""
        return self.n_total - self.n

    @property
    def planned(self) -> int:
        """Return how many images to read before an opening: as planned, or all there are."""
        return min(self.check_set.size, self.n_total)

    @property
    def ahead(self) -> Ahead:
        """Return what the next look after more labels could use, and what it has to reach."""
        return Ahead(
            recall=self.policy.recall,
            alpha=self.later_alpha,
            n=self.n,
            n_flagged=self.n_flagged,
            left=self.n_left,
            least=self.planned,
            live=self.check_set.live,
        )

    def after(self, opened: Opening) -> Ahead | None:
        """Return what the look after an opening could use; None if that is of another subject or check set."""
        same = (opened.subject, opened.check_set) == (self.subject, self.check_set.number)
        return self.ahead if same else None


@dataclass(frozen=True)
class _Batch:
    """The labels an opening would use."""

    rows: IntArray
    flagged: BoolArray
    n_owed: int
    n_ahead: int
    n_total: int
    n_removed: int  # flagged readings of this set whose images were removed since


def _batch(workspace: Workspace, policy: Policy) -> _Batch:
    frame = workspace.matrix.rows if workspace.matrix else 0
    order = workspace.columns.check_rows
    candidates = order[workspace.sealed[order] & (order < frame)].astype(np.int64)
    read = workspace.evidence()[candidates]
    last = int(np.flatnonzero(read)[-1]) + 1 if read.any() else 0
    n = last if read[:last].all() else int(np.argmin(read))
    rows = candidates[:n]
    flagged = np.isin(workspace.labels.codes[rows], codes_of(workspace, policy))
    read_as = (removal.class_name or "" for removal in _removed_readings(workspace))
    n_removed = sum(workspace.renames.get(name, name) in policy.classes for name in read_as)
    return _Batch(rows, flagged, int((~read[:last]).sum()), int(read[n:].sum()), len(candidates), n_removed)


def _removed_readings(workspace: Workspace) -> list[Removal]:
    """Return the readings of the current set whose images were removed since."""
    columns = workspace.columns
    if not len(columns.removed_rows):
        return []
    kept = [removal for removal in workspace.catalog.removals.readings() if columns.is_check[removal.row]]
    rows = np.array([removal.row for removal in kept], np.int64)
    orders = columns.check_order[rows]
    mine = ~columns.in_live[rows] & (orders > workspace.check_set.after)
    return [removal for removal, is_mine in zip(kept, mine.tolist(), strict=True) if is_mine]


def _model_key(workspace: Workspace, probe: int, subject: Subject, recall: float) -> str:
    about = "" if subject == Subject() else f"#{subject.policy}#{subject.scorer}"
    if subject.scorer != PROBE:  # another probe is no other model then
        return f"{scores_hash(subject, score_subject(workspace, subject, str(workspace.encoder_name), probe))}@{recall}{about}"
    record = workspace.catalog.models.probe_record(probe)
    return f"{record.get('inputs', probe)}@{recall}{about}"


def _batch_key(batch: _Batch) -> str:
    content = batch.rows.astype("<i8").tobytes() + batch.flagged.astype("u1").tobytes()
    return hashlib.blake2b(content, digest_size=8).hexdigest()


def first_subject(workspace: Workspace) -> Subject:
    """Return the first policy, judged by the probe."""
    return Subject(policies(workspace)[0].name)


def _family(workspace: Workspace, looks: list[Look], subject: Subject) -> Family:
    """Return who shares the set's error if a subject is opened: all policies by the probe, and what was opened before."""
    declared = {policy.name for policy in policies(workspace)}
    opened = {look.subject for look in looks if look.subject.policy in declared}
    return tuple(sorted({*map(Subject, declared), *opened, subject}))


def _look(row: OpeningRow) -> Look:
    return Look(Subject(row["policy"], row["scorer"]), row["look"], tuple(Subject(*names) for names in row["family"]))


def status(workspace: Workspace, subject: Subject | None = None) -> CheckStatus:
    """Return how far the current set is read for a subject (None = the first), and what opening it would cost.

    Raises:
        InputError: if there is no such policy or scorer.
    """
    terms, fitted, subject = workspace.check_set, workspace.fitted, subject or first_subject(workspace)
    policy = policy_named(workspace, subject.policy)
    batch = _batch(workspace, policy)
    mine = [r for r in workspace.catalog.evidence.openings() if r["check_set"] == terms.number]
    looks = [_look(row) for row in reversed(mine)]
    family = _family(workspace, looks, subject)
    stands, known = standing(looks, family, subject), None
    k = stands.k + 1
    version = fitted.version if fitted is not None else 0
    if version or (subject.scorer != PROBE and workspace.matrix is not None):
        model, key = _model_key(workspace, version, subject, policy.recall), _batch_key(batch)
        known = next((readable(r) for r in mine if r["key"] == f"{model}/{key}"), None)
        watched = [r["look"] for r in mine if terms.live and r["key"].startswith(f"{model}/") and _look(r).family == family]
        k = watched[0] if watched else k
    error = 1 - terms.confidence
    return CheckStatus(
        check_set=terms,
        subject=subject,
        policy=policy,
        family=family,
        share=known.share if known else stands.share,
        n=len(batch.rows),
        n_flagged=int(batch.flagged.sum()),
        n_owed=batch.n_owed,
        n_ahead=batch.n_ahead,
        n_total=batch.n_total,
        look=known.look if known else k,
        alpha=known.alpha if known else look_alpha(k, stands.share * error),
        later_alpha=look_alpha(k, stands.share * error),
        known=known,
        missing=_missing(workspace, batch, policy, subject),
    )


def _missing(workspace: Workspace, batch: _Batch, policy: Policy, subject: Subject) -> str:
    terms, n, n_flagged = workspace.check_set, len(batch.rows), int(batch.flagged.sum())
    if not batch.n_total and (missing := missing_for_check(workspace)):
        return missing
    if workspace.fitted is None or workspace.fitted.probe.column_of(policy.name) is None:
        return (
            missing_for_score(workspace, codes_of(workspace, policy)) or "There is no model to check yet; run 'lassoscope fit'."
        )
    if batch.n_removed:
        names = " or ".join(f"'{name}'" for name in policy.classes)
        return (
            f"{counted(batch.n_removed, 'image')} read as {names} for this set {verb(batch.n_removed, 'was', 'were')} removed "
            "since, so what is left of it is no random sample any more; start a new check set."
        )
    planned = min(terms.size, batch.n_total)
    if batch.n_owed and n < planned:
        come = "is owed a label and comes" if batch.n_owed == 1 else "are owed a label (skipped, or added later) and come"
        return f"{counted(batch.n_owed, 'image')} {come} first in the Check queue; {n:,} of {planned:,} are read without a gap."
    if n < planned:
        return f"{n:,} of the planned {counted(planned, 'check image')} are read; the set can be opened when all are."
    if n_flagged < MIN_FLAGGED:
        names = " or ".join(f"'{name}'" for name in policy.classes)
        next_step = "Read more in Check." if n < batch.n_total else "All check images have been read; ingest more images."
        return (
            f"Only {n_flagged} of {counted(n, 'check image')} {verb(n_flagged)} {names}; opening the set needs at least "
            f"{MIN_FLAGGED}. {next_step}"
        )
    return missing_for_subject(workspace, subject)


def open_check_set(workspace: Workspace, subject: Subject | None = None, *, analyst: str) -> Opening:
    """Open the current check set for the newest model. It counts as a look, unless this model and batch were opened before.

    Args:
        subject: the policy and scorer it is opened for; None for the first policy by the probe.
    Returns:
        the opening, which is kept for good.
    Raises:
        InputError: if the batch is incomplete or too small, or there is no model.
    """
    fitted, stands = workspace.fitted, status(workspace, subject)
    if stands.missing:
        raise InputError(stands.missing)
    if stands.known is not None:
        return stands.known
    if fitted is None or not fitted.version:
        raise InputError("The model in use was not saved; run 'lassoscope fit', then open the check set.")
    subject, policy, terms = stands.subject, stands.policy, stands.check_set
    batch, encoder = _batch(workspace, policy), str(workspace.encoder_name)
    everything = score_subject(workspace, subject, encoder, fitted.version)
    scores = everything[batch.rows].astype(np.float64)
    certified = certify(scores[batch.flagged], policy.recall, stands.alpha, live=terms.live)
    frame = workspace.matrix.rows if workspace.matrix else 0
    reread, disagreed = second_outcome(workspace, batch.rows)
    record = OpeningRecord(
        encoder=encoder,
        recall=policy.recall,
        confidence=terms.confidence,
        live=terms.live,
        alpha=stands.alpha,
        threshold=certified.threshold,
        misses=certified.misses,
        n_teach=fitted.probe.n_labels,
        frame=frame,
        frame_hash=hashlib.blake2b(workspace.ids[:frame].view(np.uint8).data, digest_size=16).hexdigest(),
        flagged_names=policy.classes,
        guideline=workspace.guideline,
        reread=reread,
        disagreed=disagreed,
        scores_hash=scores_hash(subject, everything),
        higher_is_safer=subject.scorer != PROBE and score_column(workspace, subject.scorer).higher_is_safer,
        rows=batch.rows,
        flagged=batch.flagged,
        scores=scores,
    )
    workspace.catalog.evidence.add_opening(
        {
            "check_set": terms.number,
            "look": stands.look,
            "key": f"{_model_key(workspace, fitted.version, subject, policy.recall)}/{_batch_key(batch)}",
            "probe": fitted.version,
            "analyst": analyst,
            "record": record.model_dump(),
            "policy": subject.policy,
            "scorer": subject.scorer,
            "family": [[member.policy, member.scorer] for member in stands.family],
            "share": stands.share,
        }
    )
    return openings(workspace)[0]


def change_terms(
    workspace: Workspace,
    *,
    recall: float | None = None,
    confidence: float | None = None,
    size: int | None = None,
    live: bool | None = None,
    policy: str | None = None,
) -> CheckSet:
    """Change the terms of the current check set; None keeps a value.

    Args:
        recall: to promise, in [0.5, 0.999]; opening with another recall is another look.
        confidence: of all promises from the set together, in [0.5, 0.999]; fixed once the set was opened.
        size: images to read before the set may be opened, at least 1.
        live: whether the set may be watched after every label; fixed once the set was opened.
        policy: whose recall to change, if policies are declared; None for the first.
    Raises:
        InputError: if a value is out of range or fixed, or there is no such policy.
    """
    before = workspace.check_set
    about = policy_named(workspace, policies(workspace)[0].name if policy is None else policy)
    recall = about.recall if recall is None else recall
    after = replace(
        before,
        recall=before.recall if about.name else recall,
        confidence=before.confidence if confidence is None else confidence,
        size=before.size if size is None else size,
        live=before.live if live is None else live,
    )
    check_terms(recall=recall, confidence=after.confidence)
    if after.size < 1:
        raise InputError(f"A check set needs at least 1 image, got {after.size:,}.")
    opened = any(r["check_set"] == before.number for r in workspace.catalog.evidence.openings())
    if opened and (after.confidence, after.live) != (before.confidence, before.live):
        raise InputError(
            f"This check set was opened with {target(before.confidence)} confidence{', watched live' if before.live else ''}; "
            "that cannot change any more. For other terms, start a new check set."
        )
    if about.name and recall != about.recall:
        set_policy(workspace, about.name, recall=recall)
    workspace.set_check_set(after)
    return after


def begin_set(workspace: Workspace, *, analyst: str) -> CheckSet:
    """Start another check set from images no set has used; from then on, live curves may use the old set's labels.

    Raises:
        InputError: if the current set was never opened and none of its readings was removed, or no image is left.
    """
    terms, gone = workspace.check_set, [removal.row for removal in _removed_readings(workspace)]
    if not gone and not any(r["check_set"] == terms.number for r in workspace.catalog.evidence.openings()):
        raise InputError("The current check set was never opened; open it before you start another.")
    seen = [r.rows for r in openings(workspace) if r.check_set == terms.number]  # including readings undone since
    used = np.concatenate([np.flatnonzero(workspace.evidence() & workspace.sealed), np.array(gone, np.int64), *seen])
    after = float(workspace.check_order[used].max(initial=terms.after))
    if not (workspace.sealed & (workspace.check_order > after)).any():
        raise InputError("All sealed check images are used up; ingest more images before you start another check set.")
    begun = replace(terms, number=terms.number + 1, after=after, started_by=analyst, started_at=now())
    workspace.set_check_set(begun)
    return begun
