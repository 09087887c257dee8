"""Sentences of the page: HTML in one style, whose classes are in `css/words.css`; and plain text for Material's alerts."""

import re
from collections.abc import Sequence
from typing import Any

import panel as pn

from dashboard.theme import css

WIDEST = 900  # px of running text: longer lines are hard to follow
PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")


def words(text: str = "", *, sheets: Sequence[str] = (), **options: Any) -> pn.pane.HTML:
    """Return a pane of HTML, as wide as there is room if `options` names no width.

    Args:
        sheets: further stylesheets of the page.
    """
    size = {} if "width" in options else {"sizing_mode": "stretch_width"}
    return pn.pane.HTML(text, **{**size, "stylesheets": [css(sheet) for sheet in ("words", "term", *sheets)], **options})


def plain(text: str) -> str:
    """Return a sentence so that Material's alert, which takes Markdown and HTML, shows it as it is."""
    return PUNCTUATION.sub(r"\\\1", text)
