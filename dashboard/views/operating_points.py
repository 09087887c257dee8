"""Saved points of the shown opening, and the bundles that can be exported; part of the Operating point page."""

import html
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import panel as pn
import panel_material_ui as pmui
import param

from core.evidence.openings import Opening
from core.evidence.points import OperatingPoint
from core.evidence.sentences import between, say_threshold, scored
from core.evidence.subject import PROBE
from core.evidence.threshold import Sample, figures_at
from core.wording import percent
from dashboard.actions import Actions
from dashboard.openings import OpeningView
from dashboard.views.download import Download
from dashboard.views.operating_words import SIDE, minute, small
from dashboard.views.words import words


class PointsColumn(pn.viewable.Viewer):
    """Name the threshold shown, put a point in force, export."""

    actions = param.ClassSelector(class_=Actions)
    hold: Callable[..., None] = param.Callable(doc="Called with a threshold to show.")

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self._view: OpeningView | None = None
        self._threshold: float | None = None  # the one that is shown
        self._name = pmui.TextInput(label="Name of this point", value="", size="small", width=180)
        self._save = pmui.Button(label="Save", size="small", margin=(12, 8), on_click=lambda _: self._save_point())
        self._points = pn.Column(width=SIDE, margin=0)
        self._export, self._export_shown = (
            pmui.Button(label="", size="small", variant="outlined", margin=(4, 8), on_click=on_click)
            for on_click in (lambda _: self._on_export(), lambda _: self._on_export(shown=True))
        )
        self._no_export = words(width=SIDE, margin=(0, 8))
        self._download = Download(label="Download", actions=self.actions)
        self._layout = pn.Column(
            pn.Row(self._name, self._save, margin=0),
            self._points,
            self._export,
            self._no_export,
            self._export_shown,
            self._download,
            width=SIDE + 8,
            margin=0,
        )

    def show(self, view: OpeningView) -> None:
        """List the points of an opening."""
        self._view = view
        if view.opened is None or view.sample is None:
            return
        mine = [point for point in view.points if point.opening == view.opened.number]
        head = [small(["Points of this opening, with their figures:"])] if mine else []
        self._points.objects = [
            *(words(text, margin=(0, 8)) for text in head),
            *(self._point_row(point, view, view.opened, view.sample) for point in mine),
        ]

    def _point_row(self, point: OperatingPoint, view: OpeningView, opened: Opening, sample: Sample) -> pn.Column:
        figures, force = figures_at(sample, point.threshold), view.in_force
        reached = scored(opened, point.threshold, sample, by_probe="", by_column=" at scores")
        state = f" <b>in force</b> since {minute(force['at'])}, by {html.escape(force['analyst'])}." if point.in_force else ""
        precision = "not said" if figures.precision is None else percent(figures.precision.value)
        told = (
            f"<b>{html.escape(point.name)}</b>{html.escape(reached)} ({html.escape(point.analyst)}): "
            f"recall {percent(figures.recall.value)} ({between(figures.recall)}), precision {precision}, "
            f"{percent(figures.reviewed_share)} reviewed (counted).{state}"
        )
        show = partial(self.hold, point.threshold, by="point")
        go = pmui.Button(label="Show", size="small", variant="text", color="default", on_click=lambda _: show())
        force_button = pmui.Button(
            label="Put in force", size="small", variant="text", on_click=lambda _, n=point.name: self.actions.put_in_force(n)
        )
        force_button.visible = not point.in_force
        return pn.Column(
            words(f'<div class="note">{told}</div>', width=SIDE, margin=(2, 8, 0, 8)),
            pn.Row(go, force_button, margin=0),
            margin=0,
        )

    def _save_point(self) -> None:
        if self._view is not None and self._view.opened is not None and self._threshold is not None:
            self.actions.save_point(self._name.value, self._threshold, self._view.opened, self._saved)

    def _saved(self) -> None:
        self._name.value = ""

    # -- export --

    def follow(self, threshold: float) -> None:
        """Take in the threshold that is shown now."""
        self._threshold = threshold
        self._name_exports()

    def _name_exports(self) -> None:
        """Say on each button what it writes."""
        view, threshold = self._view, self._threshold
        if view is None or view.opened is None or view.sample is None or threshold is None:
            return
        number = view.opened.number
        kept = next((c for c in view.export if c.opened is not None and c.opened.number == number), None)  # of this opening
        same = kept is not None and view.sample.counted_above(kept.threshold) == view.sample.counted_above(threshold)
        named = {  # as the sentences round it, where its images are known
            choice.policy.name: say_threshold(choice.threshold, view.sample) if choice is kept else f"{choice.threshold:.3f}"
            for choice in view.export
        }
        if len(view.policies) > 1:
            rules = ", ".join(f"{policy} ≥ {score}" for policy, score in named.items())
            self._export.label = f"Export the bundle of all policies: {rules}"
        elif view.export:
            self._export.label = f"Export the bundle of {view.export[0].title}, ≥ {named[view.export[0].policy.name]}"
        several = len(view.policies) > 1
        about = f" for {view.opened.policy}" if several else ""
        at = say_threshold(threshold, view.sample)
        self._export_shown.label = f"Export the threshold shown{about}, ≥ {at}, without a name"
        self._no_export.object = small([view.no_export])
        self._export.param.update(visible=bool(view.export), disabled=False)
        possible = view.opened.scorer == PROBE and bool(view.export or not several)  # a bundle computes no other scores
        self._export_shown.param.update(visible=possible and not same, disabled=False)

    def _on_export(self, *, shown: bool = False) -> None:
        if self._view is None or self._view.opened is None:
            return
        for button in (self._export, self._export_shown):
            button.disabled = True
        (self._export_shown if shown else self._export).label = "Exporting…"
        self._download.withdraw()
        threshold, opened = (self._threshold, self._view.opened) if shown else (None, None)
        self.actions.export_bundle(self._exported, failed=self._name_exports, threshold=threshold, opened=opened)

    def _exported(self, file: Path, what: str) -> None:
        self._name_exports()
        self._download.offer(file.name, file, file.read_bytes)
        self.actions.say(f"Exported {file.name}: {what}. Score new uploads with 'lassoscope score'.")

    def __panel__(self) -> pn.viewable.Viewable:
        return self._layout
