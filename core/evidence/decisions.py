"""What the points in force decide about images, policy by policy. Each verb takes the workspace."""

from dataclasses import dataclass

import numpy as np

from core.arrays import IntArray
from core.errors import AppError
from core.evidence.openings import frozen_score, frozen_scores, openings
from core.evidence.points import points
from core.labels.policies import policies
from core.workspace import Workspace

REVIEW, LEAVE, NOT_SCORED = 1, 0, -1


@dataclass(frozen=True, eq=False)
class RuleInForce:
    """The threshold in force for a policy, and what it decides."""

    policy: str  # its name; "" = all flagged classes together
    point: str
    decisions: IntArray  # (frame,) int8: REVIEW where the score of the point's opening is >= the threshold, LEAVE, NOT_SCORED

    def decision(self, row: int) -> int:
        """Return what is decided about an image; NOT_SCORED if it is newer than the opening."""
        return int(self.decisions[row]) if row < len(self.decisions) else NOT_SCORED


@dataclass(frozen=True)
class Decision:
    """What the point in force for a policy decides about one image."""

    policy: str  # "" = all flagged classes together
    point: str
    score: float | None  # by the scorer of the point's opening; None if there is none
    decided: int  # REVIEW, LEAVE or NOT_SCORED


def decisions_about(workspace: Workspace, row: int) -> list[Decision]:
    """Apply the points in force to one image, also to one that is newer than their openings.

    A point whose model, embeddings or column are lost decides nothing.
    """
    opened = {opening.number: opening for opening in openings(workspace)}
    found = []
    for point in points(workspace):
        if not point.in_force or point.opening not in opened:
            continue
        try:
            score = frozen_score(workspace, opened[point.opening], row)
        except AppError:
            score = float("nan")
        decided = NOT_SCORED if np.isnan(score) else REVIEW if score >= point.threshold else LEAVE
        found.append(Decision(point.policy, point.name, None if np.isnan(score) else score, decided))
    return found


def rules_in_force(workspace: Workspace) -> list[RuleInForce]:
    """Return the rules in force, in the order of the policies; one whose scores are lost is left out."""
    opened, found = {opening.number: opening for opening in openings(workspace)}, []
    force = {point.policy: point for point in points(workspace) if point.in_force}
    for policy in policies(workspace):
        point = force.get(policy.name)
        if point is None or point.opening not in opened:
            continue
        try:
            scores = frozen_scores(workspace, opened[point.opening])
        except AppError:  # its model, embeddings or column are lost: the Operating point page says so
            continue
        decisions = np.where(scores >= point.threshold, REVIEW, LEAVE)
        found.append(RuleInForce(policy.name, point.name, np.where(np.isnan(scores), NOT_SCORED, decisions).astype(np.int8)))
    return found
