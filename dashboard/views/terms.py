"""The terms of the page that are not everyday words, each with one sentence that explains it."""

import html
import re
from functools import cache, lru_cache
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
    "encoder": "The network that turns each picture into numbers, so that similar pictures get similar ones.",
    "known answers": "The classes that came with the images in their file; the model never learns from them.",
    "bundle": "A folder with the model and its threshold, which scores images elsewhere: lassoscope score.",
    "disagreement": "How far the model's answer is from the label that was given; a large one is worth a second look.",
    "grain": "How finely the images are divided: coarse gives few large clusters, fine gives many small ones.",
    "look": "One evaluation of the check set. Each uses up part of the 5% chance of error, so there are few of them.",
    "promise": "A statement about all images, such as 'at least 90% are caught'; the chance that it is wrong is at most 5%.",
    "range": "The range that holds the true figure with a confidence of 95%: of 100 such ranges, 5 may miss it.",
    "score": "How sure the model is that an image is flagged: the higher, the surer; at 0 it is as likely as not.",
    "seeds": "How often the study is repeated, each time with other images drawn at random.",
    "spot check": "A look at a random sample of the pictures that got a label together; it bounds how many of them are wrong.",
    "uncertainty": "How unsure the model is of an image: the higher, the nearer its two likeliest classes are.",
    "strategy": "How images to label are chosen; 'auto' asks for diverse ones first, then for uncertain ones.",
}
# How terms appear in sentences, where not in the very words of the key.
FORMS: dict[str, str] = {
    "average precision": r"average precision|\bAP\b",
    "bundle": r"\bbundles?\b",
    "check half": r"\bcheck (half|images?|labels?|set)\b",
    "encoder": r"\bencoders?\b",
    "grain": r"\bgrain\b",
    "look": r"\blooks? \d|\b(first|second|another) look\b",
    "near-duplicates": r"\bnear-duplicates?\b",
    "precision": r"(?<!average )\bprecision\b",
    "probe": r"\bprobes?\b",
    "promise": r"\b(promises?|promised)\b",
    "range": r"\b9\d(\.\d)?% (sure|range|confidence|interval)|\bintervals?\b",
    "recall": r"\brecall\b",
    "score": r"\bscores?\b",
    "sealed": r"\bsealed\b",
    "seeds": r"\bseeds?\b",
    "spot check": r"\bspot[- ]check(s|ed)?\b",
    "strategy": r"\bstrateg(y|ies)\b",
    "threshold": r"\bthresholds?\b",
}
MARK = 26  # px
EXPLAINED = re.compile(r"<button\b.*?</button>|<[^>]*>", re.DOTALL)  # of HTML: what is no text, or explains itself


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


@cache
def pattern(name: str) -> re.Pattern[str]:
    """Return what finds a term in text."""
    return re.compile(FORMS.get(name, re.escape(name)), re.IGNORECASE)


@lru_cache(512)  # ten windows show the same sentences, some of them after every label
def explained(text: str, names: tuple[str, ...] = tuple(TERMS)) -> str:
    """Return HTML in which each term explains itself where it first appears.

    Args:
        text: HTML; a term in it that is marked already is not marked again.
    """
    for name in names:
        if f'data-told="{html.escape(TERMS[name])}"' in text:
            continue
        start = 0
        for tag in [*EXPLAINED.finditer(text), None]:
            found = pattern(name).search(text, start, len(text) if tag is None else tag.start())
            if found is not None:
                text = text[: found.start()] + term(name, html.unescape(found[0])) + text[found.end() :]
                break
            start = len(text) if tag is None else tag.end()
    return text


def hint(*names: str, **options: Any) -> pn.pane.HTML:
    """Return a question mark that explains terms, to stand beside a field; several are told one after the other."""
    if len(names) == 1:
        return words(term(names[0], "?"), width=MARK, margin=0, align="center", **options)
    told = html.escape(" ".join(f"{name.capitalize()}: {TERMS[name][0].lower()}{TERMS[name][1:]}" for name in names))
    mark = f'<button type="button" class="term mark" data-told="{told}" aria-label="{told}">?</button>'
    return words(mark, width=MARK, margin=0, align="center", **options)
