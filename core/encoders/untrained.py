"""The ViT as MSN training starts it: the baseline of trained weights. Imports lightly, which takes seconds."""

import torch
from lightly.models.modules import MaskedVisionTransformerTIMM
from torch import nn

from core.encoders.vit import Architecture


def initial_backbone(architecture: Architecture, *, seed: int) -> nn.Module:
    """Return the ViT as a run with this seed starts it; the caller's own random numbers stay as they were."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return MaskedVisionTransformerTIMM(vit=architecture.build()).vit
