"""One button per class, with its colour and key."""

from collections.abc import Callable
from functools import partial
from typing import Any

import panel as pn
import panel_material_ui as pmui
import param

from dashboard.state import SessionState


class ClassButtons(pn.viewable.Viewer):
    """A click gives the class; the keys do the same and are handled by the page."""

    state = param.ClassSelector(class_=SessionState)
    on_class: Callable[[str | None], None] = param.Callable(doc="Called with the class name.")
    disabled = param.Boolean(default=False)

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self._buttons = [
            pmui.Button(
                label=f"{c.name}  [{c.key}]",
                variant="outlined",
                color="default",
                size="small",
                description=f"Label as {c.name}" + (" (flagged)" if c.flagged else ""),
                sx={"&&&.MuiButton-root": {"borderLeft": f"8px solid {c.colour}"}, "justifyContent": "flex-start"},
                on_click=partial(self._give, c.name),
                margin=(3, 4),
            )
            for c in self.state.workspace.classes
        ]
        for button in self._buttons:
            self.param.watch(lambda event, b=button: setattr(b, "disabled", event.new), "disabled")

    def _give(self, name: str, _event: Any) -> None:
        self.on_class(name)

    def __panel__(self) -> pn.viewable.Viewable:
        return pn.FlexBox(*self._buttons, sizing_mode="stretch_width", margin=0)
