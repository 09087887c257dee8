"""Decode untrusted picture files to what a browser shows; make thumbnails and privacy views. Pillow and numpy."""

import io
import math
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageFilter, ImageOps, UnidentifiedImageError

from core.errors import InputError
from core.images.colour import to_srgb
from core.images.containers import (
    MAX_PIXELS,
    MOST_MISSING,
    check_pixels,
    check_tiff,
    has_end,
    lean_jpeg,
    lean_png,
    orientation_of,
)
from core.images.frames import choose_frames, spread
from core.images.kinds import HEAD, PICTURES, FileKind, kind_of, reason_of

WEBP_SIDE = 16_383  # px; what the format can hold
LARGE = 16_000_000  # px; larger pictures are shrunk during conversion
MOST_MEMORY = 1_024  # MB that decoding one file may take
# Bytes a pixel that decoding takes at its peak, measured at 25 megapixels: WebP and GIF keep several frames.
PIXEL_BYTES = {
    FileKind.JPEG: 4,
    FileKind.PNG: 5,
    FileKind.BMP: 5,
    FileKind.ICO: 9,
    FileKind.TIFF: 7,
    FileKind.GIF: 20,
    FileKind.AVIF: 9.5,
    FileKind.HEIF: 8,
    FileKind.WEBP: 18,
}
THUMBNAIL_SIDE = 128  # px
WEBP_QUALITY = 80
BLUR_SHARE = 1 / 12  # radius as a share of the longer side: content is unrecognisable, large areas of colour remain
# A JPEG's or HEIC's further pictures are no frames, and nobody shows them.
MOVING = (FileKind.GIF, FileKind.WEBP, FileKind.PNG, FileKind.AVIF, FileKind.TIFF)
MOST_PAGES = 64  # of a TIFF that are decoded
SMALL_PAGE = 1 | 4  # TIFF: a page that is another one reduced, or a mask of it
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
MISSING = (128, 128)  # lowest and highest value of what a JPEG decoder fills in

# Pillow warns about odd metadata; what matters raises. Set globally, because `catch_warnings` is not thread-safe.
warnings.filterwarnings("ignore", module=r"PIL\.")
Image.MAX_IMAGE_PIXELS = MAX_PIXELS // 2  # Pillow raises at twice that, also for what lies inside of other files

Uint8Array = np.ndarray[Any, np.dtype[np.uint8]]


@dataclass(frozen=True)
class DecodedPicture:
    """A decoded file as it is shown to people."""

    image: Image.Image  # RGB, upright; of a moving picture a mosaic
    width: int  # px of the file's picture, upright; `image` has fewer where it is large, or a mosaic
    height: int
    format: FileKind  # one of `PICTURES`
    frames: int = 1  # as far as they were counted
    frames_shown: int = 1
    all_frames_seen: bool = True


def decode(source: Path | bytes, *, max_side: int | None = None) -> Image.Image:
    """Decode a picture file to RGB as a browser shows it; `decode_details` returns more details."""
    return decode_details(source, max_side=max_side).image


def decode_details(source: Path | bytes, *, max_side: int | None = None) -> DecodedPicture:
    """Decode an image file to what a browser shows: upright, in sRGB, transparency laid on white, 16-bit scaled to 8.

    What it is, its content says and not its name. Moving and many-page pictures become a mosaic of the frames that differ
    most. What decoding may cost is bounded by what the file claims, before it is decoded.

    Args:
        source: a file or its bytes.
        max_side: the caller needs no more than this many px a side; JPEGs are then decoded at a reduced size.
    Raises:
        InputError: with a short reason; no other error leaves this function for any content.
    """
    try:
        content = source if isinstance(source, bytes) else source.read_bytes()
        kind = kind_of(content[:HEAD])
        if kind not in PICTURES:
            raise InputError(reason_of(kind))
        return _decode(content, kind, max_side)
    except InputError:
        raise
    except UnidentifiedImageError:
        raise InputError(f"it is damaged (it starts like a {kind} file, but the rest is not one)") from None
    except Image.DecompressionBombError:
        raise InputError(f"it claims more than {MAX_PIXELS / 1e6:.0f} megapixels") from None
    except PermissionError:
        raise InputError("you may not read it") from None
    except FileNotFoundError:
        raise InputError("it is gone") from None
    except MemoryError:
        raise InputError(f"it does not fit into the {MOST_MEMORY:,} MB of memory that one file may take") from None
    except Exception as error:  # Pillow's decoders raise a dozen kinds on broken files: all mean the same to the person
        raise InputError(f"it is damaged ({_short(error)})") from None


def _decode(content: bytes, kind: FileKind, max_side: int | None) -> DecodedPicture:
    lean, orientation = _lean(content, kind)
    with Image.open(io.BytesIO(lean), formats=[kind]) as opened:
        width, height = opened.size
        check_pixels(width, height)
        shrink = math.ceil(math.sqrt(width * height / LARGE))
        if kind == FileKind.JPEG:
            _draft(opened, max_side, shrink)
            shrink = math.ceil(math.sqrt(opened.width * opened.height / LARGE))
        _check_memory(opened, kind, len(content) + len(lean))
        opened.load()
        check_pixels(*opened.size)
        if kind == FileKind.JPEG and not has_end(content):
            _check_missing(opened)
        if kind in (FileKind.WEBP, FileKind.AVIF, FileKind.HEIF):
            exif = opened.info.get("exif")
            orientation = orientation_of(exif) if isinstance(exif, bytes) else 1
        if kind in (FileKind.ICO, FileKind.TIFF):  # an icon says its size when it is decoded, a TIFF is turned then
            width, height = opened.size
        if orientation >= 5:
            width, height = height, width
        first = _seen(opened, orientation, shrink)
        if kind not in MOVING:
            return DecodedPicture(first, width, height, kind)
        n_known = None if kind == FileKind.GIF else int(getattr(opened, "n_frames", 1))
        sampled = kind == FileKind.TIFF and (n_known or 0) > MOST_PAGES + 1
        others = _frames(opened, kind, n_known, orientation, shrink)
        frames = choose_frames(first, others, n_known=n_known, sampled=sampled)
    return DecodedPicture(frames.image, width, height, kind, frames.n, frames.shown, frames.all_seen)


def _lean(content: bytes, kind: FileKind) -> tuple[bytes, int]:
    """Return what of a file its decoder needs, and its orientation where that is known before."""
    if kind == FileKind.PNG:
        return lean_png(content)
    if kind == FileKind.JPEG:
        return lean_jpeg(content)
    if kind == FileKind.TIFF:
        check_tiff(content)
    if kind == FileKind.HEIF:
        _read_heif()
    return content, 1


def _read_heif() -> None:
    """Let Pillow read HEIC; 26 MB of libraries, so only where there is one."""
    from pillow_heif import register_heif_opener

    register_heif_opener(thumbnails=False)


def _draft(opened: Image.Image, max_side: int | None, shrink: int) -> None:
    """Let a JPEG be decoded at an eighth to a half of its size if that suffices."""
    if max_side is not None:
        opened.draft("RGB", (max_side, max_side))
    elif shrink > 1:
        opened.draft("RGB", (opened.width // shrink, opened.height // shrink))


def _check_memory(opened: Image.Image, kind: FileKind, n_bytes: int) -> None:
    """Refuse a picture whose decoder would take more than `MOST_MEMORY`.

    Raises:
        InputError: then.
    """
    needed = n_bytes + opened.width * opened.height * PIXEL_BYTES[kind]
    if kind == FileKind.JPEG and opened.info.get("progressive"):
        full, layers = _full_size(opened), getattr(opened, "layer", [])
        high, wide = (max((layer[place] for layer in layers), default=1) for place in (1, 2))
        needed += sum(2 * full * layer[1] * layer[2] // (high * wide) for layer in layers)  # every coefficient, 16 bits each
    if kind == FileKind.TIFF:
        needed += _tile_bytes(opened)
    if needed > MOST_MEMORY * 2**20:
        raise InputError(f"decoding it would take {needed / 2**20:,.0f} MB of memory, more than {MOST_MEMORY:,}")


def _full_size(opened: Image.Image) -> int:
    """Return a JPEG's pixels before it is drafted to a smaller size."""
    config: Any = getattr(opened, "decoderconfig", ())
    scale = int(config[0]) if config else 1
    return opened.width * opened.height * scale**2


def _tile_bytes(opened: Image.Image) -> int:
    """Return what one tile of a TIFF takes; it may be much larger than the picture."""
    tags: Any = getattr(opened, "tag_v2", {})
    wide, high = (int(tags.get(tag, 0) or 0) for tag in (322, 323))
    bits = tags.get(258, (8,))
    depth = max(bits) if isinstance(bits, tuple) else int(bits)
    return wide * high * int(tags.get(277, 1) or 1) * max(depth, 8) // 8


def _check_missing(opened: Image.Image) -> None:
    """Refuse a JPEG whose lower rows are what its decoder fills in.

    Raises:
        InputError: if more than `MOST_MISSING` of them are.
    """
    top = int(opened.height * (1 - MOST_MISSING))
    extrema = opened.crop((0, top, opened.width, opened.height)).getextrema()
    if opened.mode in ("L", "RGB") and all(band == MISSING for band in (extrema if opened.mode == "RGB" else [extrema])):
        raise InputError(f"it is cut off: more than {MOST_MISSING:.0%} of it is missing")


def _seen(opened: Image.Image, orientation: int, shrink: int) -> Image.Image:
    """Return the frame that is loaded as RGB of its own, upright."""
    rgb = to_srgb(opened, shrink=shrink)
    if orientation in TURNS:
        return rgb.transpose(TURNS[orientation])
    return rgb.copy() if rgb is opened else rgb


def _frames(opened: Image.Image, kind: FileKind, n_known: int | None, orientation: int, shrink: int) -> Iterator[Image.Image]:
    """Yield the frames after the first, until there are none or one is damaged."""
    numbers: Any = range(1, 2**31)
    if kind == FileKind.TIFF and n_known is not None:  # pages are read one without the other, so a spread of many will do
        numbers = spread(n_known, MOST_PAGES)
    elif n_known is not None:
        numbers = range(1, n_known)
    for number in numbers:
        opened.seek(number)
        if kind == FileKind.TIFF and int(getattr(opened, "tag_v2", {}).get(254, 0)) & SMALL_PAGE:
            continue
        check_pixels(*opened.size)
        _check_memory(opened, kind, 0)
        opened.load()
        yield _seen(opened, orientation, max(shrink, math.ceil(math.sqrt(opened.width * opened.height / LARGE))))


def _short(error: Exception) -> str:
    text = str(error).split("\n")[0]
    return text[:80] if text else type(error).__name__


def load_square(source: Path | bytes, size: int) -> Uint8Array:
    """Decode, resize the shorter side to `size` and crop the centre, the usual input of ViTs.

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
    """Blur until only large areas of colour are left; the radius is proportional to the size."""
    return image.filter(ImageFilter.GaussianBlur(max(image.size) * BLUR_SHARE))


def grey(image: Image.Image) -> Image.Image:
    """Convert to grey."""
    return image.convert("L").convert("RGB")


class PrivacyView(StrEnum):
    """How a picture is shown to the person."""

    BLURRED = "blurred"
    GREY = "grey"
    BLURRED_GREY = "blurred-grey"
    CLEAR = "clear"


VIEWS: dict[str, Callable[[Image.Image], Image.Image]] = {
    PrivacyView.BLURRED: blurred,
    PrivacyView.GREY: grey,
    PrivacyView.BLURRED_GREY: lambda image: grey(blurred(image)),
    PrivacyView.CLEAR: lambda image: image,
}


def treat(image: Image.Image, view: str) -> Image.Image:
    """Return the image as a privacy view shows it.

    Raises:
        InputError: if there is no such view.
    """
    if view not in VIEWS:
        raise InputError(f"There is no view '{view}'; choose from {', '.join(VIEWS)}.")
    return VIEWS[view](image)
