"""Random views of image batches as tensor operations, on whatever device the batch is. Imports torch only.

The PIL transforms cost 3 ms an image, as much as a small model's whole training step; these cost 0.1 ms.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

LUMA = (0.299, 0.587, 0.114)
# RGB -> YIQ and back: a turn in the IQ plane is a turn of the hue.
TO_YIQ = ((0.299, 0.587, 0.114), (0.5959, -0.2746, -0.3213), (0.2115, -0.5227, 0.3112))


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


def _uniform(n: int, low: float, high: float, like: Tensor, generator: torch.Generator) -> Tensor:
    return torch.rand(n, generator=generator, device=like.device) * (high - low) + low


def crop_boxes(n: int, scale: tuple[float, float], like: Tensor, generator: torch.Generator) -> Tensor:
    """Draw crop boxes as RandomResizedCrop does: an area share, a shape from 3:4 to 4:3, a place.

    Returns:
        (n, 4) float32: width, height, centre x, centre y in parts of the image; boxes lie inside it.
    """
    area = _uniform(n, *scale, like, generator)
    shape = torch.exp(_uniform(n, math.log(3 / 4), math.log(4 / 3), like, generator) / 2)
    wide, high = (area.sqrt() * shape).clamp(max=1), (area.sqrt() / shape).clamp(max=1)
    x = wide / 2 + torch.rand(n, generator=generator, device=like.device) * (1 - wide)
    y = high / 2 + torch.rand(n, generator=generator, device=like.device) * (1 - high)
    return torch.stack([wide, high, x, y], dim=1)


def crop_and_flip(images: Tensor, size: int, scale: tuple[float, float], generator: torch.Generator) -> Tensor:
    """Cut one random box from each image, half of them mirrored, resized to a square.

    Args:
        images: (B, 3, H, W) float.
        size: side of the result, px.
        scale: least and greatest area of the box in parts of the image.
        generator: of the chance, on the images' device.
    Returns:
        (B, 3, size, size) float.
    """
    n = len(images)
    wide, high, x, y = crop_boxes(n, scale, images, generator).unbind(1)
    flip = (torch.rand(n, generator=generator, device=images.device) < 0.5).to(images.dtype) * -2 + 1
    theta = torch.zeros(n, 2, 3, device=images.device, dtype=images.dtype)
    theta[:, 0, 0], theta[:, 1, 1] = wide * flip, high
    theta[:, 0, 2], theta[:, 1, 2] = 2 * x - 1, 2 * y - 1
    grid = functional.affine_grid(theta, [n, images.shape[1], size, size], align_corners=False)
    return functional.grid_sample(images, grid, mode="bilinear", padding_mode="reflection", align_corners=False)


def jitter_colours(images: Tensor, jitter: Jitter, generator: torch.Generator) -> Tensor:
    """Change brightness, contrast, saturation and hue of most images, and turn some grey.

    Args:
        images: (B, 3, H, W) float in [0, 1].
        jitter: how strongly and how often.
        generator: of the chance, on the images' device.
    Returns:
        (B, 3, H, W) float in [0, 1].
    """
    n, device = len(images), images.device
    chosen = torch.rand(n, generator=generator, device=device) < jitter.probability

    def factor(strength: float) -> Tensor:
        drawn = _uniform(n, 1 - strength, 1 + strength, images, generator)
        return torch.where(chosen, drawn, 1.0).view(n, 1, 1, 1)

    images = (images * factor(jitter.brightness)).clamp(0, 1)
    mean = _grey(images).mean(dim=(2, 3), keepdim=True)
    images = (mean + (images - mean) * factor(jitter.contrast)).clamp(0, 1)
    saturation, turn = (
        factor(jitter.saturation).view(n),
        torch.where(chosen, _uniform(n, -jitter.hue, jitter.hue, images, generator), 0.0) * (2 * math.pi),
    )
    grey = torch.rand(n, generator=generator, device=device) < jitter.grey
    saturation = torch.where(grey, 0.0, saturation)
    to_yiq = torch.tensor(TO_YIQ, device=device, dtype=images.dtype)
    change = torch.zeros(n, 3, 3, device=device, dtype=images.dtype)
    change[:, 0, 0] = 1
    change[:, 1, 1] = change[:, 2, 2] = turn.cos() * saturation
    change[:, 2, 1], change[:, 1, 2] = turn.sin() * saturation, -turn.sin() * saturation
    matrix = torch.linalg.inv(to_yiq) @ change @ to_yiq
    return torch.bmm(matrix, images.flatten(2)).view_as(images).clamp(0, 1)


def _grey(images: Tensor) -> Tensor:
    weights = torch.tensor(LUMA, device=images.device, dtype=images.dtype).view(1, 3, 1, 1)
    return (images * weights).sum(dim=1, keepdim=True)


def blur(images: Tensor, probability: float, generator: torch.Generator) -> Tensor:
    """Blur some images by a three-tap kernel of random strength, along both axes.

    Args:
        images: (B, 3, H, W) float.
        probability: of an image to be blurred.
        generator: of the chance, on the images' device.
    Returns:
        (B, 3, H, W) float.
    """
    n = len(images)
    side = _uniform(n, 0.05, 1 / 3, images, generator)
    chosen = torch.rand(n, generator=generator, device=images.device) < probability
    side = torch.where(chosen, side, 0.0).view(n, 1, 1, 1)
    padded = functional.pad(images, (1, 1, 0, 0), mode="replicate")
    images = images * (1 - 2 * side) + side * (padded[..., :-2] + padded[..., 2:])
    padded = functional.pad(images, (0, 0, 1, 1), mode="replicate")
    return images * (1 - 2 * side) + side * (padded[..., :-2, :] + padded[..., 2:, :])


def random_view(images: Tensor, size: int, scale: tuple[float, float], jitter: Jitter, generator: torch.Generator) -> Tensor:
    """Return one random view of each image: crop, flip, colours, blur; (B, 3, size, size) float in [0, 1]."""
    view = crop_and_flip(images, size, scale, generator)
    return blur(jitter_colours(view, jitter, generator), jitter.blur, generator).clamp(0, 1)
