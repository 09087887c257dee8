"""Clusters of the map, and the copyright notices among them."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from core.map import clusters
from core.map.clusters import ClusterSummary
from core.map.density import Clustering
from core.notices.find import Notices, notices
from dashboard.actions.runner import Runner


@dataclass(frozen=True)
class ClusterView:
    """What the Clusters tab shows."""

    found: Clustering | None
    rows: list[ClusterSummary]
    notices: Notices | None
    shown: dict[str, int] | None = None  # images of each cluster that pass the filters; None without filters


class ClusterActions(Runner):
    """Clusters of the map, and the copyright notices among them."""

    def find_clusters(self) -> None:
        """Find the clusters of the map at every grain, read those rich in text, and collect the copyright notices."""
        self.add_job("clusters")

    def load_clusters(
        self, grain: str, done: Callable[[ClusterView], None], *, failed: Callable[[], None] = lambda: None
    ) -> None:
        """Load the clusters of a grain with a summary of each, and the copyright notices."""
        filters, colour_by = self.state.filters, self.state.colour_by

        def load() -> ClusterView:
            kept = self.state.shared.kept(filters, colour_by)
            found = clusters.clustering(self.workspace, grain)
            rows = [] if found is None else clusters.summaries(self.workspace, found)
            shown = None
            if found is not None and kept is not None:
                counts = np.bincount(found.codes[kept] + 1, minlength=len(found.names) + 1)[1:]
                shown = dict(zip(found.names, counts.tolist(), strict=True))
            return ClusterView(found, rows, notices(self.workspace), shown)

        self.run(load, done, on=self._server.slow_pool, failed=failed)
