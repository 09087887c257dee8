"""The button of the rail that opens the form for classes, guideline and the workspace's name."""

from functools import partial
from typing import Any

import panel as pn
import param

from core.labels.class_edits import counts_of
from dashboard.actions import Actions
from dashboard.state import SessionState
from dashboard.views.components.class_form import ClassForm, ClassLine, Edited


def lines_of(state: SessionState) -> list[ClassLine]:
    """Return the classes as the form shows them."""
    counts = counts_of(state.workspace)
    return [
        ClassLine(name=c.name, colour=c.colour, key=c.key, flagged=c.flagged, count=counts.get(c.name, 0), retired=c.retired)
        for c in state.workspace.classes
    ]


class ClassSettings(pn.viewable.Viewer):
    """A button and its dialog."""

    state = param.ClassSelector(class_=SessionState)
    actions = param.ClassSelector(class_=Actions)

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self._form = ClassForm(on_edit=self._on_edit, margin=(4, 8, 12, 8))

    def _open(self) -> None:
        """Show what is known now. Not before it is asked for: each label changes the counts."""
        space = self.state.workspace
        self._form.param.update(classes=lines_of(self.state), workspace_name=space.name, guideline=space.guideline, refusal="")
        self._form.opens += 1

    def _on_edit(self, edited: Edited) -> None:
        if edited.verb == "open":
            self.actions.soon(self._open)
        elif edited.verb == "save":
            self.actions.soon(partial(self._save, edited))

    def _save(self, edited: Edited) -> None:
        self._form.param.update(busy=True, refusal="")
        edits = [line.edit() for line in edited.classes]
        self.actions.edit_classes(
            edits,
            guideline=edited.guideline.strip(),
            name=edited.name.strip(),
            done=self._saved,
            refused=self._refused,
            failed=partial(self._refused, ""),
        )

    def _saved(self) -> None:
        self._form.param.update(busy=False, saved=self._form.saved + 1)

    def _refused(self, why: str) -> None:
        self._form.param.update(busy=False, refusal=why)

    def __panel__(self) -> pn.viewable.Viewable:
        return self._form
