"""A field for a number that takes what is typed at every Enter and on leaving it: Panel Material UI's own does so only once."""

import math
import re

import panel_material_ui as pmui

from core.errors import InputError
from dashboard.actions import Actions

LONGEST = 40  # characters
WHOLE = re.compile(r"[0-9]+|[0-9]{1,3}(,[0-9]{3})+")


def number_field(label: str, *, width: int, value: float | None = None) -> pmui.TextInput:
    """Return a small field; read what it says with `number`, write to it what `written` returns."""
    return pmui.TextInput(label=label, value=written(value), size="small", width=width)


def number(text: str) -> float | None:
    """Read what was typed: 0.9, 0,9 or 90%; None for nothing.

    Raises:
        InputError: if it is no number.
    """
    text = text.strip()
    if not text:
        return None
    plain, per = (text[:-1], 100) if text.endswith("%") else (text, 1)
    try:
        found = float(plain.strip().replace(",", ".").replace("−", "-")[:LONGEST]) / per
    except ValueError:
        found = math.nan
    if not math.isfinite(found):
        raise InputError(f"This field needs a number, got '{text[:LONGEST]}'; for example 0.9.")
    return found


def whole_number(text: str) -> int | None:
    """Read a whole number as people write it, 1,000 too; None if it is none."""
    typed = text.strip()
    return int(typed.replace(",", "")) if WHOLE.fullmatch(typed) and len(typed) <= LONGEST else None


def asked_number(actions: Actions, text: str) -> float | None:
    """Read a number field; None, and a sentence, where it holds none."""
    try:
        return number(text)
    except InputError as error:
        actions.say(str(error), error=True)
        return None


def written(value: float | None, decimals: int = 4) -> str:
    """Write a number for such a field, without zeros at its end."""
    if value is None:
        return ""
    text = f"{value:.{decimals}f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text
