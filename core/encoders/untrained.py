"""The ViT that is trained, and untrained a baseline. Imports lightly and timm, which takes seconds."""

import torch
from lightly.models.modules import MaskedVisionTransformerTIMM
from timm.models.vision_transformer import VisionTransformer
from torch import nn

from core.encoders.vit import Architecture


def trainable(architecture: Architecture) -> VisionTransformer:
    """Return timm's ViT with random weights, for lightly: same names and outputs as `Architecture.build`, at any input size."""
    return VisionTransformer(
        img_size=architecture.input_size,
        patch_size=architecture.patch_size,
        embed_dim=architecture.dim,
        depth=architecture.depth,
        num_heads=architecture.heads,
        num_classes=0,
        dynamic_img_size=True,  # focal views are smaller than the input size
    )


def initial_backbone(architecture: Architecture, *, seed: int) -> nn.Module:
    """Return the ViT that a run with this seed starts from; torch's global random state is not changed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return MaskedVisionTransformerTIMM(vit=trainable(architecture)).vit
