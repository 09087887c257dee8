"""What opening a check set would cost and give, said before it is done. Reveals no scores: it knows counts and terms only."""

import math
from collections.abc import Sequence

from core.evidence.bounds import best_recall, look_alpha, misses_allowed
from core.evidence.check_sets import CheckStatus
from core.evidence.plan import MOST_LOOKS
from core.evidence.sentences import confidence_words, kind, ordinal
from core.wording import counted, percent, target


def looks_left(status: CheckStatus) -> int:
    """Return after how many more looks, this one included, these flagged labels would still allow the promise; at most 20."""
    terms, x, recall = status.check_set, status.n_flagged, status.policy.recall
    alphas = (
        [status.alpha] * MOST_LOOKS if terms.live else [look_alpha(status.look + k, status.error) for k in range(MOST_LOOKS)]
    )
    return next((k for k, alpha in enumerate(alphas) if misses_allowed(x, recall, alpha, live=terms.live) < 0), MOST_LOOKS)


def costs(status: CheckStatus) -> list[str]:
    """Say what opening costs."""
    terms = status.check_set
    whole = 100 * (1 - terms.confidence)
    if terms.live:
        words = [
            f"It takes place {status.look} of the models that this set is watched with, at {confidence_words(status.alpha)} "
            "confidence; looking again at this model is free."
        ]
    else:
        spent = status.alpha / (1 - terms.confidence)
        words = [
            f"It is the {ordinal(status.look)} look. It spends {percent(spent)} of the {whole:.3g}% chance of error that this "
            f"check set has, so its promise needs {confidence_words(status.alpha)} confidence. The next look would need "
            f"{confidence_words(look_alpha(status.look + 1, status.error))}."
        ]
        left = looks_left(status) - 1
        if left > 0:
            many = f"{MOST_LOOKS - 1} or more" if left >= MOST_LOOKS - 1 else f"{left}"
            words.append(
                f"With the labels there are, {many} more {'look' if left == 1 else 'looks'} could promise "
                f"{target(status.policy.recall)} recall; after that, more labels or a new check set are needed."
            )
        else:
            words.append("With the labels there are, no later look could promise as much: it would need more labels.")
    words.append(
        f"What {counted(status.n, 'check label')} say of the scores cannot be hidden again: whoever changes the model after "
        "seeing it needs another look. These labels stay out of the live curves until a new check set is started."
    )
    return words


def gains(status: CheckStatus, names: Sequence[str]) -> list[str]:
    """Say what opening can give at best."""
    terms, recall, x = status.check_set, status.policy.recall, status.n_flagged
    what = kind(names)
    allowed = misses_allowed(x, recall, status.alpha, live=terms.live)
    if allowed < 0:
        words = f"{target(recall)} recall cannot be promised with the {counted(x, 'flagged check label')} there are"
        if terms.live:
            return [f"{words}."]
        best = percent(math.floor(1e4 * best_recall(x, status.alpha)) / 1e4, down=True)
        return [f"{words}. At best it promises {best}, if every image that scores as high as the lowest of them is reviewed."]
    misses = "none" if not allowed else f"up to {allowed:,}"
    return [
        f"A threshold with the promise of {target(recall)} recall: {misses} of the {x:,} {what} check images may lie below it.",
        "The curve, and how many images have to be reviewed for that. This part cannot be known before.",
    ]
