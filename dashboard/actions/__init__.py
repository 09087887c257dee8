"""The effects of clicks and keys, by subject; `Actions` has those of one tab."""

from dashboard.actions.clusters import ClusterView
from dashboard.actions.tab import Actions

__all__ = ["Actions", "ClusterView"]
