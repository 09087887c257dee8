"""Convert a decoded picture to what a browser shows: sRGB, transparency on white, 8 bits. Pillow and numpy."""

import io
from functools import lru_cache
from typing import Any

import numpy as np
from PIL import Image, ImageCms

GROUND = (255, 255, 255)  # under transparency: what a browser page shows most often
STRIP = 2**22  # pixels converted at once: converting a large picture as a whole would take several times its memory
PLAIN_GAMMA = 1 / 2.2
_SPACES = {"RGB ": "RGB", "GRAY": "L", "CMYK": "CMYK"}


def to_srgb(image: Image.Image, *, shrink: int = 1) -> Image.Image:
    """Convert a picture of any mode to RGB as a browser does: by its colour profile, and on a white background.

    Wide gamuts and CMYK are converted by the file's profile; without one sRGB is assumed. 16 bits are scaled to 8.

    Args:
        shrink: factor by which to shrink each side; a large picture is then never copied in full size.
    """
    if image.width * image.height > 2 * STRIP:
        return _by_strips(image, shrink)
    rgb = _to_srgb(image)
    return rgb.reduce(shrink) if shrink > 1 else rgb


def _to_srgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith(("I", "F")):
        return _from_numbers(image, _range_of(image))
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        layer = image.convert("RGBA")
        ground = Image.new("RGB", image.size, GROUND)
        ground.paste(_from_profile(layer.convert("RGB"), image.info), mask=layer.getchannel("A"))
        return ground
    if image.mode not in ("RGB", "L", "CMYK"):
        image = _keeping_info(image, "RGB")
    return _from_profile(image, image.info)


def _by_strips(image: Image.Image, shrink: int) -> Image.Image:
    between = _range_of(image) if image.mode.startswith(("I", "F")) else None
    whole = Image.new("RGB", (-(-image.width // shrink), -(-image.height // shrink)))
    high = max(1, STRIP // image.width // shrink) * shrink
    for top in range(0, image.height, high):
        strip = image.crop((0, top, image.width, min(top + high, image.height)))
        strip.info = image.info
        rgb = _from_numbers(strip, between) if strip.mode.startswith(("I", "F")) else _to_srgb(strip)
        whole.paste(rgb.reduce(shrink) if shrink > 1 else rgb, (0, top // shrink))
    return whole


def _keeping_info(image: Image.Image, mode: str) -> Image.Image:
    converted = image.convert(mode)
    converted.info = image.info
    return converted


# -- numbers of more than 8 bits --


def _range_of(image: Image.Image) -> tuple[float, float] | None:
    """Return the values that become black and white; None if the mode has a fixed range, in which 65,535 is white."""
    if image.mode.startswith("I;16"):
        return None
    extrema: Any = image.getextrema()
    low, high = extrema
    if image.mode == "I" and low >= 0 and high <= 65_535:
        return None
    if not (np.isfinite(low) and np.isfinite(high)):  # NaN and infinity become black
        finite = np.nan_to_num(np.asarray(image, np.float32), nan=0.0, posinf=0.0, neginf=0.0)
        low, high = finite.min(), finite.max()
    return float(low), float(high)


def _from_numbers(image: Image.Image, between: tuple[float, float] | None) -> Image.Image:
    """Scale 16-bit, 32-bit and floating-point greys to 8 bits; Pillow would clip or wrap them."""
    values = np.asarray(image)
    if between is None:
        grey = ((values.astype(np.uint32) + 128) // 257).clip(0, 255).astype(np.uint8)
    else:
        finite = np.nan_to_num(values.astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)
        grey = ((finite - between[0]) / max(between[1] - between[0], 1e-12) * 255).astype(np.uint8)
    clear = image.info.get("transparency")
    if isinstance(clear, int) and not image.mode.startswith("F"):
        grey[values == clear] = 255  # white ground
    return Image.fromarray(grey).convert("RGB")


# -- profiles --


def _from_profile(image: Image.Image, info: dict[Any, Any]) -> Image.Image:
    """Apply the file's colour profile, or its gamma; a profile that does not fit the picture is ignored, as in browsers."""
    profile = info.get("icc_profile")
    if isinstance(profile, bytes) and profile:
        transform = _transform(profile, image.mode)
        if transform is not None:
            try:
                converted = ImageCms.applyTransform(image, transform)
            except ImageCms.PyCMSError:
                converted = None
            if converted is not None:
                return converted
    rgb = image if image.mode == "RGB" else image.convert("RGB")
    return _from_gamma(rgb, info)


def _from_gamma(image: Image.Image, info: dict[Any, Any]) -> Image.Image:
    gamma = info.get("gamma")
    if not isinstance(gamma, float) or "srgb" in info or not 0.05 < gamma < 5:
        return image
    exponent = PLAIN_GAMMA / gamma
    if abs(exponent - 1) < 0.05:
        return image
    return image.point([round(255 * (value / 255) ** exponent) for value in range(256)] * 3)


@lru_cache(maxsize=64)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """Return the transform from a profile to sRGB; None if it is sRGB, damaged, or for another colour space."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if _SPACES.get(source.profile.xcolor_space) != mode or _is_srgb(source):
            return None
        return ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None


def _is_srgb(profile: ImageCms.ImageCmsProfile) -> bool:
    """Tell whether a profile is sRGB, under one of its many names, so that no conversion is needed."""
    described = profile.profile.profile_description or ""
    return described.lower().replace(" ", "").startswith(("srgb", "c2"))  # c2: Facebook's small sRGB
