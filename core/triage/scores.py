"""Scores of all images by the frozen models of points, extended as images come. Safe to call from any thread."""

import threading

import numpy as np

from core.arrays import FloatArray
from core.evidence.frozen import score_rows
from core.evidence.openings import Opening, frozen_scores
from core.evidence.subject import PROBE
from core.workspace import Workspace

AT_ONCE = 65_536  # rows read at a time
KEPT = 10  # openings: one for each policy, and one besides


class FrozenScores:
    """Scores by opening; only images that came since the last time are scored anew."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._lock = threading.Lock()
        self._known: dict[int, FloatArray] = {}  # opening -> (M,), M <= N

    def of(self, opened: Opening) -> FloatArray:
        """Return the score of every image, (N,) float32 of the probe or float64 of a column, not to be written to.

        It is NaN where there is none yet, and for removed images.

        Raises:
            AppError: if its model or embeddings are lost, or its column's scores are others now.
        """
        n = self._workspace.n_images
        with self._lock:
            known = self._known.pop(opened.number, None)
            if known is None or opened.scorer != PROBE:  # a column may change, and get its scores in any order
                known = frozen_scores(self._workspace, opened)
            if len(known) < n:
                known = self._extended(opened, known)
            self._known = dict([*self._known.items(), (opened.number, known)][-KEPT:])
        gone = self._workspace.columns.removed_rows
        if len(known) == n and not len(gone):
            return known
        known = known[:n]
        found = np.concatenate([known, np.full(n - len(known), np.nan, known.dtype)])
        found[gone] = np.nan
        return found

    def _extended(self, opened: Opening, known: FloatArray) -> FloatArray:
        """Score the images after those that are known, until the first that the probe cannot score yet."""
        space, parts = self._workspace, [known]
        for start in range(len(known), space.n_images, AT_ONCE):
            rows = np.arange(start, min(start + AT_ONCE, space.n_images))
            found = score_rows(space, opened.subject, opened.encoder, opened.probe, rows).astype(known.dtype)
            missing = np.flatnonzero(np.isnan(found)) if opened.scorer == PROBE else found[:0]
            parts.append(found[: missing[0]] if len(missing) else found)
            if len(missing):
                break
        return np.concatenate(parts)
