"""Stylesheets take type, spaces and corners from the scale; `docs/reference/looks.md` says what each step is for."""

import re
from pathlib import Path

import pytest

VIEWS = Path(__file__).resolve().parents[2] / "dashboard" / "views"
# Sent before the page's tokens are: a visitor who is not logged in, and the page until its panes are there.
ALONE = ("login.css", "skeleton.css")
SHEETS = [sheet for sheet in (*VIEWS.glob("css/*.css"), *VIEWS.glob("components/*.css")) if sheet.name not in ALONE]
HAIR = 3  # px up to which a space only sets a line off its text
# Class names that are laid over a picture of 54 px.
FINER = {("queue_card.css", "font-size", "9px")}
DECLARATION = re.compile(r"([\w-]+)\s*:\s*([^;{}]+)")
SPACES = re.compile(r"(padding|margin|gap)(-\w+)*|(row|column)-gap")
LENGTH = re.compile(r"(?<![\w.-])([\d.]+)(px|rem)\b")


def strays(sheet: Path, text: str) -> list[tuple[str, str, str]]:
    """Return (file, property, length) of what is off the scale."""
    found = []
    for prop, value in DECLARATION.findall(re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)):
        least = {"font": 0, "font-size": 0, "border-radius": HAIR}.get(prop, HAIR if SPACES.fullmatch(prop) else None)
        value = re.sub(r"/[\d.]+px", "", value) if prop == "font" else value  # the height of its line
        if least is not None:
            found += [
                (sheet.name, prop, number + unit)
                for number, unit in LENGTH.findall(value)
                if unit == "rem" or float(number) > least
            ]
    return [stray for stray in found if stray not in FINER]


@pytest.mark.parametrize("sheet", [sheet for sheet in SHEETS if sheet.name != "scale.css"], ids=lambda sheet: sheet.name)
def test_type_spaces_and_corners_are_of_the_scale(sheet):
    assert strays(sheet, sheet.read_text()) == []


def test_every_step_that_is_used_is_one_of_the_scale():
    steps = set(re.findall(r"(--(?:space|type|round)[\w-]*):", (VIEWS / "css" / "scale.css").read_text()))
    used = {step for sheet in SHEETS for step in re.findall(r"var\((--(?:space|type|round)[\w-]*)\)", sheet.read_text())}
    assert used <= steps


def test_what_is_off_the_scale_would_be_found():
    text = "/* 7px */ a { font: 13px/1.4 serif; padding: 2px 5px; margin-top: var(--space-1); border-radius: 50%; width: 9px; }"
    assert strays(Path("a.css"), text) == [("a.css", "font", "13px"), ("a.css", "padding", "5px")]
