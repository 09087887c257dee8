"""Costs and figures by class of a threshold: two of the tabs in the details of the Operating point page."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import panel as pn
import panel_material_ui as pmui
import param

from core.evidence.by_class import ClassFigures, by_class
from core.evidence.costs import Cheapest, Prices, cheapest, cost_per_1000
from core.evidence.sentences import say_threshold
from core.evidence.threshold import figures_at
from core.maths.precision_recall import Range
from core.wording import between, counted, per_thousand
from dashboard.actions import Actions
from dashboard.openings import OpeningView
from dashboard.views.echoes import Echoes
from dashboard.views.number_field import asked_number, number_field, written
from dashboard.views.operating_words import grid, small
from dashboard.views.words import words

BY_CLASS = ("class", "check labels", "reviewed", "recall (95%)", "share of what is reviewed (95%)", "predicted as")


class CostsTab(pn.viewable.Viewer):
    """What wrong decisions cost at the threshold shown, and where they would cost least."""

    actions = param.ClassSelector(class_=Actions)
    hold: Callable[..., None] = param.Callable(doc="Called with a threshold to show.")

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self._view: OpeningView | None = None
        self._threshold: float | None = None
        self._prices = Prices()
        self._found: Cheapest | None = None
        self._miss = number_field("A missed image costs", width=170, value=self._prices.miss)
        self._wrong = number_field("A needless review costs", width=170, value=self._prices.false_alarm)
        self._echoes = {"miss": Echoes(self._miss), "false_alarm": Echoes(self._wrong)}
        for name, field in (("miss", self._miss), ("false_alarm", self._wrong)):
            field.param.watch(lambda event, name=name: self._on_price(name, event.new), "value")
        self._go = pmui.Button(
            label="Show the cheapest threshold", size="small", variant="outlined", color="default", margin=(12, 8),
            on_click=lambda _: self.to_cheapest(),
        )  # fmt: skip
        self._words = words(margin=(0, 8), sheets=["operating"])
        self._layout = pn.Column(
            pn.Row(self._miss, self._wrong, self._go, margin=(8, 0, 0, 0)), self._words, sizing_mode="stretch_width", margin=0
        )

    def show(self, view: OpeningView, threshold: float) -> None:
        """Show the costs at a threshold."""
        other = self._view is None or self._view is not view
        self._view, self._threshold = view, threshold
        if other:
            self._search()
        self._draw()

    def _search(self) -> None:
        view, prices = self._view, self._prices
        sample = None if view is None else view.sample
        if sample is None:
            return

        def found(result: Cheapest) -> None:
            if view is self._view and prices == self._prices:
                self._found = result
                self._draw()

        self._found = None
        self.actions.fetch(lambda: cheapest(sample, prices), found)

    def _on_price(self, name: str, text: str) -> None:
        echoes = self._echoes[name]
        if not echoes.is_persons(text):
            return
        price = asked_number(self.actions, text)
        if price is not None and price <= 0:
            self.actions.say(f"A wrong decision costs more than 0, got {text}; write for example 20.", error=True)
        elif price is not None:
            self.actions.forget_error()
            self._prices = replace(self._prices, **{name: price})
            self._search()
        echoes.write(written(getattr(self._prices, name)))
        self.actions.soon(self._draw)

    def to_cheapest(self) -> None:
        """Show the cheapest threshold."""
        if self._found is not None:
            self.hold(self._found.threshold, by="costs")

    def _draw(self) -> None:
        view, threshold, found = self._view, self._threshold, self._found
        if view is None or view.sample is None or view.opened is None or threshold is None:
            self._words.object = ""
            return
        sample, as_given = view.sample, view.opened.as_given
        rows = [
            [
                "threshold shown",
                say_threshold(threshold, sample),
                _ranged(cost_per_1000(figures_at(sample, threshold), self._prices)),
            ]
        ]
        if found is not None:
            low, high = sorted(map(as_given, found.threshold_range))
            cost = Range(found.cost, *found.cost_range)
            rows.append(["cheapest", f"{as_given(found.threshold):.2f} ({low:.2f} to {high:.2f})", _ranged(cost)])
        said = [
            "Only wrong decisions are counted. The cheapest threshold is an estimate from the check labels with its 95% range, "
            "not a promise: the promise covers thresholds up to its own only."
        ]
        self._words.object = grid(["", "score ≥", "cost of 1,000 images (95%)"], rows) + small(said)

    def __panel__(self) -> pn.viewable.Viewable:
        return self._layout


def _ranged(found: Range) -> str:
    return f"{per_thousand(found.value)} ({per_thousand(found.low, down=True)} to {per_thousand(found.high, up=True)})"


def classes_html(view: OpeningView, threshold: float, order: Sequence[str]) -> str:
    """Write what the threshold does to each class."""
    labels = view.classes
    if labels is None:
        return ""
    rows = [_class_row(figures) for figures in by_class(labels, threshold, order)]
    said = [
        "By the check labels of this opening as they are now; estimates, no promise. What is reviewed of a class that is not "
        "flagged is a false alarm."
    ]
    if labels.n_changed:
        said.append(f"{counted(labels.n_changed, 'label')} changed to the other side since, or undone, not counted here.")
    return grid(BY_CLASS, rows) + small(said)


def _class_row(figures: ClassFigures) -> list[str]:
    def share(found: Range | None) -> str:
        return "not known" if found is None else f"{found.value:.0%} ({between(found.low, found.high)})"

    guesses = ", ".join(f"{name} {n:,}" for name, n in figures.predicted)
    kind = f"{figures.name} (flagged)" if figures.flagged else figures.name
    return [kind, f"{figures.n:,}", f"{figures.reviewed:,}", share(figures.recall), share(figures.share), guesses or "–"]
