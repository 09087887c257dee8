"""Pictures for the notice benchmark: notices that differ from the demo's, and pictures that could be mistaken for one."""

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageFont

SIDE = 320  # px of the longer side, before it is scaled to the size in question
FONT_FOLDERS = (Path("/usr/share/fonts"), Path("/usr/local/share/fonts"))
PHRASES = (
    "© {year} {owner}. All rights reserved.",
    "(c) {year} {owner}",
    "Copyright {year} by {owner}",
    "© {owner} {year} · Tous droits réservés",
    "© {year} {owner} · Alle Rechte vorbehalten",
    "© {owner} · Todos los derechos reservados",
    "This content has been removed following a copyright claim by {owner}.",
    "Image withheld at the request of the copyright holder.",
    "Protected by copyright. Reproduction prohibited.",
)
OWNERS = ("Meridian Photo Agency", "J. Okafor", "Blue Heron Films", "The Lantern Co.", "N. Petrov Studio", "Asterism Ltd")
CODE = (
    "def main(argv):", "    return 0", "$ make test", "import numpy as np", "SELECT id FROM users;", "error: line 42",
    "for i in range(10):", "git commit -m 'fix'", "INFO server started", "while queue:", "connected to 10.0.0.7", "</div>",
)  # fmt: skip
CHAT = (
    "see you at eight", "where are the keys?", "Settings", "Notifications", "Now playing", "Track 7 of 12", "Volume 80%",
    "Good night", "3 new messages", "Low battery", "Tomorrow: rain", "Call me back", "Level complete", "Game over", "Chapter 4",
)  # fmt: skip


def fonts(*, held_out: bool) -> list[str]:
    """Return this machine's typefaces (not Pillow's own): half of them are for fitting, the other half is held out."""
    found = sorted(str(f) for folder in FONT_FOLDERS if folder.is_dir() for f in folder.rglob("*.ttf"))
    return ["", *found[int(held_out) :: 2]]


def _font(name: str, size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.truetype(name, size) if name else ImageFont.load_default(size)


def _size(rng: random.Random) -> tuple[int, int]:
    wide, high = rng.choice(((4, 3), (1, 1), (3, 4), (16, 9), (3, 2)))
    return (SIDE, SIDE * high // wide) if wide >= high else (SIDE * wide // high, SIDE)


def _dark(rng: random.Random) -> tuple[int, int, int]:
    level = rng.randint(0, 45)
    return tuple(min(255, max(0, level + rng.randint(-8, 12))) for _ in range(3))


def _light(rng: random.Random) -> tuple[int, int, int]:
    level = rng.randint(170, 255)
    return tuple(min(255, max(0, level + rng.randint(-30, 0))) for _ in range(3))


def _write(image: Image.Image, lines: Sequence[str], rng: random.Random, font: str, *, share: float, **where: Any) -> None:
    """Write lines centred or left-aligned, the longest filling a share of the width; `where` may give fill and top."""
    fill, top = where.get("fill"), where.get("top")
    draw, size = ImageDraw.Draw(image), 40
    longest = max(ImageDraw.Draw(image).textlength(line, font=_font(font, size)) for line in lines)
    face = _font(font, max(9, min(48, int(size * image.width * share / longest))))
    height = face.getbbox("Ág")[3] * 1.25
    y = (image.height - height * len(lines)) / 2 if top is None else top * image.height
    left, fill = rng.random() < 0.4, fill or _light(rng)
    for line in lines:
        x = image.width * (1 - share) / 2 if left else (image.width - draw.textlength(line, font=face)) / 2
        draw.text((x, y), line, font=face, fill=fill)
        y += height


def _wrapped(text: str, letters: int) -> list[str]:
    lines = [""]
    for word in text.split():
        if lines[-1] and len(lines[-1]) + len(word) >= letters:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


def notice(rng: random.Random, photo: Image.Image, font: str) -> Image.Image:
    """Draw a notice: one or two phrases on a dark plain, graded or dimmed photographic ground."""
    image = Image.new("RGB", _size(rng), _dark(rng))
    ground = rng.random()
    if ground < 0.3:
        dim = ImageEnhance.Brightness(photo.resize(image.size)).enhance(rng.uniform(0.08, 0.22))
        image = dim.filter(ImageFilter.GaussianBlur(rng.uniform(0, 3)))
    elif ground < 0.5:
        ramp = Image.linear_gradient("L").resize(image.size).point([v // 5 for v in range(256)])
        image = Image.merge("RGB", [ramp] * 3)
    words = rng.choice(PHRASES).format(year=rng.randint(1995, 2026), owner=rng.choice(OWNERS))
    lines = _wrapped(words, rng.choice((18, 26, 40)))
    _write(image, lines, rng, font, share=rng.uniform(0.55, 0.92))
    return image


def photo_(rng: random.Random, photo: Image.Image, font: str) -> Image.Image:
    """Return the photo unchanged."""
    return photo


def dark_photo(rng: random.Random, photo: Image.Image, font: str) -> Image.Image:
    """Darken the photo to a tenth to a third of its light."""
    return ImageEnhance.Brightness(photo).enhance(rng.uniform(0.1, 0.35))


def drawing(rng: random.Random, photo: Image.Image, font: str) -> Image.Image:
    """Draw light strokes on a dark ground, or a photo's edges."""
    if rng.random() < 0.5:
        edges = photo.convert("L").filter(ImageFilter.FIND_EDGES).filter(ImageFilter.MaxFilter(3))
        return Image.merge("RGB", [edges] * 3)
    image = Image.new("RGB", _size(rng), _dark(rng))
    draw, colour = ImageDraw.Draw(image), _light(rng)
    for _ in range(rng.randint(3, 20)):
        x, y, r = rng.randint(0, image.width), rng.randint(0, image.height), rng.randint(8, 120)
        box, width = (x - r, y - r, x + r, y + rng.randint(-r + 1, r)), rng.randint(1, 4)
        if box[3] > box[1]:
            rng.choice((draw.ellipse, draw.rectangle))(box, outline=colour, width=width)
    return image


def lights(rng: random.Random, photo: Image.Image, font: str) -> Image.Image:
    """Draw a night sky or a lit skyline."""
    image = Image.new("RGB", _size(rng), _dark(rng))
    draw = ImageDraw.Draw(image)
    if rng.random() < 0.5:
        for _ in range(rng.randint(30, 300)):
            x, y, r = rng.randint(0, image.width), rng.randint(0, image.height), rng.choice((0, 0, 1, 2))
            draw.ellipse((x - r, y - r, x + r, y + r), fill=_light(rng))
        return image
    for x in range(0, image.width, rng.randint(10, 18)):
        for y in range(rng.randint(image.height // 5, image.height), image.height, rng.randint(7, 12)):
            if rng.random() < 0.6:
                draw.rectangle((x, y, x + 4, y + 4), fill=(rng.randint(180, 255), rng.randint(150, 230), rng.randint(60, 160)))
    return image


def logo(rng: random.Random, photo: Image.Image, font: str) -> Image.Image:
    """Draw one or two filled shapes on a dark ground."""
    image = Image.new("RGB", _size(rng), _dark(rng))
    draw, (w, h) = ImageDraw.Draw(image), image.size
    for _ in range(rng.randint(1, 3)):
        x, y, r = rng.uniform(0.3, 0.7) * w, rng.uniform(0.3, 0.7) * h, rng.uniform(0.1, 0.3) * min(w, h)
        draw.regular_polygon((x, y, r), rng.choice((3, 4, 5, 6, 40)), rotation=rng.randint(0, 90), fill=_light(rng))
    return image


def page(rng: random.Random, photo: Image.Image, font: str) -> Image.Image:
    """Write dark words on a light ground."""
    image = Image.new("RGB", _size(rng), _light(rng))
    lines = [" ".join(rng.sample(CHAT, 2)) for _ in range(rng.randint(3, 12))]
    _write(image, lines, rng, font, share=rng.uniform(0.7, 0.95), fill=_dark(rng))
    return image


def caption(rng: random.Random, photo: Image.Image, font: str) -> Image.Image:
    """Write a caption or a subtitle over a photo."""
    image = photo.copy()
    _write(image, [rng.choice(CHAT)], rng, font, share=rng.uniform(0.4, 0.9), top=rng.choice((0.04, 0.82)))
    return image


def screenshot(rng: random.Random, photo: Image.Image, font: str) -> Image.Image:
    """Draw a dark screen full of words that do not mention copyright: text on dark, but no notice."""
    image = Image.new("RGB", _size(rng), _dark(rng))
    lines = [rng.choice(rng.choice((CODE, CHAT))) for _ in range(rng.randint(2, 14))]
    _write(image, lines, rng, font, share=rng.uniform(0.4, 0.9))
    return image


def blank(rng: random.Random, photo: Image.Image, font: str) -> Image.Image:
    """Draw an empty dark ground: a black frame, a graded one, or the noise of a covered lens."""
    image = Image.new("RGB", _size(rng), _dark(rng))
    kind = rng.random()
    if kind < 0.4:
        noise = Image.effect_noise(image.size, rng.uniform(4, 40)).point([max(0, v - 100) for v in range(256)])
        image = Image.merge("RGB", [noise.filter(ImageFilter.GaussianBlur(rng.uniform(0, 3)))] * 3)
    elif kind < 0.7:
        ramp = Image.linear_gradient("L").rotate(rng.choice((0, 90, 180, 270))).resize(image.size)
        image = Image.merge("RGB", [ramp.point([v // rng.randint(2, 8) for v in range(256)])] * 3)
    return image


Make = Callable[[random.Random, Image.Image, str], Image.Image]
NEGATIVES: dict[str, Make] = {
    "photo": photo_,
    "dark photo": dark_photo,
    "drawing on dark": drawing,
    "night lights": lights,
    "logo on dark": logo,
    "page of text": page,
    "photo with a caption": caption,
    "dark screenshot": screenshot,
    "blank dark": blank,
}
