"""Random views of image batches as tensor operations, on whatever device the batch is.

The PIL transforms cost 3 ms an image, as much as a small model's whole training step; these cost 0.1 ms.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from core.devices import constants

TRIES = 10  # boxes drawn for an image at most, as in torchvision's RandomResizedCrop
LUMA = (0.299, 0.587, 0.114)


@dataclass(frozen=True)
class Jitter:
    """How strongly and how often colours are changed; strengths as in the MSN paper's code at strength 0.5."""

    brightness: float = 0.4
    contrast: float = 0.4
    saturation: float = 0.4
    hue: float = 0.1  # part of a full turn
    probability: float = 0.8
    grey: float = 0.2
    blur: float = 0.5


class Chance:
    """Random numbers of a batch. Several processes that share a batch draw what one process would draw for all of it."""

    def __init__(self, generator: torch.Generator, *, rank: int = 0, world: int = 1) -> None:
        """Draw from a generator that every process seeds alike; this process holds the images of place `rank`."""
        self.generator, self._rank, self._world = generator, rank, world

    def rand(self, n: int, *others: int) -> Tensor:
        """Return (n, *others) uniform numbers in [0, 1) for this process's n images."""
        drawn = torch.rand(n * self._world, *others, generator=self.generator, device=self.generator.device)
        return drawn[self._rank * n : (self._rank + 1) * n]

    def uniform(self, n: int, low: float, high: float) -> Tensor:
        """Return (n,) uniform numbers in [low, high)."""
        return self.rand(n) * (high - low) + low


def crop_boxes(n: int, scale: tuple[float, float], chance: Chance) -> Tensor:
    """Draw crop boxes as RandomResizedCrop does: an area share, a shape from 3:4 to 4:3, a place.

    Returns:
        (n, 4) float32: width, height, centre x, centre y in parts of the image; boxes lie inside it.
    """
    # As torchvision does it: up to ten draws until the box fits, else the whole image. Clamping would favour large boxes.
    area = chance.rand(n, TRIES) * (scale[1] - scale[0]) + scale[0]
    shape = torch.exp((chance.rand(n, TRIES) * 2 - 1) * (math.log(4 / 3) / 2))
    wides, highs = area.sqrt() * shape, area.sqrt() / shape
    fits = (wides <= 1) & (highs <= 1)
    first = fits.to(torch.uint8).argmax(dim=1, keepdim=True)
    whole = ~fits.any(dim=1)
    wide, high = (sides.gather(1, first).squeeze(1).masked_fill(whole, 1.0) for sides in (wides, highs))
    x = wide / 2 + chance.rand(n) * (1 - wide)
    y = high / 2 + chance.rand(n) * (1 - high)
    return torch.stack([wide, high, x, y], dim=1)


def crop_and_flip(images: Tensor, size: int, scale: tuple[float, float], chance: Chance) -> Tensor:
    """Cut one random box from each image, half of them mirrored, resized to a square.

    Args:
        images: (B, 3, H, W) float.
        size: side of the result, px.
        scale: least and greatest area of the box in parts of the image.
        chance: drawn on the images' device.
    Returns:
        (B, 3, size, size) float.
    """
    n = len(images)
    wide, high, x, y = crop_boxes(n, scale, chance).unbind(1)
    flip = (chance.rand(n) < 0.5).to(images.dtype) * -2 + 1
    theta = torch.zeros(n, 2, 3, device=images.device, dtype=images.dtype)
    theta[:, 0, 0], theta[:, 1, 1] = wide * flip, high
    theta[:, 0, 2], theta[:, 1, 2] = 2 * x - 1, 2 * y - 1
    grid = functional.affine_grid(theta, [n, images.shape[1], size, size], align_corners=False)
    return functional.grid_sample(images, grid, mode="bilinear", padding_mode="reflection", align_corners=False)


def jitter_colours(images: Tensor, jitter: Jitter, chance: Chance) -> Tensor:
    """Change brightness, contrast, saturation and hue of most images, and turn some grey.

    Args:
        images: (B, 3, H, W) float in [0, 1].
        jitter: how strongly and how often.
        chance: drawn on the images' device.
    Returns:
        (B, 3, H, W) float in [0, 1].
    """
    n = len(images)
    chosen = chance.rand(n) < jitter.probability

    def factor(strength: float) -> Tensor:
        drawn = chance.uniform(n, 1 - strength, 1 + strength)
        return torch.where(chosen, drawn, 1.0).view(n, 1, 1, 1)

    images = (images * factor(jitter.brightness)).clamp(0, 1)
    mean = _grey(images).mean(dim=(2, 3), keepdim=True)
    images = (mean + (images - mean) * factor(jitter.contrast)).clamp(0, 1)
    luma = _grey(images)
    images = (luma + (images - luma) * factor(jitter.saturation)).clamp(0, 1)
    turn = torch.where(chosen, chance.uniform(n, -jitter.hue, jitter.hue), 0.0)
    images = _turn_hue(images, turn.view(n, 1, 1))
    grey = (chance.rand(n) < jitter.grey).view(n, 1, 1, 1)
    return torch.where(grey, _grey(images), images)


def _turn_hue(images: Tensor, turn: Tensor) -> Tensor:
    """Turn the HSV hue by (n, 1, 1) parts of a full turn, as torchvision's `adjust_hue` does for one image."""
    red, green, blue = images.unbind(dim=1)
    high, low = images.amax(dim=1), images.amin(dim=1)
    chroma = high - low
    apart = chroma.clamp_min(1e-8)
    hue = torch.where(high == green, (blue - red) / apart + 2, (red - green) / apart + 4)
    hue = torch.where(high == red, (green - blue) / apart, hue) + 6 * turn  # in sixths of a turn
    channels = []
    for offset in (5, 3, 1):
        k = (hue + offset) % 6
        channels.append(high - chroma * torch.minimum(k, 4 - k).clamp(0, 1))
    return torch.stack(channels, dim=1)


def _grey(images: Tensor) -> Tensor:
    return (images * constants(LUMA, images.device, images.dtype).view(1, 3, 1, 1)).sum(dim=1, keepdim=True)


def blur(images: Tensor, probability: float, chance: Chance) -> Tensor:
    """Blur some images by a three-tap kernel of random strength, along both axes.

    Args:
        images: (B, 3, H, W) float.
        probability: of an image to be blurred.
        chance: drawn on the images' device.
    Returns:
        (B, 3, H, W) float.
    """
    n = len(images)
    side = chance.uniform(n, 0.05, 1 / 3)
    chosen = chance.rand(n) < probability
    side = torch.where(chosen, side, 0.0).view(n, 1, 1, 1)
    padded = functional.pad(images, (1, 1, 0, 0), mode="replicate")
    images = images * (1 - 2 * side) + side * (padded[..., :-2] + padded[..., 2:])
    padded = functional.pad(images, (0, 0, 1, 1), mode="replicate")
    return images * (1 - 2 * side) + side * (padded[..., :-2, :] + padded[..., 2:, :])


def random_view(images: Tensor, size: int, scale: tuple[float, float], jitter: Jitter, chance: Chance) -> Tensor:
    """Return one random view of each image: crop, flip, colours, blur; (B, 3, size, size) float in [0, 1]."""
    view = crop_and_flip(images, size, scale, chance)
    return blur(jitter_colours(view, jitter, chance), jitter.blur, chance).clamp(0, 1)
