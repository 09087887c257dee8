"""The live learning curve: average precision by labels, with its bound, and what more labels might bring."""

import html
from typing import Any

import numpy as np
import panel as pn
import param
from bokeh.models import ColumnDataSource, HoverTool
from bokeh.plotting import figure

from core.probe.learning_curve import LearningCurve, describe
from dashboard.state import SessionState
from dashboard.views.shown import draw_when_shown

HEIGHT = 130  # px
COLOUR = "#0072b2"
FIELDS = ("n_labels", "average_precision", "low", "high")


class LearningPane(pn.viewable.Viewer):
    """A chart and a sentence below the precision-recall curves; hidden while the check labels define nothing."""

    state = param.ClassSelector(class_=SessionState)

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self._chart = pn.Column(sizing_mode="stretch_width", margin=0)
        self._words = pn.pane.HTML("", sizing_mode="stretch_width", margin=(0, 4))
        self._layout = pn.Column(self._words, self._chart, sizing_mode="stretch_width", margin=0, visible=False)
        draw_when_shown(self.state, self._draw, ["learning"])

    def _draw(self) -> None:
        curve = self.state.learning
        self._layout.visible = curve is not None
        if curve is not None:
            self._words.object = f'<div style="font-size:11px">Check half: {html.escape(describe(curve))}</div>'
            several = len(curve.rounds) > 1  # one point is no curve
            self._chart.objects = [pn.pane.Bokeh(draw(curve), sizing_mode="stretch_width", margin=0)] if several else []

    def __panel__(self) -> pn.viewable.Viewable:
        return self._layout


def draw(curve: LearningCurve) -> figure:
    """Draw average precision by labels with its 95% interval."""
    source = ColumnDataSource({name: np.array([getattr(r, name) for r in curve.rounds]) for name in FIELDS})
    chart = figure(
        height=HEIGHT, x_axis_label="labels", y_axis_label="AP", toolbar_location=None, tools="", sizing_mode="stretch_width"
    )
    chart.varea("n_labels", "low", "high", source=source, color=COLOUR, alpha=0.2)
    chart.line("n_labels", "average_precision", source=source, color=COLOUR, line_width=2)
    dots = chart.scatter("n_labels", "average_precision", source=source, color=COLOUR, size=5)
    tips = [("labels", "@n_labels"), ("AP", "@average_precision{0.000} (@low{0.000} to @high{0.000})")]
    chart.add_tools(HoverTool(renderers=[dots], tooltips=tips))
    return chart
