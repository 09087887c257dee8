"""Results of an opening for the Operating point page, computed once and shared by all tabs."""

import hashlib
import threading
from collections import OrderedDict
from dataclasses import dataclass, replace

import numpy as np

from core.arrays import FloatArray
from core.catalog.evidence import InForce
from core.catalog.label_book import UNLABELLED
from core.delivery.choice import Choice, choose, last_export
from core.errors import AppError, InputError
from core.evidence import check_sets, openings, points
from core.evidence.beside import beside, beside_words, order_words
from core.evidence.by_class import ClassLabels, class_labels
from core.evidence.check_sets import CheckStatus
from core.evidence.openings import Opening
from core.evidence.path import Path, path_of, reading_words
from core.evidence.plan import Ahead
from core.evidence.points import OperatingPoint
from core.evidence.subject import PROBE, Subject
from core.evidence.threshold import Sample
from core.labels.policies import policies
from core.maths.precision_recall import PRCurve, pr_curve
from core.score_columns.keep import score_columns
from core.triage.review import Review
from core.workspace import Workspace
from dashboard.shared import Same, Shared

KEPT = 2  # openings whose scores stay in memory: 8 MB a million images each


@dataclass(frozen=True, eq=False)
class OpeningView:
    """The state of the check set for one subject, and one opening, at one moment."""

    status: CheckStatus
    policies: tuple[str, ...]  # names of the declared ones
    history: tuple[Opening, ...]  # of this subject, and of its scorer for policies that are not declared any more; newest first
    opened: Opening | None  # the one that is shown; None before the first
    scores: FloatArray | None  # (frame,) of its frozen model
    sample: Sample | None
    naive: PRCurve | None  # of that model on the labels it learned from
    drift: float | None
    points: tuple[OperatingPoint, ...]
    in_force: InForce  # for this policy
    ahead: Ahead | None  # the look after the shown opening; None if there can be none
    path: Path  # to a promise
    covered: openings.Coverage | None  # which images the opening covers
    n_since: int  # sealed labels read or changed since it
    export: tuple[Choice, ...]  # what a bundle would be of, by policy; empty = nothing to export
    no_export: str  # why there is nothing to export; "" if there is
    set_opened: bool  # whether the check set was opened, for any policy
    advice: str = ""  # which scorer to open the set for first
    beside: tuple[str, ...] = ()  # how its scorer compares with others that were opened
    classes: ClassLabels | None = None  # the opening's check labels by class
    since: str = ""  # how what came since differs from what is covered; "" if it does not
    problem: str = ""  # why the opening cannot be shown


def fingerprint(view: OpeningView) -> bytes:
    """Return a digest of what the charts show: an opening's labels, later focus labels, and the naive curve."""
    drawn = hashlib.blake2b(str(view.opened.number if view.opened else None).encode(), digest_size=16)
    if view.sample is not None:
        labels, weights = (view.sample.all_scores, view.sample.all_flagged), view.sample.weights
        for values in (*labels, *([] if weights is None else [weights])):
            drawn.update(np.ascontiguousarray(values).tobytes())
    if view.naive is not None:
        for values in (view.naive.thresholds, view.naive.precision, view.naive.recall):
            drawn.update(np.ascontiguousarray(values).tobytes())
    return drawn.digest()


class Openings:
    """Loads openings once for all windows with the same state, and caches the scores of the last ones."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._lock = threading.Lock()
        self._scores: OrderedDict[tuple[int, int], tuple[FloatArray, FloatArray]] = OrderedDict()  # by row, and ascending
        self._shared = Shared(workspace)
        self.review = Review(workspace)

    def view(self, number: int | None = None, subject: Subject = Subject()) -> OpeningView:  # noqa: B008  immutable
        """Return an opening (None for the newest) of a subject with everything the page shows beside it.

        Args:
            subject: the first policy stands for one that is not declared.
        """
        space = self._workspace
        state = (space.labels.version, Same(space.fitted), Same(space.current), tuple(space.classes), space.check_set)
        exported_at = last_export(space)
        key = (number, subject, *state, tuple(space.policies), openings.mark(space), exported_at)
        return self._shared.once("opening", key, lambda: self._work_out(number, subject, exported_at))

    def reading(self) -> str:
        """Return how many check images are read of those that a promise needs, in words; "" where no class is flagged."""
        space = self._workspace
        key = (space.labels.version, Same(space.current), tuple(space.classes), space.check_set, tuple(space.policies))
        return self._shared.once("reading", (*key, openings.mark(space)), lambda: reading_words(space))

    def _work_out(self, number: int | None, asked: Subject, exported_at: str) -> OpeningView:
        workspace = self._workspace
        names = tuple(known.name for known in policies(workspace))
        found = openings.openings(workspace)
        named = next((r for r in found if r.number == number), None)  # a link may name an opening of another subject
        if named is not None and named.policy in names and named.scorer in {PROBE, *(c.name for c in score_columns(workspace))}:
            asked = named.subject
        subject = Subject(asked.policy if asked.policy in names else names[0], asked.scorer)
        others = {*names} - {subject.policy}
        history = tuple(r for r in found if r.policy not in others and r.scorer == subject.scorer)
        newest = next((r for r in history if r.subject == subject), None)
        opened = next((r for r in history if r.number == number), newest)
        export, no_export = self._export()
        status = check_sets.status(workspace, subject)
        view = OpeningView(
            status=status,
            policies=names,
            history=history,
            opened=opened,
            scores=None,
            sample=None,
            naive=None,
            drift=None,
            points=tuple(points.points(workspace)),
            in_force=points.in_force(workspace, subject.policy if opened is None else opened.policy),
            ahead=None if opened is None else status.after(opened),
            path=path_of(workspace, status, exported_at=exported_at),
            covered=None if opened is None else openings.coverage(workspace, opened),
            n_since=0 if opened is None else openings.read_since(workspace, opened),
            export=export,
            no_export=no_export,
            set_opened=any(r.check_set == workspace.check_set.number for r in found),
            advice=order_words(workspace, status),
        )
        if opened is None:
            return view
        try:
            scores, pool = self._frozen(opened)
            sample = openings.sample_of(workspace, opened, scores, pool)
        except AppError as error:  # its model or embeddings are lost; other openings can still be shown
            return replace(view, problem=f"Opening {opened.number} cannot be shown. {error}")
        naive, drift = self._naive(opened, scores), openings.drift_of_owed(workspace, opened)
        compared = tuple(beside_words(opened, other) for other in beside(workspace, opened))
        classes = class_labels(workspace, opened)
        came = self.review.drift_since(opened) if workspace.n_images > opened.frame else None
        shown = replace(view, scores=scores, sample=sample, naive=naive, drift=drift, beside=compared, classes=classes)
        return replace(shown, since="" if came is None else came.sentence)

    def _export(self) -> tuple[tuple[Choice, ...], str]:
        try:
            return tuple(choose(self._workspace)), ""
        except InputError as error:
            return (), str(error)

    def _frozen(self, opened: Opening) -> tuple[FloatArray, FloatArray]:
        key = opened.number, len(self._workspace.columns.removed_rows)
        with self._lock:
            if key not in self._scores:
                scores = openings.frozen_scores(self._workspace, opened)
                self._scores[key] = scores, np.sort(scores[~np.isnan(scores)])
                while len(self._scores) > KEPT:
                    self._scores.popitem(last=False)
            return self._scores[key]

    def _naive(self, opened: Opening, scores: FloatArray) -> PRCurve | None:
        if opened.scorer != PROBE:  # it has not learned from these labels
            return None
        codes = self._workspace.labels.codes[: len(scores)]
        taught = (codes != UNLABELLED) & ~self._workspace.is_check[: len(scores)]
        flagged = np.isin(codes[taught], openings.flagged_then(self._workspace, opened))
        return pr_curve(scores[taught], flagged) if flagged.any() and not flagged.all() else None
