"""Scores by a saved probe, which does not change any more. Each verb takes the workspace."""

from core.arrays import FloatArray
from core.embeddings.scores import score_with
from core.errors import InputError
from core.evidence.subject import PROBE, Subject
from core.workspace import Workspace


def score_probe(workspace: Workspace, encoder: str, probe: int, policy: str = "") -> FloatArray:
    """Score all embedded images with a saved probe, for a policy or all flagged classes: (M,) float32 logits."""
    return score_with(workspace.catalog.models.probe_weights(probe), workspace.embedded(encoder).need_matrix(), policy)


def score_subject(workspace: Workspace, subject: Subject, encoder: str, probe: int) -> FloatArray:
    """Score all embedded images by a subject's scorer: (M,) float32, higher = more likely of the policy's classes.

    Args:
        encoder, probe: of the opening.
    Raises:
        InputError: if this workspace has no such scorer.
    """
    if subject.scorer != PROBE:
        raise InputError(f"This workspace has no scores by '{subject.scorer}' any more; import them again.")
    return score_probe(workspace, encoder, probe, subject.policy)
