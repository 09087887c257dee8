"""The curves as files that open anywhere: a table, a drawing and a picture. Takes seconds at most; not for the event loop."""

import csv
import html
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from core.palette import GREY, INK, WHITE
from core.probe.curves import NamedCurve, Points
from core.wording import ranged

WIDTH, HEIGHT = 720, 560  # px of a drawing
LEFT, TOP, RIGHT, BOTTOM = 64, 24, 16, 56  # px around the axes
TEXT, LINE_HEIGHT = 13, 18  # px
SHARPNESS = 2  # pixels of the picture for one of the drawing
TICKS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
DASH = (7.0, 4.0)  # px drawn, px left out
COLUMNS = (
    "curve",
    "threshold",
    "recall",
    "precision",
    "precision_low",
    "precision_high",
    "reviewed",
    "caught",
    "judged",
    "flagged",
)
Line = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Drawn:
    """A curve with the colour it has on the page."""

    name: str
    named: NamedCurve
    colour: str
    dashed: bool = False
    band: bool = False

    @property
    def points(self) -> Points:
        """Return what is drawn; there is a curve."""
        assert self.named.points is not None  # noqa: S101  curves without points are not drawn
        return self.named.points


def as_csv(curves: Sequence[Drawn]) -> bytes:
    """Write one line a point; what is unknown, as the threshold of an average over draws, is left empty."""
    file = io.StringIO(newline="")
    table = csv.writer(file)
    table.writerow(COLUMNS)
    for drawn in curves:
        points, n, n_flagged = drawn.points, *_judged(drawn.named)
        columns = (
            points.threshold, points.recall, points.precision, points.low, points.high, points.reviewed, points.caught,
        )  # fmt: skip
        for values in zip(*columns, strict=True):
            figures = ["" if math.isnan(value) else f"{value:.6g}" for value in values]
            table.writerow([drawn.name, *figures, n, n_flagged])
    return file.getvalue().encode()


def as_svg(curves: Sequence[Drawn]) -> bytes:
    """Draw the curves as SVG."""
    pen = _SvgPen()
    _draw(pen, curves)
    return pen.file()


def as_png(curves: Sequence[Drawn]) -> bytes:
    """Draw the curves as PNG, `SHARPNESS` times as large as the SVG."""
    pen = _PngPen()
    _draw(pen, curves)
    return pen.file()


FORMATS = {"png": as_png, "svg": as_svg, "csv": as_csv}


def _judged(named: NamedCurve) -> tuple[int, int]:
    return (0, 0) if named.curve is None else (named.curve.n, named.curve.n_flagged)


class _Pen(Protocol):
    """What both kinds of drawing are made with."""

    def line(self, points: Line, colour: str, width: float, *, dashed: bool = False) -> None: ...
    def area(self, points: Line, colour: str) -> None: ...
    def text(self, x: float, y: float, words: str, *, anchor: str = "start", upwards: bool = False) -> None: ...


def _draw(pen: _Pen, curves: Sequence[Drawn]) -> None:
    for tick in TICKS:
        x, y = _at(tick, tick)
        pen.line([(x, _at(0, 0)[1]), (x, _at(0, 1)[1])], GREY, 0.3)
        pen.line([(_at(0, 0)[0], y), (_at(1, 0)[0], y)], GREY, 0.3)
        pen.text(x, HEIGHT - BOTTOM + LINE_HEIGHT, f"{tick:.1f}", anchor="middle")
        pen.text(LEFT - 8, y + TEXT / 3, f"{tick:.1f}", anchor="end")
    pen.text(_at(0.5, 0)[0], HEIGHT - 12, "recall", anchor="middle")
    pen.text(18, _at(0, 0.5)[1], "precision", anchor="middle", upwards=True)
    for drawn in (drawn for drawn in curves if drawn.band):
        points = drawn.points
        there = ~np.isnan(points.low)
        upper = [_at(r, p) for r, p in zip(points.recall[there], points.high[there], strict=True)]
        lower = [_at(r, p) for r, p in zip(points.recall[there], points.low[there], strict=True)]
        if len(upper) > 1:
            pen.area([*upper, *reversed(lower)], drawn.colour)
    for drawn in curves:
        line = [_at(r, p) for r, p in zip(drawn.points.recall, drawn.points.precision, strict=True)]
        pen.line(line, drawn.colour, 2.0, dashed=drawn.dashed)
    for place, drawn in enumerate(curves):
        y = _at(0, 0)[1] - 12 - LINE_HEIGHT * (len(curves) - 1 - place)
        pen.line([(LEFT + 10, y - TEXT / 3), (LEFT + 38, y - TEXT / 3)], drawn.colour, 2.0, dashed=drawn.dashed)
        pen.text(LEFT + 46, y, _legend(drawn))


def _legend(drawn: Drawn) -> str:
    named = drawn.named
    if named.figures is None:
        return drawn.name
    return f"{drawn.name}: AP {ranged(*named.figures.average_precision)}"


def _at(recall: float, precision: float) -> tuple[float, float]:
    return LEFT + recall * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - precision * (HEIGHT - TOP - BOTTOM)


class _SvgPen:
    def __init__(self) -> None:
        self._parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}" '
            f'font-family="sans-serif" font-size="{TEXT}" fill="{INK}">',
            f'<rect width="{WIDTH}" height="{HEIGHT}" fill="{WHITE}"/>',
        ]

    def line(self, points: Line, colour: str, width: float, *, dashed: bool = False) -> None:
        dash = f' stroke-dasharray="{DASH[0]:g} {DASH[1]:g}"' if dashed else ""
        self._parts.append(
            f'<polyline points="{_pairs(points)}" fill="none" stroke="{colour}" stroke-width="{width:g}"{dash}/>'
        )

    def area(self, points: Line, colour: str) -> None:
        self._parts.append(f'<polygon points="{_pairs(points)}" fill="{colour}" fill-opacity="0.15"/>')

    def text(self, x: float, y: float, words: str, *, anchor: str = "start", upwards: bool = False) -> None:
        turn = f' transform="rotate(-90 {x:.1f} {y:.1f})"' if upwards else ""
        self._parts.append(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{turn}>{html.escape(words)}</text>')

    def file(self) -> bytes:
        return "\n".join([*self._parts, "</svg>\n"]).encode()


def _pairs(points: Line) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


class _PngPen:
    def __init__(self) -> None:
        from PIL import Image, ImageDraw, ImageFont

        self._image = Image.new("RGB", (WIDTH * SHARPNESS, HEIGHT * SHARPNESS), WHITE)
        self._draw = ImageDraw.Draw(self._image, "RGBA")
        self._font = ImageFont.load_default(TEXT * SHARPNESS)

    def line(self, points: Line, colour: str, width: float, *, dashed: bool = False) -> None:
        for piece in _dashes(points) if dashed else [points]:
            self._draw.line(_scaled(piece), fill=colour, width=max(1, round(width * SHARPNESS)), joint="curve")

    def area(self, points: Line, colour: str) -> None:
        self._draw.polygon(_scaled(points), fill=f"{colour}26")

    def text(self, x: float, y: float, words: str, *, anchor: str = "start", upwards: bool = False) -> None:
        from PIL import Image, ImageDraw

        place = {"start": "ls", "middle": "ms", "end": "rs"}[anchor]
        if not upwards:
            self._draw.text((x * SHARPNESS, y * SHARPNESS), words, fill=INK, font=self._font, anchor=place)
            return
        side = round(self._font.getlength(words)) + TEXT
        strip = Image.new("RGB", (side, 2 * TEXT * SHARPNESS), WHITE)
        ImageDraw.Draw(strip).text((side / 2, 1.5 * TEXT * SHARPNESS), words, fill=INK, font=self._font, anchor="ms")
        turned = strip.rotate(90, expand=True)
        self._image.paste(turned, (round(x * SHARPNESS - 1.5 * TEXT * SHARPNESS), round(y * SHARPNESS - side / 2)))

    def file(self) -> bytes:
        found = io.BytesIO()
        self._image.save(found, "PNG")
        return found.getvalue()


def _scaled(points: Line) -> list[tuple[float, float]]:
    return [(x * SHARPNESS, y * SHARPNESS) for x, y in points]


def _dashes(points: Line) -> list[Line]:
    """Cut a line into its dashes, each a straight piece along it."""
    ends = np.array(points, np.float64).reshape(-1, 2)
    if len(ends) < 2:
        return []
    along = np.append(0.0, np.cumsum(np.hypot(*np.diff(ends, axis=0).T)))
    starts = np.arange(0.0, along[-1], sum(DASH))

    def place(at: np.ndarray) -> np.ndarray:
        return np.column_stack([np.interp(at, along, ends[:, side]) for side in (0, 1)])

    return [[tuple(a), tuple(b)] for a, b in zip(place(starts), place(np.minimum(starts + DASH[0], along[-1])), strict=True)]
