"""Decode untrusted image files, make thumbnails and the privacy views. Imports Pillow, numpy and core.errors only."""

import io
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageFilter, ImageOps, UnidentifiedImageError

from core.errors import InputError

MAX_PIXELS = 100_000_000  # 100 MP is above every phone; a decompression bomb claims billions
THUMBNAIL_SIDE = 128  # px
WEBP_QUALITY = 80
BLUR_SHARE = 1 / 12  # of the longer side: what a picture shows is gone, where its masses lie is not
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
SUFFIXES = {
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".jpe": "JPEG",
    ".jfif": "JPEG",
    ".png": "PNG",
    ".webp": "WEBP",
    ".gif": "GIF",
    ".bmp": "BMP",
    ".dib": "BMP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
}
GROUND = (255, 255, 255)  # under transparency: what a browser page shows most often

# Pillow warns of odd metadata; what matters raises. Once and for all: `catch_warnings` is not safe in a server's threads.
warnings.filterwarnings("ignore", module=r"PIL\.")

Uint8Array = np.ndarray[Any, np.dtype[np.uint8]]


def decode(source: Path | bytes, *, max_side: int | None = None, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Decode the first frame of an image file to RGB, upright.

    Args:
        source: a file or its bytes.
        max_side: the caller needs no more than this many px a side; JPEGs are then decoded at a reduced size.
        max_pixels: larger images are refused before they are decoded.
    Returns:
        an RGB image, rotated as EXIF says, transparency laid on white, 16-bit scaled to 8.
    Raises:
        InputError: with a short reason; no other error leaves this function for any content.
    """
    try:
        with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source, formats=FORMATS) as opened:
            if opened.width * opened.height > max_pixels:
                raise InputError(f"it has {opened.width} x {opened.height} px, more than {max_pixels / 1e6:.0f} megapixels")
            if max_side is not None and opened.format == "JPEG":
                opened.draft("RGB", (max_side, max_side))
            opened.load()
            return _upright(_to_rgb(opened))
    except InputError:
        raise
    except UnidentifiedImageError:
        raise InputError("it is no JPEG, PNG, WebP, GIF, BMP or TIFF image") from None
    except Image.DecompressionBombError:
        raise InputError(f"it claims more than {max_pixels / 1e6:.0f} megapixels") from None
    except PermissionError:
        raise InputError("it may not be read") from None
    except FileNotFoundError:
        raise InputError("it is gone") from None
    except MemoryError:
        raise InputError("it does not fit into memory") from None
    except Exception as error:  # Pillow's decoders raise a dozen kinds on broken files: all mean the same to the person
        raise InputError(f"it is damaged ({_short(error)})") from None


def format_of(source: bytes) -> str | None:
    """Return the image format that the content says, "JPEG" to "TIFF", or None."""
    try:
        with Image.open(io.BytesIO(source), formats=FORMATS) as opened:
            return "JPEG" if opened.format == "MPO" else opened.format
    except Exception:  # `decode` gives the reason
        return None


def check_sound(source: bytes) -> None:
    """Check what decoding alone passes over: the checksums of a PNG.

    Raises:
        InputError: if one is wrong.
    """
    try:
        with Image.open(io.BytesIO(source), formats=["PNG"]) as opened:
            opened.verify()
    except (UnidentifiedImageError, Image.DecompressionBombError):
        return  # no PNG, or so broken or large that `decode` says it
    except Exception as error:
        raise InputError(f"it is damaged ({_short(error)})") from None


def _short(error: Exception) -> str:
    text = str(error).split("\n")[0]
    return text[:80] if text else type(error).__name__


def _upright(image: Image.Image) -> Image.Image:
    """Rotate as EXIF says; a damaged EXIF block says nothing, and its picture is good."""
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # Pillow's EXIF reader raises what its struct and TIFF parsers raise
        return image


def _to_rgb(image: Image.Image) -> Image.Image:
    """Convert any mode to RGB, keeping EXIF; clipping and wrapping of 16-bit values are Pillow's default and wrong."""
    if image.mode.startswith(("I", "F")):
        converted = Image.fromarray(_to_8_bit(np.asarray(image, np.float64), image.mode)).convert("RGB")
    elif image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        layer = image.convert("RGBA")
        converted = Image.new("RGB", image.size, GROUND)
        converted.paste(layer, mask=layer.getchannel("A"))
    else:
        converted = image.convert("RGB")
    converted.info = {key: image.info[key] for key in ("exif",) if key in image.info}
    return converted


def _to_8_bit(values: np.ndarray[Any, np.dtype[np.float64]], mode: str) -> Uint8Array:
    finite = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    if mode == "F" or finite.min(initial=0) < 0 or finite.max(initial=0) > 65_535:  # no fixed range: stretch
        low, high = finite.min(initial=0), finite.max(initial=0)
        return ((finite - low) / max(high - low, 1e-12) * 255).astype(np.uint8)
    return (finite / 257).round().astype(np.uint8)  # 65,535 is white


def load_square(source: Path | bytes, size: int) -> Uint8Array:
    """Decode, resize the shorter side to `size` and cut the middle out, as the field's ViTs are fed.

    Returns:
        (3, size, size) uint8.
    Raises:
        InputError: if the file cannot be decoded.
    """
    image = decode(source, max_side=size)  # no less than size on either side; half as much again to decode otherwise
    fitted = ImageOps.fit(image, (size, size), Image.Resampling.BICUBIC)
    return np.ascontiguousarray(np.asarray(fitted).transpose(2, 0, 1))


def thumbnail_webp(image: Image.Image, max_side: int = THUMBNAIL_SIDE) -> bytes:
    """Shrink an RGB image so that no side is over `max_side` px (never enlarge) and encode it as WebP."""
    small = image.copy()
    small.thumbnail((max_side, max_side), Image.Resampling.LANCZOS, reducing_gap=2.0)
    return webp(small)


def webp(image: Image.Image) -> bytes:
    """Encode an RGB image as WebP, without its metadata."""
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=WEBP_QUALITY, method=2)
    return buffer.getvalue()


def blurred(image: Image.Image) -> Image.Image:
    """Blur until only the masses of colour are left; the radius follows the size."""
    return image.filter(ImageFilter.GaussianBlur(max(image.size) * BLUR_SHARE))


def grey(image: Image.Image) -> Image.Image:
    """Take the colour out."""
    return image.convert("L").convert("RGB")


VIEWS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "blurred": blurred,
    "grey": grey,
    "blurred-grey": lambda image: grey(blurred(image)),
    "clear": lambda image: image,
}


def treat(image: Image.Image, view: str) -> Image.Image:
    """Return the image as a privacy view shows it.

    Raises:
        InputError: if there is no such view.
    """
    if view not in VIEWS:
        raise InputError(f"There is no view '{view}'; choose from {', '.join(VIEWS)}.")
    return VIEWS[view](image)
