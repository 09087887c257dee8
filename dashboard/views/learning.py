"""The live learning curve: average precision by labels, with its bound, and what more labels might bring."""

import html
from functools import cache
from typing import Any

import numpy as np
import panel as pn
import param

from core.probe.learning_curve import LearningCurve, describe
from dashboard.charts import Chart, band, dots, line, room_for
from dashboard.state import SessionState
from dashboard.theme import ACTIVE
from dashboard.views.shown import draw_when_shown
from dashboard.views.words import words

HEIGHT = 150  # px
TIPS = (("labels", "@n_labels"), ("average precision", "@average_precision{0.000} (@low{0.000} to @high{0.000})"))
LEAST_TALL = 0.1  # of average precision shown, so that ticks with two decimals differ
FIELDS = ("n_labels", "average_precision", "low", "high")


class LearningPane(pn.viewable.Viewer):
    """A chart and a sentence below the precision-recall curves; hidden while the check labels define nothing."""

    state = param.ClassSelector(class_=SessionState)

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self._chart: Chart | None = None  # until there are two rounds: one point is no curve
        self._place = pn.Column(sizing_mode="stretch_width", margin=0, visible=False)
        self._words = words(margin=(0, 4))
        self._layout = pn.Column(self._words, self._place, sizing_mode="stretch_width", margin=0, visible=False)
        draw_when_shown(self.state, self._draw, ["learning"])

    def _draw(self) -> None:
        curve = self.state.learning
        self._layout.visible = curve is not None
        if curve is not None:
            self._words.object = f'<div class="fine">Check half: {html.escape(describe(curve))}</div>'
            self._place.visible = len(curve.rounds) > 1
            if self._place.visible:
                self._draw_rounds(curve)

    def _draw_rounds(self, curve: LearningCurve) -> None:
        if self._chart is None:
            self._chart = _chart().copy()
            self._place.objects = [pn.pane.Bokeh(self._chart.figure, sizing_mode="stretch_width", margin=0)]
        found = {name: np.array([getattr(r, name) for r in curve.rounds], np.float64) for name in FIELDS}
        for layer, names in (("band", ("n_labels", "low", "high")), ("line", FIELDS[:2]), ("dots", FIELDS)):
            self._chart.show(layer, {name: found[name] for name in names})
        self._chart.zoom(x=room_for(found["n_labels"]), y=_tall(np.concatenate([found["low"], found["high"]])))

    def __panel__(self) -> pn.viewable.Viewable:
        return self._layout


@cache
def _chart() -> Chart:
    """Draw the axes, the bound, the line and its dots; pages show copies."""
    layers = {
        "band": band("n_labels", "low", "high", colour=ACTIVE, alpha=0.2),
        "line": line("n_labels", "average_precision", colour=ACTIVE),
        "dots": dots("n_labels", "average_precision", colour=ACTIVE, more=("low", "high"), tips=TIPS),
    }
    found = Chart(layers, x="labels", y="average precision", xlim=(0, 1), ylim=(0, 1), height=HEIGHT)
    found.plain_ticks(x="0,0", y="0.00", x_step=1, y_step=0.02)
    return found


def _tall(values: np.ndarray) -> tuple[float, float]:
    """Return the part of the axis that shows values between 0 and 1, not less than `LEAST_TALL` of it."""
    low, high = room_for(values)
    spare = max(0.0, LEAST_TALL - (high - low)) / 2
    return max(0.0, low - spare), min(1.02, high + spare)
