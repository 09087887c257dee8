"""Compare a workspace's encoders: the same labels, a probe on each, judged on the check half."""

from dataclasses import dataclass
from functools import partial

import numpy as np

from core.catalog.label_book import UNLABELLED
from core.devices import to_host
from core.embeddings.scores import fit_and_score, missing_for_score
from core.encoders.chosen import encoders
from core.probe.curves import MIN_FLAGGED, MIN_FLAGGED_AP, CurveKey, NamedCurve, named_curve
from core.probe.live_curves import CURVE_TITLES
from core.workspace import Workspace


@dataclass(frozen=True)
class Comparison:
    """The performance of one encoder's probe with the current labels."""

    encoder: str
    n_teach: int  # labels it was fitted on
    curve: NamedCurve  # on the check labels for live curves, or why there is none


def compare_encoders(workspace: Workspace) -> list[Comparison]:
    """Fit a probe with each encoder that has embedded all images on the same teach labels, and judge it on the check half.

    Returns:
        one `Comparison` per encoder, oldest first; the current probe does not change.
    """
    codes, evidence, n = workspace.labels.codes, workspace.watched(), workspace.n_images
    title = CURVE_TITLES[CurveKey.CHECK]
    rows = np.flatnonzero((codes != UNLABELLED) & ~workspace.is_check)
    found = []
    for encoder in encoders(workspace):
        name = encoder["name"]
        missing = missing_for_score(codes[rows], workspace.class_names, workspace.flagged_codes)
        if encoder["embedded"] < n:
            missing = f"{name} has embedded {encoder['embedded']:,} of {n:,} images; run 'lassoscope embed' with it."
        if missing:
            undefined = NamedCurve(CurveKey.CHECK, title, None, missing, show_average_precision=False)
            found.append(Comparison(name, len(rows), undefined))
            continue
        fit = partial(fit_and_score, codes=codes, rows=rows, flagged_codes=workspace.flagged_codes, n_images=n)
        score = to_host(workspace.embedded(name).compute(fit)[1].score)[0]
        judged = evidence & ~np.isnan(score)
        flagged = np.isin(codes[judged], workspace.flagged_codes)
        curve = named_curve(
            CurveKey.CHECK, title, score[judged], flagged, min_flagged=MIN_FLAGGED, min_flagged_ap=MIN_FLAGGED_AP
        )
        found.append(Comparison(name, len(rows), curve))
    return found
