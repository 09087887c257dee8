"""The Clusters tab: the clusters of the map as a list; a click selects one on the map."""

import html
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import panel as pn
import panel_material_ui as pmui
import param

from core.map.clusters import ClusterSummary
from core.map.outlines import Outline
from core.notices.find import RICH
from core.wording import counted
from dashboard.actions import Actions, ClusterView
from dashboard.choices import PageName, Tab
from dashboard.state import SessionState
from dashboard.theme import styled
from dashboard.views.components.cluster_list import ClusterList, Entry
from dashboard.views.selection import SelectionPane
from dashboard.views.shown import draw_when_shown
from dashboard.views.terms import hint

ORDERS = {
    "size": lambda row: -row.size,
    "labelled": lambda row: row.labelled,
    "score": lambda row: -row.score if math.isfinite(row.score) else math.inf,
    "uncertainty": lambda row: -row.uncertainty if math.isfinite(row.uncertainty) else math.inf,
    "disagreement": lambda row: -row.disagreement if math.isfinite(row.disagreement) else math.inf,
    "text on dark": lambda row: -row.text if math.isfinite(row.text) else math.inf,
    "near-duplicates": lambda row: -row.near_duplicates,
}
FILTERS: dict[str, Callable[[ClusterSummary], bool]] = {
    "all": lambda row: True,
    "not all labelled": lambda row: row.labelled < 1,
    "labels differ": lambda row: len(row.labels) > 1 or row.disagreement > 0,
    "text on dark": lambda row: row.text >= RICH,
    "near-duplicates": lambda row: row.near_duplicates > 0,
}
HIDE_NOTICES = ("labels differ", "near-duplicates")
SOME_TEXT = 0.05  # share of text on dark worth a line
NOTICES = "Copyright notices"  # the group across clusters, first in the list


class ClustersPane(pn.viewable.Viewer):
    """Grain, order, filter, and the list; or the pictures of one cluster, opened."""

    state = param.ClassSelector(class_=SessionState)
    actions = param.ClassSelector(class_=Actions)

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self._shown = ClusterView(None, [], None)
        self._rows: list[ClusterSummary] = []  # that are listed, in their order
        self._loading = self._stale = False
        self._grain = pmui.Select.from_param(
            self.state.param.grain, label="Grain", description="", size="small", width=108, margin=(4, 4)
        )
        self._order = pmui.Select(label="Order", options=list(ORDERS), value="size", size="small", width=124, margin=(4, 4))
        self._filter = pmui.Select(label="Show", options=list(FILTERS), value="all", size="small", width=124, margin=(4, 4))
        self._drawn = pmui.Checkbox(label="Outlines on the map", value=True, size="small", margin=(0, 4))
        self._find = pmui.Button(
            label="Find clusters",
            variant="outlined",
            size="small",
            margin=(2, 4),
            on_click=lambda _: self.actions.find_clusters(),
        )
        self._words = pn.pane.HTML("", sizing_mode="stretch_width", margin=4)
        self._progress = pn.pane.HTML("", sizing_mode="stretch_width", margin=(0, 4))
        self._list = ClusterList(
            on_pick=self._pick,
            on_open=self._open,
            view=self.state.privacy_view,
            chosen=self.state.cluster,
            sizing_mode="stretch_both",
        )
        self._opens = _button("Open its pictures", "Show all pictures of the cluster", lambda: self._open(self.state.cluster))
        self._all = pn.Column(
            pn.FlexBox(self._grain, self._order, self._filter, self._drawn, align_items="center", sizing_mode="stretch_width"),
            pn.FlexBox(self._find, self._opens, align_items="center", sizing_mode="stretch_width"),
            self._progress,
            pn.Row(
                self._words,
                hint("grain", "score", "uncertainty", "disagreement"),
                sizing_mode="stretch_width",
                margin=(0, 8, 0, 0),
            ),
            self._list,
            sizing_mode="stretch_both",
            margin=0,
        )
        self._title = pn.pane.HTML("", sizing_mode="stretch_width", margin=(6, 8), align="center")
        steps = (
            _button("← Clusters", "Back to the list", self._close),
            self._title,
            _button("Previous", "The cluster before this one in the list", lambda: self._step(-1)),
            _button("Next", "The cluster after this one in the list", lambda: self._step(1)),
        )
        self._one = pn.Column(
            pn.Row(*steps, sizing_mode="stretch_width", margin=0), sizing_mode="stretch_both", margin=0, visible=False
        )
        self._gallery: SelectionPane | None = None  # built when a cluster is first opened
        self._layout = pn.Column(self._all, self._one, sizing_mode="stretch_both", margin=4, **styled("window"))
        self.state.param.watch(lambda _: self.load(), "grain")
        for widget in (self._order, self._filter, self._drawn):
            widget.param.watch(lambda _: self._draw(), "value")
        watch = self.state.param.watch
        draw_when_shown(
            self.state, self.load, ["labels_version", "probe_version", "encoder", "clusters", "kept"], tab=Tab.CLUSTERS
        )
        watch(lambda event: setattr(self._list, "view", event.new), "privacy_view")
        watch(self._on_cluster, "cluster")
        watch(lambda event: None if len(event.new) else self._close(), "whole")
        watch(self._on_tab, "tab")
        watch(self._draw_finding, "finding")

    def load(self) -> None:
        """Read the clusters. A request during a read is served by one more read afterwards."""
        if self._loading:
            self._stale = True
            return
        self._loading, self._stale = True, False
        self.actions.load_clusters(self.state.grain, self._show, failed=self._loaded)

    def _loaded(self) -> None:
        self._loading = False
        if self._stale:
            self.load()

    def _on_tab(self, *_: Any) -> None:
        self.state.outlines = self._outlines()

    def _show(self, view: ClusterView) -> None:
        self._shown = view
        self._draw()
        self._draw_finding()
        self._loaded()

    def _draw_finding(self, *_: Any) -> None:
        finding, known = self.state.finding, self._shown.found is not None
        label = "Finding…" if finding else "Find again" if known else "Find clusters"
        self._find.param.update(label=label, disabled=bool(finding))
        # Emptied, not hidden: Panel's pane breaks when it is hidden in a tab that was never opened.
        self._progress.object = f'<div role="status">{html.escape(finding)}</div>'

    def _draw(self) -> None:
        rows = sorted(self._shown.rows, key=ORDERS[str(self._order.value)])
        passing = self._shown.shown
        if passing is not None:
            rows = [row for row in rows if passing.get(row.name)]
        rows = [row for row in rows if FILTERS[str(self._filter.value)](row)]
        if self._shown.found is None:
            self._words.object = "This map has no clusters yet. Finding them takes a few seconds."
        else:
            inside = sum(row.size for row in self._shown.rows)
            shown = counted(len(self._shown.rows), "cluster")
            if len(rows) < len(self._shown.rows):
                shown = f"{len(rows):,} of {shown}"
            how = "Click one to select it on the map, double-click to see all its pictures; the arrow keys step through them."
            self._words.object = f"<small>{shown}, {counted(inside, 'image')}. {how}</small>"
        self._rows, titles = rows, self._titles()
        self.state.outlines = self._outlines()
        group = [] if self._filter.value in HIDE_NOTICES else self._notices_entry()
        self._list.entries = [*group, *(self._entry(row, titles.get(row.name, "")) for row in rows)]
        self._on_cluster()

    def _outlines(self) -> list[Outline]:
        """Return the outlines of the clusters that are listed; none while the list is not on the screen."""
        if not (self._drawn.value and self.state.shows(PageName.MAP, Tab.CLUSTERS)):
            return []
        titles = self._titles()
        return [replace(row.outline, title=titles.get(row.name, "")) for row in self._rows]

    def _titles(self) -> dict[str, str]:
        notices = self._shown.notices
        return notices.titles.get(self.state.grain, {}) if notices is not None else {}

    def _notices_entry(self) -> list[Entry]:
        notices, space = self._shown.notices, self.state.workspace
        if notices is None or not len(notices.rows):
            return []
        names = notices.clusters.get(self.state.grain, [])
        pictures = [row.pictures[0] for row in self._shown.rows if row.name in names][:1]
        shown = [*pictures, *notices.rows[:: max(1, len(notices.rows) // 6)]][:6]
        open_ = int((space.labels.codes[notices.rows] < 0).sum())
        unread = not notices.was_read or (names and set(names) <= set(notices.unread.get(self.state.grain, [])))
        told = "found by text on a dark ground only: spot-check before labelling" if unread else "their words were read"
        where = f"in {', '.join(names)}; " if names else ""
        return [
            {
                "name": NOTICES,
                "title": f"{NOTICES} · {counted(len(notices.rows), 'image')}",
                "words": [f"{where}{told}", f"{open_:,} without a label"],
                "pictures": [space.image_id(int(row)) for row in shown],
            }
        ]

    def _size(self, row: ClusterSummary) -> str:
        """Return how many images the cluster has, and how many of them pass the filters."""
        passing = self._shown.shown
        return f"{passing[row.name]:,} of {counted(row.size, 'image')}" if passing is not None else counted(row.size, "image")

    def _entry(self, row: ClusterSummary, title: str) -> Entry:
        labels = ", ".join(f"{name} {n:,}" for name, n in row.labels.items())
        words = [f"{row.labelled:.0%} labelled" + (f": {labels}" if labels else "")]
        if math.isfinite(row.score):
            words.append(f"mean score {row.score:+.1f}, mean uncertainty {row.uncertainty:.2f}")
        if row.disagreement > 0:
            words.append(f"{row.disagreement:.1%} of the labels disagree with the model")
        if row.text >= SOME_TEXT:
            words.append(f"text on dark: {row.text:.0%}")
        if row.near_duplicates:
            words.append(f"{row.near_duplicates:.1%} have a near-duplicate")
        return {
            "name": row.name,
            "title": f"{row.name} · {self._size(row)}" + (f" · {title}" if title else ""),
            "words": words,
            "pictures": [self.state.workspace.image_id(int(picture)) for picture in row.pictures],
        }

    def _members(self, name: str) -> np.ndarray | None:
        if name == NOTICES and self._shown.notices is not None:
            return self._shown.notices.rows
        found = self._shown.found
        return found.rows(name) if found is not None and name in found.names else None

    def _pick(self, name: str) -> None:
        members = self._members(name)
        if members is not None:
            self.state.select(members, cluster=name)

    # -- one of them, opened --

    def _open(self, name: str) -> None:
        """Show all pictures of a cluster, which is then the selection."""
        if name != self.state.cluster:
            self._pick(name)
        if not name or name != self.state.cluster:  # there is no such cluster any more
            return
        self._all.visible, self._one.visible = False, True
        if self._gallery is None:
            self._gallery = SelectionPane(state=self.state, actions=self.actions, tab=Tab.CLUSTERS)
            self._one.append(self._gallery)
        self._gallery.open = True
        self._on_cluster()

    def _close(self) -> None:
        self._all.visible, self._one.visible = True, False
        if self._gallery is not None:
            self._gallery.open = False

    def _step(self, by: int) -> None:
        names = [entry["name"] for entry in self._list.entries]
        at = names.index(self.state.cluster) + by if self.state.cluster in names else 0
        if 0 <= at < len(names):
            self._pick(names[at])

    def _on_cluster(self, *_: Any) -> None:
        name = self.state.cluster
        self._list.chosen = name
        self._opens.disabled = not name
        title = next((entry["title"] for entry in self._list.entries if entry["name"] == name), name)
        self._title.object = f"<b>{html.escape(title or 'Changed by hand')}</b>"

    def __panel__(self) -> pn.viewable.Viewable:
        return self._layout


def _button(label: str, does: str, on_click: Callable[[], None]) -> pmui.Button:
    return pmui.Button(
        label=label,
        description=does,
        variant="outlined",
        color="default",
        size="small",
        margin=(2, 4),
        on_click=lambda _: on_click(),
    )
