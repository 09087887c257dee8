"""Clusters of the map, and the words read in pictures."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from core.map import clusters
from core.map.clusters import ClusterSummary
from core.map.density import Clustering
from core.notices.find import Notices, notices, search_words
from core.wording import counted
from dashboard.actions.runner import Runner


@dataclass(frozen=True)
class ClusterView:
    """What the Clusters tab shows."""

    found: Clustering | None
    rows: list[ClusterSummary]
    notices: Notices | None


class ClusterActions(Runner):
    """Clusters of the map, and the words read in pictures."""

    def find_clusters(self) -> None:
        """Find the clusters of the map at every grain, read those rich in text, and collect the copyright notices."""
        self.run(self._server.clusters.start, lambda _: None)

    def load_clusters(
        self, grain: str, done: Callable[[ClusterView], None], *, failed: Callable[[], None] = lambda: None
    ) -> None:
        """Load the clusters of a grain with a summary of each, and the copyright notices."""

        def load() -> ClusterView:
            found = clusters.clustering(self.workspace, grain)
            rows = [] if found is None else clusters.summaries(self.workspace, found)
            return ClusterView(found, rows, notices(self.workspace))

        self.run(load, done, on=self._server.slow_pool, failed=failed)

    def find_words(self, words: str) -> None:
        """Select the images that contain these words."""

        def show(rows: np.ndarray) -> None:
            if not len(rows):
                self.say(f"No picture that was read contains '{words}'. Finding clusters reads those with much text on dark.")
                return
            self.state.param.update(selected=rows, last_polygon=None)
            self.say(
                f"Selected {counted(len(rows), 'image')} with the words '{words}', in the picture or in its cluster's title."
            )

        self.run(partial(search_words, self.workspace, words), show, on=self._server.slow_pool)
