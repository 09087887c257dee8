"""The header: what workspace this is, how far it is labelled, who labels, and the privacy and theme switches."""

import html
from typing import Any

import panel as pn
import panel_material_ui as pmui
import param

from core.wording import counted
from dashboard.choices import PageName
from dashboard.state import SessionState
from dashboard.theme import css, styled
from dashboard.views.terms import term


class Header(pn.viewable.Viewer):
    """Counts on the left, switches on the right."""

    state = param.ClassSelector(class_=SessionState)

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        sheets = [css("header"), css("term")]
        # Two lines, cut off where the window is narrow: all else keeps its width, and the header its height.
        self._counts = pn.pane.HTML(
            "",
            css_classes=["line", "gives-way"],
            stylesheets=sheets,
            margin=(0, 8),
            align="center",
            sizing_mode="stretch_width",
        )
        self._fitting = pn.pane.HTML("", css_classes=["line", "wide-only"], stylesheets=sheets, margin=(0, 8), align="center")
        self._analyst = self._signature()
        self._pages = pmui.RadioButtonGroup.from_param(
            self.state.param.page,
            label="",
            options={page.heading: page for page in PageName},
            size="small",
            stylesheets=[css("header")],
            description="",
            margin=(0, 2),
            align="center",
        )
        self._blur, self._grey = (
            pmui.Switch.from_param(
                self.state.param[name],
                label=name.capitalize(),
                size="small",
                description="",
                stylesheets=[css("header")],
                margin=(0, 4),
                align="center",
            )
            for name in ("blur", "grey")
        )
        self.state.param.watch(self._draw, ["labels_version", "fitting", "probe_version", "images"])
        self._draw()

    def _signature(self) -> pn.viewable.Viewable:
        """Return who labels: a field, or with a login the name it was made with, which cannot be changed in the browser."""
        if self.state.signed_in:
            name = f'<span title="The name saved with your labels">{html.escape(self.state.analyst)}</span>'
            return pn.pane.HTML(
                f'{name} <a href="logout">Log out</a>',
                **styled("signature", sheet="header"),
                margin=(0, 8),
                align="center",
            )
        return pmui.TextInput.from_param(
            self.state.param.analyst,
            label="",
            placeholder="analyst",
            size="small",
            width=72,
            margin=(0, 4),
            align="center",
            description="",
            stylesheets=[css("header")],
        )

    def _draw(self, *_: Any) -> None:
        workspace, counts = self.state.workspace, self.state.shared.counts()
        name, images = html.escape(workspace.name), counted(workspace.n_here, "image")
        taught, checked = f"{counts['labelled_teach']:,} teach", f"{counts['labelled_check']:,} check"
        halves = f"{term('teach half', taught)}, {term('check half', checked)}"
        self._counts.object = (
            f'<div class="fits" title="{name}">{images} · {name}</div>'
            f'<div class="fits">{counts["labelled"]:,} labelled ({halves})</div>'
        )
        probe = f"probe {self.state.probe_version}" if self.state.probe_version else "no probe yet"
        shown = term("probe", probe)
        self._fitting.object = "fitting…" if self.state.fitting else f"{shown} · {html.escape(str(self.state.device))}"

    def __panel__(self) -> pn.viewable.Viewable:
        return pn.Row(
            self._counts,
            self._fitting,
            self._pages,
            self._blur,
            self._grey,
            self._analyst,
            sizing_mode="stretch_width",
            align="center",
            margin=0,
        )
