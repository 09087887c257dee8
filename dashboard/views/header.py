"""The header: what workspace this is, how far it is labelled, who labels, and the privacy and theme switches."""

from typing import Any

import panel as pn
import panel_material_ui as pmui
import param

from dashboard.state import SessionState


class Header(pn.viewable.Viewer):
    """Counts on the left, switches on the right."""

    state = param.ClassSelector(class_=SessionState)

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        white = {"color": "#ffffff", "textTransform": "none"}
        self._counts = pmui.Typography(object="", variant="body2", sx=white, margin=(0, 12))
        self._fitting = pmui.Typography(object="", variant="body2", sx=white, margin=(0, 12))
        self._analyst = pmui.TextInput.from_param(
            self.state.param.analyst,
            label="",
            placeholder="analyst",
            size="small",
            width=120,
            margin=(0, 8),
            description="",
            sx={"& input": {"color": "#ffffff"}, "& fieldset": {"borderColor": "#ffffff88"}},
        )
        self._pages = pmui.RadioButtonGroup.from_param(
            self.state.param.page,
            label="",
            options={"Map": "map", "History": "history"},
            size="small",
            sx={
                "& .MuiToggleButton-root": {**white, "borderColor": "#ffffff88"},
                "& .Mui-selected": {"backgroundColor": "#ffffff33 !important", "color": "#ffffff !important"},
            },
            description="",
            margin=(0, 8),
        )
        self._blur = pmui.Switch.from_param(
            self.state.param.blur,
            label="Blur",
            size="small",
            description="",
            sx={"& .MuiFormControlLabel-label, & .MuiTypography-root": white, **white},
            margin=(0, 4),
        )
        self._grey = pmui.Switch.from_param(
            self.state.param.grey,
            label="Grey",
            size="small",
            description="",
            sx={"& .MuiFormControlLabel-label, & .MuiTypography-root": white, **white},
            margin=(0, 4),
        )
        self.state.param.watch(self._draw, ["labels_version", "fitting", "probe_version"])
        self._draw()

    def _draw(self, *_: Any) -> None:
        summary = self.state.workspace.summary()
        self._counts.object = (
            f"{summary['workspace']} · {summary['images']:,} images · {summary['labelled']:,} labelled "
            f"({summary['labelled_teach']:,} teach, {summary['labelled_check']:,} check)"
        )
        probe = f"probe {self.state.probe_version}" if self.state.probe_version else "no probe yet"
        self._fitting.object = "fitting…" if self.state.fitting else f"{probe} · {self.state.device}"

    def __panel__(self) -> pn.viewable.Viewable:
        return pn.Row(
            self._counts,
            self._fitting,
            pn.layout.HSpacer(),
            self._pages,
            self._blur,
            self._grey,
            self._analyst,
            sizing_mode="stretch_width",
            align="center",
            margin=0,
        )
