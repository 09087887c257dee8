"""The filters that a workspace offers, with the values there are and how many images have each. Reads the catalog."""

from collections.abc import Iterable
from typing import TypedDict

import numpy as np

from core.filters.conditions import SPECIAL, UNLABELLED_NAME, UNSURE_NAME, Copies
from core.map.clusters import clustering
from core.map.density import GRAINS
from core.maths.halves import Half
from core.score_columns.files import header_of
from core.score_columns.keep import score_columns
from core.workspace import Workspace

MOST_CHOICES = 200  # values of a column that are offered, the most frequent ones
UNBOUNDED = 1e300


class Choice(TypedDict):
    """A value to choose."""

    value: str
    words: str
    n: int  # images; -1 = not counted


class Offer(TypedDict):
    """A kind of filter with its form."""

    kind: str  # of `core.filters.conditions`
    column: str  # "" where it is about none
    words: str
    form: str  # "choices" (several), "choice" (one), "range", "text" or "since"
    choices: list[Choice]
    hint: str  # what the form is about, in a few words
    low: float  # ends of what a range may hold
    high: float


def filter_offers(workspace: Workspace) -> list[Offer]:
    """Return the filters in the order of the menu."""
    by_class, codes = workspace.labels.by_class, workspace.labels.codes
    n_removed = len(workspace.columns.removed_rows)
    classes = _choices(zip(workspace.class_names, by_class, strict=True))
    rest = ((UNLABELLED_NAME, int((codes < 0).sum()) - n_removed), (UNSURE_NAME, int(workspace.unsure.sum())))
    n_check = int(workspace.is_check.sum())
    n_copies = len(workspace.columns.with_copies)
    analysts = workspace.book.analysts()
    times = workspace.catalog.images.additions()
    ends = [*(first for first, _ in times), workspace.n_images][1:]
    added = [_choice(at, end - first) for (first, at), end in zip(times, ends, strict=True)]
    return [
        _offer("class", "Label", "choices", [*classes, *_choices(rest)]),
        _offer(
            "predicted", "What the model says", "choices", _choices((name, -1) for name in workspace.class_names), hint=SEALED
        ),
        _offer("score", "Score", "range", hint=f"The model's probability of flagged, in %. {SEALED}", low=0, high=100),
        _offer("uncertainty", "Uncertainty", "range", hint=f"From 0, certain, to 1. {SEALED}", low=0, high=1),
        _offer("half", "Half", "choice", _choices([(Half.TEACH, workspace.n_here - n_check), (Half.CHECK, n_check)])),
        _offer(
            "cluster", "Cluster", "choices", clusters := _clusters(workspace), hint="" if clusters else "None were found yet."
        ),
        _offer("by", "Labelled by", "choices", _choices(analysts.items()), hint="" if analysts else "Nobody has labelled yet."),
        _offer("added", "Added since", "since", added[::-1], hint="The ingests there were, in your time zone."),
        _offer("file", "File name", "text", hint="A part of the name; with a / a part of the whole path."),
        _offer("words", "Words in pictures", "text", hint="As far as pictures were read: those with much text on dark."),
        _offer(
            "copies",
            "Near-duplicates",
            "choice",
            [_choice(Copies.SOME, n_copies, "has some"), _choice(Copies.NONE, workspace.n_here - n_copies, "has none")],
        ),
        _offer("size", "Image size", "range", hint="The longer side, in px.", low=0),
        *_columns(workspace),
    ]


SEALED = "Sealed check images are left out."


def _columns(workspace: Workspace) -> list[Offer]:
    found = [
        _offer("number", header, "range", column=header, hint=f"Higher = more likely flagged. {SEALED}")
        for header in (header_of(column.name) for column in score_columns(workspace))
    ]
    for column in workspace.catalog.images.gold_columns():
        most, n_different, are_numbers = workspace.catalog.images.gold_most(column, MOST_CHOICES)
        more = f"The {MOST_CHOICES} most frequent of {n_different:,} values." if n_different > len(most) else ""
        found.append(_offer("value", f"{column} (column)", "choices", _choices(most.items()), column=column, hint=more))
        if are_numbers:
            found.append(_offer("number", f"{column} (range)", "range", column=column, hint=SEALED))
    return found


def _clusters(workspace: Workspace) -> list[Choice]:
    found: list[Choice] = []
    for grain in GRAINS:
        if (clusters := clustering(workspace, grain)) is not None:
            sizes = np.bincount(clusters.codes[clusters.codes >= 0], minlength=len(clusters.names))
            found += _choices(zip(clusters.names, sizes.tolist(), strict=True))
    return found[:MOST_CHOICES]


def _offer(
    kind: str,
    words: str,
    form: str,
    choices: list[Choice] | None = None,
    *,
    column: str = "",
    hint: str = "",
    low: float = -UNBOUNDED,
    high: float = UNBOUNDED,
) -> Offer:
    return Offer(kind=kind, column=column, words=words, form=form, choices=choices or [], hint=hint, low=low, high=high)


def _choices(counted: Iterable[tuple[str, int]]) -> list[Choice]:
    return [_choice(value, n) for value, n in counted]


def _choice(value: str, n: int, words: str = "") -> Choice:
    return Choice(value=value, words=words or SPECIAL.get(value, value), n=n)
