"""What the Operating point page shows of an opening, worked out once and shared by all tabs."""

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import numpy as np

from core import checking
from core.arrays import FloatArray
from core.checking import CheckStatus, OperatingPoint, Reveal
from core.labels import UNLABELLED
from core.metrics import PRCurve, pr_curve
from core.operating import Sample
from core.workspace import Workspace

KEPT = 2  # openings whose scores stay in memory: 4 MB a million images each


@dataclass(frozen=True)
class OpeningView:
    """The state of the check half and one opening, at one moment."""

    status: CheckStatus
    history: tuple[Reveal, ...]  # newest first
    opened: Reveal | None  # the one that is shown; None before the first
    scores: FloatArray | None  # (frame,) of its frozen model
    sample: Sample | None
    naive: PRCurve | None  # of that model on the labels it learned from
    drift: float | None
    points: tuple[OperatingPoint, ...]
    in_force: dict[str, str]


class Openings:
    """Reads openings from the workspace; scores of the last ones are kept."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._lock = threading.Lock()
        self._scores: OrderedDict[int, FloatArray] = OrderedDict()

    def view(self, number: int | None = None) -> OpeningView:
        """Return an opening, the newest if none is named, with all that stands beside it."""
        workspace = self._workspace
        history = tuple(checking.reveals(workspace))
        opened = next((r for r in history if r.number == number), history[0] if history else None)
        common: dict[str, Any] = {
            "status": checking.status(workspace),
            "history": history,
            "opened": opened,
            "points": tuple(checking.points(workspace)),
            "in_force": checking.in_force(workspace),
        }
        if opened is None:
            return OpeningView(**common, scores=None, sample=None, naive=None, drift=None)
        scores = self._frozen(opened)
        return OpeningView(
            **common,
            scores=scores,
            sample=checking.sample_of(workspace, opened, scores),
            naive=self._naive(scores),
            drift=checking.drift_of_owed(workspace, opened),
        )

    def _frozen(self, opened: Reveal) -> FloatArray:
        with self._lock:
            if opened.number not in self._scores:
                self._scores[opened.number] = checking.frozen_scores(self._workspace, opened)
                while len(self._scores) > KEPT:
                    self._scores.popitem(last=False)
            return self._scores[opened.number]

    def _naive(self, scores: FloatArray) -> PRCurve | None:
        codes = self._workspace.labels.codes[: len(scores)]
        taught = (codes != UNLABELLED) & ~self._workspace.is_check[: len(scores)]
        flagged = np.isin(codes[taught], self._workspace.flagged_codes)
        return pr_curve(scores[taught], flagged) if flagged.any() and not flagged.all() else None
