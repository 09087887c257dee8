"""What a threshold does to each class, by an opening's check labels: estimates, no promise. Verbs take the workspace."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.arrays import BoolArray, FloatArray
from core.catalog.label_book import UNLABELLED
from core.evidence.openings import Opening, flagged_then
from core.evidence.subject import PROBE
from core.maths.logistic import probe_from_bytes
from core.maths.precision_recall import Range, binomial_range
from core.workspace import Workspace


@dataclass(frozen=True)
class ClassLabels:
    """The uniform check labels of an opening by class, as they are now; labels changed to the other side since are left out."""

    names: tuple[str, ...]  # (n,) class of each label
    predicted: tuple[str, ...]  # (n,) class that the frozen probe finds likeliest; "" for a score column
    scores: FloatArray  # (n,)
    flagged: frozenset[str]  # the classes of the policy
    n_changed: int  # labels left out


@dataclass(frozen=True)
class ClassFigures:
    """One class at a threshold. Ranges are 95%."""

    name: str
    flagged: bool
    n: int  # check labels
    reviewed: int  # of those, at or above the threshold
    recall: Range | None  # share of the class that is reviewed; None without labels
    share: Range | None  # of the reviewed check labels that are of the class; None if none is reviewed
    predicted: tuple[tuple[str, int], ...]  # what its labels are predicted as, most frequent first


def class_labels(workspace: Workspace, opened: Opening) -> ClassLabels:
    """Collect the check labels of an opening with what its frozen probe predicts."""
    codes = workspace.labels.codes[opened.rows]
    flagged = np.isin(codes, flagged_then(workspace, opened))
    kept = (codes != UNLABELLED) & (flagged == opened.flagged)
    names = tuple(workspace.class_names[code] for code in codes[kept])
    predicted = _predicted(workspace, opened, kept)
    return ClassLabels(
        names, predicted, opened.scores[kept], frozenset(workspace.named_today(opened.flagged_names)), int((~kept).sum())
    )


def _predicted(workspace: Workspace, opened: Opening, kept: BoolArray) -> tuple[str, ...]:
    if opened.scorer != PROBE:
        return ("",) * int(kept.sum())
    probe = probe_from_bytes(workspace.catalog.models.probe_weights(opened.probe))
    then = workspace.catalog.models.probe_record(opened.probe).get("classes")
    names = [workspace.renames.get(name, name) for name in then or []] or [
        workspace.class_names[code] for code in probe.class_codes
    ]
    x = workspace.embedded(opened.encoder).need_matrix().take(opened.rows[kept])
    return tuple(names[place] for place in (x @ probe.weights + probe.bias).argmax(axis=1))


def by_class(labels: ClassLabels, threshold: float, order: Sequence[str] = ()) -> list[ClassFigures]:
    """Return the figures of every class that has check labels or is flagged: the flagged first, then in the given order."""
    above, names = labels.scores >= threshold, np.array(labels.names, dtype=object)
    every = list(dict.fromkeys([*(name for name in order if name in labels.names), *labels.names, *sorted(labels.flagged)]))
    found = []
    for name in sorted(every, key=lambda name: name not in labels.flagged):
        mine = names == name
        n, reviewed = int(mine.sum()), int((mine & above).sum())
        guesses = [guess for guess, is_mine in zip(labels.predicted, mine.tolist(), strict=True) if is_mine and guess]
        counts = sorted(((guess, guesses.count(guess)) for guess in set(guesses)), key=lambda pair: (-pair[1], pair[0]))
        found.append(
            ClassFigures(
                name=name,
                flagged=name in labels.flagged,
                n=n,
                reviewed=reviewed,
                recall=binomial_range(reviewed, n) if n else None,
                share=binomial_range(reviewed, int(above.sum())) if above.any() else None,
                predicted=tuple(counts),
            )
        )
    return found
