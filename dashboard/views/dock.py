"""The evidence dock: the precision-recall curves of the newest probe, and how they came to be with every label."""

import panel as pn
import param

from dashboard.actions import Actions
from dashboard.state import SessionState
from dashboard.views.curves import CurvesPane
from dashboard.views.learning import LearningPane


class Dock(pn.viewable.Viewer):
    """The right column of the Map page, from the first probe on."""

    state = param.ClassSelector(class_=SessionState)
    actions = param.ClassSelector(class_=Actions)

    def __panel__(self) -> pn.viewable.Viewable:
        return pn.Column(
            CurvesPane(state=self.state, actions=self.actions),
            LearningPane(state=self.state),
            sizing_mode="stretch_both",
            margin=0,
            scroll="y-auto",
        )
