"""What the points in force decide about images, policy by policy. Each verb takes the workspace."""

from dataclasses import dataclass

from core.arrays import FloatArray
from core.errors import AppError
from core.evidence.openings import frozen_scores, openings
from core.evidence.points import points
from core.labels.policies import policies
from core.workspace import Workspace


@dataclass(frozen=True, eq=False)
class RuleInForce:
    """The threshold in force for a policy, with the scores it is of."""

    policy: str  # its name; "" = all flagged classes together
    point: str
    threshold: float
    scores: FloatArray  # (frame,) by the scorer of its opening, higher = more likely of the policy's classes

    def reviews(self, row: int) -> bool | None:
        """Tell whether an image is to be reviewed; None if it has no such score."""
        score = self.scores[row] if row < len(self.scores) else float("nan")
        return None if score != score else bool(score >= self.threshold)


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
        found.append(RuleInForce(policy.name, point.name, point.threshold, scores))
    return found
