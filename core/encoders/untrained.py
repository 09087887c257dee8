"""The untrained ViT that MSN training starts from: a baseline. Imports lightly, which takes seconds."""

import torch
from lightly.models.modules import MaskedVisionTransformerTIMM
from torch import nn

from core.encoders.vit import Architecture


def initial_backbone(architecture: Architecture, *, seed: int) -> nn.Module:
    """Return the ViT that a run with this seed starts from; torch's global random state is not changed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return MaskedVisionTransformerTIMM(vit=architecture.build()).vit
