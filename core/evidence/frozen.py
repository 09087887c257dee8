"""Scores by a saved probe, which does not change any more. Each verb takes the workspace."""

from core.arrays import FloatArray
from core.embeddings.scores import score_with
from core.workspace import Workspace


def score_probe(workspace: Workspace, encoder: str, probe: int) -> FloatArray:
    """Score all embedded images with a saved probe: (M,) float32 logits."""
    return score_with(workspace.catalog.models.probe_weights(probe), workspace.embedded(encoder).need_matrix())
