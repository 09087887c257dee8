"""Bulk labels with spot checks: draw a random sample, label with the flipped images, and bound the purity.

A bulk label, its flipped images and all its spot checks share a token; they are undone and redone together.
"""

import hashlib
import secrets
from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np

from core.arrays import IntArray
from core.catalog.criterion import Criterion
from core.catalog.label_book import UNLABELLED
from core.catalog.records import Action, ActionDraft, ActionKind, Source
from core.errors import InputError
from core.labels.actions import LabelResult, commit, label_result, open_to_bulk
from core.labels.classes import class_today
from core.labels.purity import SEEN, Purity, split_in_two
from core.wording import verb
from core.workspace import Workspace

SPOT_CHECK_SIZE = 12  # images in a spot check
BULK = 20  # a label on more images than this asks for a spot check first
ODD_SHARE = 0.02  # share of a selection from which a different prediction by the probe is worth a warning


@dataclass(frozen=True)
class Oddities:
    """Images that do not seem to belong to a selection."""

    rows: IntArray  # (K,) int64, the oddest first
    reasons: tuple[str, ...]  # in words; () = the selection looks uniform


@dataclass(frozen=True)
class SpotCheck:
    """A random sample of a bulk label that an analyst judges, before the label is given or after."""

    rows: IntArray  # all images of the bulk label
    class_name: str
    shown: IntArray  # the sample, drawn at random
    before: Purity  # known before this spot check
    oddities: Oddities
    token: str = ""  # of the bulk label; "" = not given yet


@dataclass(frozen=True)
class SpotCheckResult:
    """What an analyst answered in a spot check."""

    spot_checked: IntArray  # rows drawn by `draw_sample` and judged
    wrong: IntArray  # of those, the ones not of the class
    wrong_class: str | None  # class for the wrong ones; None = this spot check does not label them


@dataclass(frozen=True)
class BulkLabel:
    """One bulk label and what is known of its purity."""

    token: str
    action: Action
    stands: bool
    rows: IntArray  # all its images, including the flipped ones
    spot_checked: IntArray  # of those, the judged ones, drawn at random
    wrong: IntArray  # of those, the ones not of the class
    purity: Purity


def oddities(workspace: Workspace, rows: IntArray, class_name: str) -> Oddities:
    """Check a selection for a mixture: other labels, different predictions by the probe, two groups of embeddings."""
    code, codes = workspace.class_names.index(class_name), workspace.labels.codes[rows]
    found: list[IntArray] = []
    reasons: list[str] = []
    other = rows[(codes != UNLABELLED) & (codes != code)]
    if len(other):
        found.append(other)
        reasons.append(f"{len(other):,} of {len(rows):,} {verb(len(other), 'has', 'have')} another label")
    fitted = workspace.fitted
    if fitted is not None and code in fitted.probe.class_codes:
        predicted = fitted.predicted[rows]
        doubted = rows[(predicted != UNLABELLED) & (predicted != code)]
        if len(doubted) >= max(1, ODD_SHARE * len(rows)):
            found.append(doubted)
            reasons.append(f"the probe predicts another class for {len(doubted):,}")
    apart = _apart(workspace, rows)
    if apart is not None:
        found.append(apart)
        reasons.append(f"about {len(apart) / min(len(rows), SEEN):.0%} differ from the rest")
    if not found:
        return Oddities(np.array([], np.int64), ())
    joined = np.concatenate(found)
    _, first = np.unique(joined, return_index=True)
    return Oddities(joined[np.sort(first)], tuple(reasons))


def _apart(workspace: Workspace, rows: IntArray) -> IntArray | None:
    if workspace.encoder_name is None:
        return None
    from core.devices import to_host

    embedded, rng = workspace.current, np.random.default_rng(0)
    known = rows[rows < embedded.need_matrix().rows]
    if len(known) < BULK:
        return None
    known = known if len(known) <= SEEN else np.sort(rng.choice(known, SEEN, replace=False))
    x = embedded.compute(lambda mine: to_host(mine.standardised(known))[0])
    smaller = split_in_two(x, rng=rng)
    return None if smaller is None else known[smaller]


def draw_sample(rows: IntArray, spot_checked: IntArray, rng: np.random.Generator, *, n: int = SPOT_CHECK_SIZE) -> IntArray:
    """Draw up to n images at random from those not spot-checked yet: (<= n,) int64 rows."""
    left = np.setdiff1d(rows, spot_checked)
    return left[rng.permutation(len(left))[:n]]


def first_spot_check(workspace: Workspace, rows: IntArray, class_name: str) -> SpotCheck:
    """Start a spot check before a selection is labelled; the same selection always has the same sample.

    Otherwise one could cancel and draw again until all images are right, which would void the bound on purity.

    Raises:
        InputError: if the class is unknown, or all images keep their reading from Check.
    """
    class_name = class_today(workspace, class_name)
    open_ = open_to_bulk(workspace, np.unique(rows))
    seed = hashlib.blake2b(open_.astype(np.int64).tobytes(), digest_size=8).digest()
    shown = draw_sample(open_, np.array([], np.int64), np.random.default_rng(int.from_bytes(seed, "big")))
    return SpotCheck(open_, class_name, shown, Purity(class_name, len(open_), 0, 0), oddities(workspace, open_, class_name))


def further_spot_check(workspace: Workspace, token: str, *, rng: np.random.Generator) -> SpotCheck:
    """Start a spot check of further images of a bulk label.

    Raises:
        InputError: if there is no such bulk label, it was undone, all images were spot-checked, or its class was removed.
    """
    bulk = _standing(workspace, token)
    if bulk.purity.class_name not in workspace.class_names:
        raise InputError(
            f"There is no class '{bulk.purity.class_name}' any more; the classes are {', '.join(workspace.class_names)}."
        )
    shown = draw_sample(bulk.rows[~workspace.removed[bulk.rows]], bulk.spot_checked, rng)
    if not len(shown):
        raise InputError(f"All {len(bulk.rows):,} images of this label were spot-checked; none is left.")
    return SpotCheck(bulk.rows, bulk.purity.class_name, shown, bulk.purity, Oddities(np.array([], np.int64), ()), token)


def _standing(workspace: Workspace, token: str) -> BulkLabel:
    bulk = bulk_label(workspace, token)
    if not bulk.stands:
        raise InputError("This bulk label has been undone; redo it on the History page to spot-check more of it.")
    return bulk


def label_bulk(
    workspace: Workspace,
    rows: IntArray,
    class_name: str,
    *,
    analyst: str,
    source: Source,
    criterion: Criterion,
    result: SpotCheckResult,
) -> tuple[LabelResult, BulkLabel]:
    """Label a selection after a spot check, as one unit that is undone as one.

    Args:
        rows: (N,) int64, the selection.
        result: of the spot check; empty if the analyst skipped it.
    Raises:
        InputError: if a class is unknown or nothing is left to label.
    """
    class_name, result = class_today(workspace, class_name), _named_today(workspace, result)
    asked, token = np.unique(rows), secrets.token_hex(8)
    with workspace.lock:  # so that nobody reads one of these in Check at the same time
        open_ = open_to_bulk(workspace, asked)
        result = _within(result, open_)
        right = np.setdiff1d(open_, result.wrong)
        if not len(right):
            raise InputError(f"All {len(open_):,} images were marked as wrong; nothing is left to label '{class_name}'.")
        drafts = _spot_check_drafts(workspace, token, class_name, result, analyst)
        told = criterion | Criterion(bulk=token, images=len(open_))
        drafts.append(ActionDraft(ActionKind.LABEL, analyst, source, right, class_name, told, workspace.guideline))
        action = commit(workspace, drafts)[-1]
    return label_result(workspace, action, n_kept=len(asked) - len(open_)), bulk_label(workspace, token)


def save_spot_check(workspace: Workspace, token: str, *, result: SpotCheckResult, analyst: str) -> BulkLabel:
    """Save a further spot check of a bulk label, and flip the wrong images.

    Raises:
        InputError: if there is no such bulk label, or it was undone.
    """
    result = _named_today(workspace, result)
    bulk = _standing(workspace, token)
    result = _within(result, np.setdiff1d(bulk.rows, bulk.spot_checked))
    with workspace.lock:
        commit(workspace, _spot_check_drafts(workspace, token, bulk.purity.class_name, result, analyst, given=True))
    return bulk_label(workspace, token)


def _named_today(workspace: Workspace, result: SpotCheckResult) -> SpotCheckResult:
    name = result.wrong_class
    return result if name is None else replace(result, wrong_class=class_today(workspace, name))


def _within(result: SpotCheckResult, rows: IntArray) -> SpotCheckResult:
    spot_checked = np.intersect1d(result.spot_checked, rows)
    return SpotCheckResult(spot_checked, np.intersect1d(result.wrong, spot_checked), result.wrong_class)


def _spot_check_drafts(
    workspace: Workspace, token: str, class_name: str, result: SpotCheckResult, analyst: str, *, given: bool = False
) -> list[ActionDraft]:
    """Return the spot check, if any image was judged, and the label of the wrong ones.

    Args:
        given: the bulk label stands already, so a wrong image without another class loses its label.
    """
    drafts = []
    if len(result.spot_checked):
        told = Criterion(bulk=token, wrong=result.wrong.tolist())
        drafts.append(
            ActionDraft(
                ActionKind.SPOT_CHECK, analyst, Source.SPOT_CHECK, result.spot_checked, class_name, told, workspace.guideline
            )
        )
    wrong = result.wrong[~workspace.evidence()[result.wrong]]  # an image that was just read in Check keeps its reading
    if len(wrong) and (result.wrong_class is not None or given):
        told = Criterion(bulk=token, flipped=class_name)
        drafts.append(
            ActionDraft(ActionKind.LABEL, analyst, Source.SINGLE, wrong, result.wrong_class, told, workspace.guideline)
        )
    return drafts


def token_of(action: Action) -> str | None:
    """Return the token of the bulk label that an action gave; None for others, its flips and spot checks included."""
    gave = action.kind == ActionKind.LABEL and action.criterion.images is not None
    return action.criterion.bulk if gave else None


def bulk_label(workspace: Workspace, token: str) -> BulkLabel:
    """Return one bulk label.

    Raises:
        InputError: if there is none with this token.
    """
    found = bulk_labels(workspace, [token])
    if not found:
        raise InputError("There is no such bulk label; the History page lists them.")
    return found[0]


def bulk_labels(workspace: Workspace, tokens: Collection[str]) -> list[BulkLabel]:
    """Return the bulk labels with these tokens, newest first; reads their actions only."""
    with workspace.lock:
        actions = workspace.catalog.labels.actions(workspace.book.bulk_actions(tokens))[::-1]
    spot_checks: dict[str | None, list[Action]] = {}
    for action in actions:
        if action.kind == ActionKind.SPOT_CHECK and action.criterion.wrong is not None:  # else its outcome cannot be read
            spot_checks.setdefault(action.criterion.bulk, []).append(action)
    return [
        _folded(workspace, token, action, spot_checks.get(token, []))
        for action in actions
        if (token := token_of(action)) is not None
    ]


def _folded(workspace: Workspace, token: str, action: Action, spot_checks: list[Action]) -> BulkLabel:
    nothing = np.array([], np.int64)
    spot_checked = np.unique(np.concatenate([nothing, *(each.rows for each in spot_checks)]))
    wrong = np.unique(np.concatenate([nothing, *(np.array(each.criterion.wrong, np.int64) for each in spot_checks)]))
    rows = np.union1d(action.rows, spot_checked)  # images that were wrong in the first spot check never got this class
    purity = Purity(str(workspace.book.class_of(action.seq)), len(rows), len(spot_checked), len(spot_checked) - len(wrong))
    stands = bool(workspace.book.stands(action.seq))
    return BulkLabel(token, action, stands, rows, spot_checked, wrong, purity)
