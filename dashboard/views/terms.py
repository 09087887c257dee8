"""The terms of the page that are not everyday words, each with one sentence that explains it."""

import html
from typing import Any

import panel as pn

from dashboard.views.words import words

TERMS: dict[str, str] = {
    "average precision": "One figure for the whole curve: how well flagged images are ranked above the others; 1 is perfect.",
    "check half": "The half of the images that the model never learns from, so that its results there prove something.",
    "teach half": "The half of the images that the model learns from.",
    "near-duplicates": "Pictures that show the same image again, such as a smaller copy; they are labelled together.",
    "probe": "The small model that learns from your labels, in about a second after each one, and scores every image.",
    "precision": "Of the images that would be reviewed, the share that is truly flagged.",
    "recall": "Of all flagged images, the share that is caught.",
    "sealed": "Hidden from everybody until the check set is opened, so that nobody can choose by the answer.",
    "threshold": "The score from which on an image is reviewed; images below it are left up.",
    "encoder": "The network that turns each picture into numbers, so that similar pictures lie close together on the map.",
    "known answers": "The classes that came with the images in their file; the model never learns from them.",
}


def term(name: str, shown: str = "") -> str:
    """Return a term as HTML that explains itself.

    Args:
        name: a key of `TERMS`.
        shown: other words for it, such as its plural.
    """
    words = shown or name
    is_mark = words == "?"
    said = html.escape(TERMS[name])
    name_read = said if is_mark else f"{html.escape(words)}: {said}"
    kind = "term mark" if is_mark else "term"
    return f'<button type="button" class="{kind}" data-told="{said}" aria-label="{name_read}">{html.escape(words)}</button>'


def hint(name: str, **options: Any) -> pn.pane.HTML:
    """Return a question mark that explains a term, to stand beside a field."""
    return words(term(name, "?"), width=26, margin=0, align="center", **options)
