"""The grid index over the map, built once per projection and shared by all tabs."""

import threading

from core.polygon import GridIndex
from core.workspace import Workspace


class SharedMap:
    """Caches the index of the workspace's newest projection."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._lock = threading.Lock()
        self._xy = workspace.xy
        self._grid: GridIndex | None = None

    def grid(self) -> GridIndex:
        """Return the index, rebuilt if the projection has changed."""
        with self._lock:
            if self._grid is None or self._xy is not self._workspace.xy:
                self._xy = self._workspace.xy
                self._grid = GridIndex.build(self._xy)
            return self._grid
