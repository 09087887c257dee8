"""Saved points of the shown opening, and the bundles that can be exported; part of the Operating point page."""

import math
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypedDict

import panel as pn
import panel_material_ui as pmui
import param

from core.evidence.openings import Opening
from core.evidence.points import OperatingPoint
from core.evidence.sentences import say_threshold, scored
from core.evidence.subject import PROBE
from core.evidence.thousand import thousand
from core.evidence.threshold import figures_at
from core.wording import percents
from dashboard.actions import Actions
from dashboard.openings import OpeningView
from dashboard.times import minute
from dashboard.views.components.ask import Ask, Option
from dashboard.views.download import Download
from dashboard.views.operating_words import grid, small
from dashboard.views.words import words

COMPARED = (
    "point", "threshold", "promised", "recall (95%)", "precision (95%)", "reviewed of 1,000", "caught", "false alarms",
    "missed", "",
)  # fmt: skip


class Export(TypedDict, total=False):
    """What a bundle is written of; nothing = the point in force, else the promise."""

    point: str
    threshold: float
    opened: Opening


class PointsColumn(pn.viewable.Viewer):
    """Saved points side by side; name the threshold shown, put a point in force, export."""

    actions = param.ClassSelector(class_=Actions)
    hold: Callable[..., None] = param.Callable(doc="Called with a threshold to show.")
    ask = param.ClassSelector(class_=Ask, doc="What asks before anything is done.")

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self._view: OpeningView | None = None
        self._threshold: float | None = None  # the one that is shown
        self._stopped: threading.Event | None = None  # of the export that runs
        self._table = words(margin=(0, 8), sheets=["operating"])
        self._points = pn.FlexBox(margin=0)
        self.download = Download(label="Download", actions=self.actions)
        self._layout = pn.Column(self._table, self._points, sizing_mode="stretch_width", margin=0)

    def show(self, view: OpeningView) -> None:
        """Show the points of an opening."""
        self._view = view
        self._points.objects = [
            pmui.Button(
                label=f"Show '{point.name}'", size="small", variant="text", color="default", margin=(0, 4),
                on_click=lambda _, at=point.threshold: self.hold(at, by="point"),
            )
            for point in self._mine()
        ]  # fmt: skip
        self.draw()

    def follow(self, threshold: float) -> None:
        """Take in the threshold that is shown now; it is drawn by `draw`."""
        self._threshold = threshold

    def _mine(self) -> list[OperatingPoint]:
        view = self._view
        return [] if view is None or view.opened is None else [p for p in view.points if p.opening == view.opened.number]

    def draw(self) -> None:
        """Draw the table, which has a row for the threshold that is shown."""
        view = self._view
        if view is None or view.opened is None or view.sample is None:
            self._table.object = ""
            return
        mine = self._mine()
        rows = [self._row(point.name, point.threshold, view, point) for point in mine]
        if self._threshold is not None:
            rows.append(self._row("shown now", self._threshold, view, None))
        note = "No point is saved of this opening yet: save the threshold shown under a name." if not mine else ""
        self._table.object = grid(COMPARED, rows, marked=len(mine) if self._threshold is not None else None) + small([note])

    def _row(self, name: str, threshold: float, view: OpeningView, point: OperatingPoint | None) -> list[str]:
        """Return a point as a row of the comparison."""
        opened, sample = view.opened, view.sample
        if opened is None or sample is None:
            return []
        figures, force = figures_at(sample, threshold), view.in_force
        found = thousand(figures)
        precision = "not said" if figures.precision is None else percents(*figures.precision)
        state = "" if point is None else f"saved by {point.analyst}"
        if point is not None and point.in_force:
            state = f"in force since {minute(force['at'], self.actions.state.zone)}, by {force['analyst']}"
        covered = opened.threshold is not None and figures.threshold <= opened.threshold
        return [
            name,
            scored(opened, threshold, sample, by_probe="", by_column="").strip(),
            "yes" if covered else "no",
            percents(*figures.recall),
            precision,
            found.reviewed.said,
            found.caught.said,
            found.false_alarms.said,
            found.missed.said,
            state,
        ]

    # -- choose, put in force --

    def ask_name(self) -> None:
        """Ask for a name of the threshold that is shown."""
        view, threshold = self._view, self._threshold
        if view is None or view.opened is None or view.sample is None or threshold is None:
            return
        opened, covered = view.opened, view.opened.threshold is not None and threshold <= view.opened.threshold
        promised = "The promise covers it." if covered else "The promise does not cover it: its figures are estimates."
        at = scored(opened, threshold, view.sample, by_probe="scores", by_column="scores").strip()
        self.ask.ask(
            "Save this threshold as an operating point?",
            [{"heading": "", "sentences": [f"Images with {at} are reviewed.", promised]}],
            go="Save",
            field="Name of this point",
            needed=True,
            then=lambda _, name: self.actions.save_point(name, threshold, opened, lambda: None),
        )

    def ask_force(self) -> None:
        """Ask which point to put in force."""
        view = self._view
        if view is None or view.opened is None or view.sample is None:
            return
        opened, sample = view.opened, view.sample
        waiting = sorted(self._mine(), key=lambda point: point.in_force)

        def about_point(point: OperatingPoint) -> str:
            at = scored(opened, point.threshold, sample, by_probe="score", by_column="scores").strip()
            return f"'{point.name}', {at}{', in force now' if point.in_force else ''}"

        options: list[Option] = [{"value": point.name, "label": about_point(point)} for point in waiting]
        about = f" for the policy '{opened.policy}'" if opened.policy else ""
        self.ask.ask(
            f"Put an operating point in force{about}?",
            [{"heading": "", "sentences": ["Everybody sees which point is in force; who put it there and when is kept."]}],
            go="Put in force",
            options=options,
            then=lambda name, _: self.actions.put_in_force(name),
        )

    # -- export --

    def exports(self) -> dict[str, tuple[str, Export]]:
        """Return what can be exported: key -> (words that name point and threshold, arguments of the export)."""
        view, threshold = self._view, self._threshold
        if view is None or view.opened is None or view.sample is None or threshold is None:
            return {}
        sample, opened, several = view.sample, view.opened, len(view.policies) > 1

        def at(score: float) -> str:
            return f"score ≥ {say_threshold(score, sample)}"

        found: dict[str, tuple[str, Export]] = {}
        kept = next((c for c in view.export if c.opened is not None and c.opened.number == opened.number), None)
        named = {c.policy.name: at(c.threshold) if c is kept else f"score ≥ {c.threshold:.3f}" for c in view.export}
        if several and view.export:
            rules = "; ".join(f"{c.policy.name}: {c.title}, {named[c.policy.name]}" for c in view.export)
            found["rule"] = (f"All policies: {rules}", {})
        elif view.export:
            found["rule"] = (f"{view.export[0].title.capitalize()}, {named[view.export[0].policy.name]}", {})
        if opened.scorer != PROBE or (several and not view.export):
            return found
        used = {c.name for c in view.export}
        about = f" for {opened.policy}" if several else ""
        for point in self._mine():
            if point.name not in used:
                words_ = f"Operating point '{point.name}'{about}, not in force, {at(point.threshold)}"
                found[f"point {point.name}"] = (words_, {"point": point.name})
        known = [kept.threshold if kept is not None else math.nan, *(point.threshold for point in self._mine())]
        if not any(sample.counted_above(score) == sample.counted_above(threshold) for score in known if not math.isnan(score)):
            words_ = f"The threshold shown{about}, without a name, {at(threshold)}"
            found["shown"] = (words_, {"threshold": threshold, "opened": opened})
        return found

    def ask_export(self) -> None:
        """Ask what to export."""
        found = self.exports()
        if not found:
            why = "" if self._view is None else self._view.no_export
            self.actions.say(why or "Nothing can be exported yet; open the check set first.", error=True)
            return
        (first, _), *more = found.values()
        options: list[Option] = [{"value": key, "label": words_} for key, (words_, _) in found.items()] if more else []
        says = [] if more else [f"{first}."]
        says.append(
            "It holds encoder, probe, threshold, promise and model card; new images are scored by it without the workspace."
        )
        self.ask.ask(
            "Export a bundle?",
            [{"heading": "", "sentences": says}],
            go="Export",
            options=options,
            then=lambda key, _: self.export(found[key or next(iter(found))][1]),
        )

    def export(self, what: Export) -> None:
        """Write a bundle, with a bar and a way to cancel."""
        stopped = self._stopped = threading.Event()
        self.download.withdraw()

        def cancel() -> None:
            stopped.set()
            self.ask.close()
            self.actions.say("The export is being cancelled; nothing will be written.")

        def tell(share: float) -> None:
            if self._stopped is stopped and not stopped.is_set():
                self.ask.progress = share

        def done(file: Path, about: str) -> None:
            self.ask.close()
            self.download.offer(file.name, file, file.read_bytes)
            self.actions.say(f"Exported {file.name}: {about}. Score new uploads with 'lassoscope score'.")

        self.ask.work(cancel)
        self.actions.export_bundle(
            done, failed=lambda: None if stopped.is_set() else self.ask.close(), on_progress=tell, stop=stopped.is_set, **what
        )

    def __panel__(self) -> pn.viewable.Viewable:
        return self._layout
