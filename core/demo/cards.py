"""Rendered copyright notices: light words on dark backgrounds, invented owners, many sizes. Imports Pillow only.

The only typeface used is the one inside Pillow, with varied weight, width, slant, spacing and case, so that a card's pixels
depend on its seed and number only.
"""

import io
import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont

MIN_SIDE, MAX_SIDE = 320, 1_200  # px
ASPECTS = ((1, 1), (4, 3), (3, 2), (16, 9), (3, 4), (2, 3), (5, 4), (2, 1))
GROUNDS = (
    (8, 8, 10), (16, 18, 24), (28, 28, 30), (10, 22, 40), (38, 12, 16), (12, 34, 28), (34, 20, 44), (44, 32, 18),
    (20, 40, 52), (50, 22, 34), (30, 36, 22), (42, 42, 46), (0, 0, 0), (24, 16, 12),
)  # fmt: skip
TINTS = (
    (255, 255, 255), (245, 245, 240), (226, 226, 230), (255, 236, 190), (240, 205, 120), (190, 220, 255),
    (255, 170, 150), (190, 240, 205), (250, 214, 230), (206, 206, 206),
)  # fmt: skip
FIRST = (
    "Larkspur", "Northlight", "Halden", "Quillon", "Tamarisk", "Bellwether", "Osprey Lane", "Marlowe", "Cobaltine",
    "Wren & Ash", "Silverbirch", "Vantory", "Pellucid", "Dunmore", "Ilex", "Harbourne", "Kestrelmere", "Solvang Row",
)  # fmt: skip
SECOND = (
    "Visuals", "Pictures", "Studios", "Photography", "Media", "Images", "Press", "Film Library", "Archive", "Stills",
)  # fmt: skip
RIGHTS = (
    "All rights reserved.", "All Rights Reserved.", "No reproduction without permission.",
    "Unauthorised use prohibited.", "Used by permission only.", "Do not copy or redistribute.",
    "Licensed material. Not for resale.",
)  # fmt: skip
LEGAL = (
    "This image is protected by copyright law. No part of it may be copied, stored or published in any form "
    "without the written permission of the owner.",
    "Reproduction, distribution or public display of this work without prior written consent is prohibited.",
    "The picture you are looking for has been withdrawn at the request of the rights holder.",
    "For licences and permissions write to the owner. Unlicensed use will be prosecuted.",
)
REMOVED = ("IMAGE REMOVED", "CONTENT UNAVAILABLE", "PREVIEW ONLY", "COPYRIGHT NOTICE", "NOT FOR PUBLICATION", "SAMPLE")

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Words:
    """What one card says."""

    owner: str
    line: str  # "© 2013 Larkspur Visuals"
    rights: str
    legal: str
    site: str
    stamp: str


@dataclass(frozen=True)
class Type:
    """How one card's letters look, made from the one typeface."""

    stretch: float  # letters' width against the typeface's
    weight: float  # outline in parts of the size; 0 is regular
    slant: float  # shear, 0 is upright
    tracking: float  # extra space between letters in parts of the size
    upper: bool


@dataclass(frozen=True)
class Card:
    """A card while it is drawn: canvas, chance, words and type."""

    image: Image.Image
    rng: random.Random
    words: Words
    type: Type
    tint: Colour
    ground: Colour

    @property
    def short(self) -> int:
        """Return the shorter side, px: what all sizes are parts of."""
        return min(self.image.size)


def render_card(seed: int, number: int) -> Image.Image:
    """Draw one copyright notice.

    Args:
        seed: of the whole set.
        number: of the card in the set.
    Returns:
        an RGB picture, each side 320 to 1,200 px, the same for the same (seed, number).
    """
    rng = random.Random(f"card/v1/{seed}/{number}")  # text seeds hash the same on every Python 3
    size, ground, tint = _size(rng), rng.choice(GROUNDS), rng.choice(TINTS)
    words, letters = _words(rng), _type(rng)
    image = _ground(rng, size, ground)
    LAYOUTS[rng.choice(sorted(LAYOUTS))](Card(image, rng, words, letters, tint, ground))
    return image


def make_card_bytes(seed: int, number: int) -> tuple[bytes, str]:
    """Return one card as a file's bytes and its suffix, ".jpg" (quality 62 to 95) or ".png"."""
    rng = random.Random(f"card-file/v1/{seed}/{number}")
    image, buffer = render_card(seed, number), io.BytesIO()
    if rng.random() < 0.2:
        image.quantize(64, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(buffer, "PNG")
        return buffer.getvalue(), ".png"
    image.save(buffer, "JPEG", quality=rng.randint(62, 95))
    return buffer.getvalue(), ".jpg"


def _size(rng: random.Random) -> tuple[int, int]:
    wide, high = rng.choice(ASPECTS)
    unit = rng.uniform(MIN_SIDE / min(wide, high), MAX_SIDE / max(wide, high))
    return round(wide * unit), round(high * unit)


def _words(rng: random.Random) -> Words:
    first, second = rng.choice(FIRST), rng.choice(SECOND)
    owner = f"{first} {second}"
    sign = rng.choice(("©", "©", "©", "Copyright ©", "(c)"))
    site = "www." + "".join(c for c in owner.lower() if c.isalpha()) + rng.choice((".example", ".test"))
    line = f"{sign} {rng.randint(1998, 2024)} {owner}"
    return Words(owner, line, rng.choice(RIGHTS), rng.choice(LEGAL), site, rng.choice(REMOVED))


def _type(rng: random.Random) -> Type:
    return Type(
        stretch=rng.choice((0.8, 0.9, 1.0, 1.0, 1.0, 1.15)),
        weight=rng.choice((0.0, 0.0, 0.02, 0.045)),
        slant=rng.choice((0.0, 0.0, 0.0, 0.18)),
        tracking=rng.choice((0.0, 0.0, 0.04, 0.12)),
        upper=rng.random() < 0.25,
    )


# -- grounds --


def _ground(rng: random.Random, size: tuple[int, int], colour: Colour) -> Image.Image:
    image = Image.new("RGB", size, colour)
    kind = rng.choice(("flat", "gradient", "vignette", "photo", "photo", "stripes"))
    if kind == "gradient":
        ramp = Image.linear_gradient("L").rotate(rng.choice((0, 90, 180, 270))).resize(size)
        image.paste(_lighter(colour, 34), mask=ramp)
    elif kind == "vignette":
        image = Image.composite(image, Image.new("RGB", size, _lighter(colour, 40)), Image.radial_gradient("L").resize(size))
    elif kind == "photo":
        image = _dim_photo(rng, size, colour)
    elif kind == "stripes":
        draw, step = ImageDraw.Draw(image), rng.randint(5, 14)
        for x in range(-size[1], size[0], step):
            draw.line((x, 0, x + size[1], size[1]), fill=_lighter(colour, 10))
    return _grain(rng, image) if rng.random() < 0.4 else image


def _lighter(colour: Colour, by: int) -> Colour:
    red, green, blue = (min(255, c + by) for c in colour)
    return red, green, blue


def _dim_photo(rng: random.Random, size: tuple[int, int], colour: Colour) -> Image.Image:
    """Draw something like a darkened photograph: a horizon, soft shapes, one light."""
    wide, high = 160, 120
    photo = Image.new("RGB", (wide, high), _lighter(colour, 14))
    draw = ImageDraw.Draw(photo)
    horizon = rng.randint(high // 3, high * 4 // 5)
    draw.rectangle((0, horizon, wide, high), fill=colour)
    for _ in range(rng.randint(4, 14)):
        x, y, r = rng.randint(0, wide), rng.randint(0, high), rng.randint(5, 34)
        shade = tuple(max(0, min(96, c + rng.randint(-18, 44))) for c in colour)
        shape = draw.ellipse if rng.random() < 0.6 else draw.rectangle
        shape((x - r, y - r // 2, x + r, y + r), fill=shade)
    return photo.filter(ImageFilter.GaussianBlur(rng.uniform(1.5, 6))).resize(size, Image.Resampling.BICUBIC)


def _grain(rng: random.Random, image: Image.Image) -> Image.Image:
    small = (max(1, image.width // 2), max(1, image.height // 2))
    noise = Image.frombytes("L", small, rng.randbytes(small[0] * small[1])).resize(image.size)
    dark = noise.point([v // 14 for v in range(256)])
    return ImageChops.add(image, Image.merge("RGB", (dark, dark, dark)))


# -- letters --


@lru_cache(maxsize=64)
def _font(size: int) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(size)
    if not isinstance(font, ImageFont.FreeTypeFont):  # pragma: no cover - Pillow without FreeType has one bitmap size
        raise RuntimeError("Pillow was built without FreeType; install Pillow's own wheel.")
    return font.font_variant(layout_engine=ImageFont.Layout.BASIC)  # Raqm is not on every machine


def _letters(text: str, size: int, style: Type) -> Image.Image:
    """Return a text's coverage, an L picture cut to a line of `size` px."""
    text = text.upper() if style.upper else text
    font, stroke = _font(size), round(style.weight * size)
    gap = style.tracking * size
    starts = [font.getlength(text[:i]) + i * gap for i in range(len(text))] if gap else [0.0]
    length = font.getlength(text) + len(text) * gap
    mask = Image.new("L", (int(length) + 2 * stroke + size // 3, int(size * 1.35) + 2 * stroke))
    draw = ImageDraw.Draw(mask)
    for start, piece in zip(starts, text if gap else [text], strict=True):
        draw.text((start + stroke, stroke), piece, fill=255, font=font, stroke_width=stroke)
    if style.slant:
        shift = style.slant * mask.height
        mask = mask.transform(
            (mask.width + int(shift), mask.height),
            Image.Transform.AFFINE,
            (1, style.slant, -shift, 0, 1, 0),
            Image.Resampling.BICUBIC,
        )
    if style.stretch != 1:
        mask = mask.resize((max(1, round(mask.width * style.stretch)), mask.height), Image.Resampling.BICUBIC)
    return mask


def _fitted(text: str, size: float, width: float, style: Type) -> Image.Image:
    """Return a text's coverage at `size` px, or smaller where it would be wider than `width`."""
    mask = _letters(text, max(11, round(size)), style)
    if mask.width > width:
        mask = _letters(text, max(11, int(size * width / mask.width)), style)
    return mask


def _write(card: Card, mask: Image.Image, x: float, y: float, *, strength: float = 1.0) -> None:
    if strength < 1:
        mask = mask.point([round(v * strength) for v in range(256)])
    card.image.paste(card.tint, (round(x), round(y)), mask)


def _stack(
    card: Card, lines: list[tuple[str, float]], *, align: str, top: float | None = None, room: float = 0.88
) -> tuple[float, float]:
    """Write lines (text, size in parts of the shorter side) under each other, no wider than `room` of the width.

    Returns:
        the block's top and bottom, px.
    """
    width, height = card.image.size
    masks = [_fitted(text, size * card.short, width * room, card.type) for text, size in lines]
    gap = card.short * 0.02
    y = top if top is not None else (height - sum(m.height + gap for m in masks)) / 2
    first = y
    for mask in masks:
        x = {"left": width * 0.07, "centre": (width - mask.width) / 2, "right": width * 0.93 - mask.width}[align]
        _write(card, mask, x, y)
        y += mask.height + gap
    return first, y


def _wrapped(text: str, letters: int) -> list[str]:
    lines: list[str] = [""]
    for word in text.split():
        if lines[-1] and len(lines[-1]) + len(word) >= letters:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


# -- layouts --


def _one_line(card: Card) -> None:
    text = f"{card.words.line}. {card.words.rights}" if card.image.width > card.image.height else card.words.line
    lines = [(text, card.rng.uniform(0.055, 0.085))]
    _stack(card, lines if text != card.words.line else [*lines, (card.words.rights, 0.05)], align="centre")


def _block_with_rule(card: Card) -> None:
    align = card.rng.choice(("left", "centre"))
    title = card.rng.choice((card.words.stamp.title(), card.words.owner))
    _, y = _stack(card, [(title, card.rng.uniform(0.08, 0.11))], align=align, top=card.image.height * 0.28)
    left, right = (0.07, 0.62) if align == "left" else (0.22, 0.78)
    thick = max(1, round(card.short * 0.006))
    ImageDraw.Draw(card.image).line((card.image.width * left, y, card.image.width * right, y), fill=card.tint, width=thick)
    lines = [(card.words.line, 0.055), (card.words.rights, 0.05), (card.words.site, 0.042)]
    _stack(card, lines, align=align, top=y + card.short * 0.035)


def _corner_line(card: Card) -> None:
    height, align = card.image.height, card.rng.choice(("left", "right"))
    lines = [(card.words.line, card.rng.uniform(0.06, 0.075)), (card.words.rights, 0.05)]
    _stack(card, lines, align=align, top=card.rng.choice((height * 0.06, height - card.short * 0.22)))


def _big_symbol(card: Card) -> None:
    sign = _letters("©", round(card.short * card.rng.uniform(0.3, 0.48)), card.type)
    y = card.image.height * 0.1
    _write(card, sign, (card.image.width - sign.width) / 2, y)
    lines = [(card.words.line, 0.06), (card.words.rights, 0.048)]
    _stack(card, lines, align="centre", top=y + sign.height + card.short * 0.02)


def _no_sign(card: Card) -> None:
    """Draw a crossed-out camera above the words."""
    draw, (width, height) = ImageDraw.Draw(card.image), card.image.size
    r, x, y = card.short * 0.17, width / 2, height * 0.33
    thick = max(2, round(r * 0.13))
    draw.rounded_rectangle((x - r * 0.55, y - r * 0.32, x + r * 0.55, y + r * 0.42), r * 0.1, fill=card.tint)
    draw.rectangle((x - r * 0.2, y - r * 0.46, x + r * 0.2, y - r * 0.3), fill=card.tint)
    draw.ellipse((x - r * 0.26, y - r * 0.2, x + r * 0.26, y + r * 0.32), fill=card.ground)
    draw.ellipse((x - r, y - r, x + r, y + r), outline=card.tint, width=thick)
    draw.line((x - r * 0.7, y - r * 0.7, x + r * 0.7, y + r * 0.7), fill=card.tint, width=thick)
    lines = [(card.words.stamp, 0.08), (card.words.line, 0.055), (card.words.rights, 0.045)]
    _stack(card, lines, align="centre", top=y + r + card.short * 0.05)


def _watermark(card: Card) -> None:
    """Tile the owner's name aslant, with one full-strength line over it."""
    tile = _letters(f"© {card.words.owner}", round(card.short * card.rng.uniform(0.05, 0.08)), card.type)
    side = int((card.image.width**2 + card.image.height**2) ** 0.5) + 2
    sheet = Image.new("L", (side, side))
    for row, y in enumerate(range(0, side, int(tile.height * 2.1))):
        for x in range(-(row % 2) * tile.width // 2, side, int(tile.width * 1.18)):
            sheet.paste(tile, (x, y))
    sheet = sheet.rotate(card.rng.choice((-30, -20, 20, 30, 45)), Image.Resampling.BICUBIC)
    left, top = (side - card.image.width) // 2, (side - card.image.height) // 2
    sheet = sheet.crop((left, top, left + card.image.width, top + card.image.height))
    _write(card, sheet, 0, 0, strength=card.rng.uniform(0.22, 0.4))
    plate = Image.new("L", (card.image.width, round(card.short * 0.26)), 190)
    card.image.paste(card.ground, (0, (card.image.height - plate.height) // 2), plate)
    _stack(card, [(card.words.line, 0.075), (card.words.rights, 0.052)], align="centre")


def _framed(card: Card) -> None:
    draw, margin = ImageDraw.Draw(card.image), round(card.short * card.rng.uniform(0.03, 0.07))
    width, height = card.image.size
    draw.rectangle(
        (margin, margin, width - margin, height - margin), outline=card.tint, width=max(1, round(card.short * 0.008))
    )
    lines = [(card.words.stamp, 0.085), (card.words.line, 0.06), (card.words.rights, 0.05), (card.words.site, 0.042)]
    _stack(card, lines[card.rng.randint(0, 1) :], align="centre", room=0.76)


def _paragraph(card: Card) -> None:
    size = card.rng.uniform(0.046, 0.056)
    wide = int(card.image.width * 0.84 / (size * card.short * 0.56 * card.type.stretch * (1 + card.type.tracking)))
    lines = [(line, size) for line in _wrapped(card.words.legal, max(16, wide))]
    _stack(card, [(card.words.line, 0.07), *lines, (card.words.site, 0.045)], align=card.rng.choice(("left", "centre")))


def _credits(card: Card) -> None:
    lines = [("photographs by", 0.042), (card.words.owner, 0.095), (card.words.line, 0.05), (card.words.rights, 0.045)]
    _stack(card, lines, align="centre")


def _band(card: Card) -> None:
    """Set the words on a paler strip, the ground dark above and below."""
    height = round(card.short * card.rng.uniform(0.2, 0.26))
    y = round((card.image.height - height) * card.rng.uniform(0.3, 0.7))
    ImageDraw.Draw(card.image).rectangle((0, y, card.image.width, y + height), fill=_lighter(card.ground, 60))
    lines = [(card.words.line, 0.068), (card.words.rights, 0.048)]
    _stack(card, lines, align="centre", top=y + height * 0.12)


LAYOUTS: dict[str, Callable[[Card], None]] = {
    "band": _band,
    "big symbol": _big_symbol,
    "block with rule": _block_with_rule,
    "corner line": _corner_line,
    "credits": _credits,
    "framed": _framed,
    "no sign": _no_sign,
    "one line": _one_line,
    "paragraph": _paragraph,
    "watermark": _watermark,
}
