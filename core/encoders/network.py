"""The ViT that embeds pictures, with timm's names of weights. Imports torch only: timm loads torch's compiler, for seconds."""

import torch
from torch import Tensor, nn
from torch.nn import functional

EPSILON = 1e-6  # of timm's and of the published ViTs' norms
WIDER = 4  # the hidden layer of a block's perceptron
SPREAD = 0.02  # of tokens and positions at random


class Attention(nn.Module):
    """Attention of all tokens to all, (B, T, dim) to the same."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self._heads = heads
        self.qkv, self.proj = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        """Return what the tokens heard."""
        n, tokens, dim = x.shape
        query, key, value = self.qkv(x).view(n, tokens, 3, self._heads, dim // self._heads).permute(2, 0, 3, 1, 4).unbind(0)
        heard = functional.scaled_dot_product_attention(query, key, value)
        return self.proj(heard.transpose(1, 2).reshape(n, tokens, dim))


class Perceptron(nn.Module):
    """Two layers, token by token."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(dim, WIDER * dim), nn.Linear(WIDER * dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, T, dim)."""
        return self.fc2(functional.gelu(self.fc1(x)))


class Block(nn.Module):
    """Attention, then the perceptron, each added to what it was given."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(dim, EPSILON), nn.LayerNorm(dim, EPSILON)
        self.attn, self.mlp = Attention(dim, heads), Perceptron(dim)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, T, dim)."""
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class Patches(nn.Module):
    """Pictures cut into squares, each a token."""

    def __init__(self, side: int, dim: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, dim, side, stride=side)

    def forward(self, images: Tensor) -> Tensor:
        """Return (B, patches, dim), row by row."""
        return self.proj(images).flatten(2).transpose(1, 2)


class Backbone(nn.Module):
    """A ViT of Dosovitskiy et al. 2021 that returns the class token after the last norm, as timm's `vit_*` without a head."""

    def __init__(self, *, input_size: int, patch_size: int, dim: int, depth: int, heads: int) -> None:
        super().__init__()
        self.patch_embed = Patches(patch_size, dim)
        self.cls_token = _random(1, dim)
        self.pos_embed = _random(1 + (input_size // patch_size) ** 2, dim)
        self.blocks = nn.Sequential(*(Block(dim, heads) for _ in range(depth)))
        self.norm = nn.LayerNorm(dim, EPSILON)

    def forward(self, images: Tensor) -> Tensor:
        """Embed (B, 3, S, S) normalised images of the input size: (B, dim)."""
        patches = self.patch_embed(images)
        x = torch.cat([self.cls_token.expand(patches.shape[0], -1, -1), patches], 1) + self.pos_embed
        return self.norm(self.blocks(x))[:, 0]


def _random(tokens: int, dim: int) -> nn.Parameter:
    weights = nn.Parameter(torch.empty(1, tokens, dim))
    nn.init.uniform_(weights, -SPREAD, SPREAD)  # not normal: on the meta device that loads torch's compiler
    return weights
