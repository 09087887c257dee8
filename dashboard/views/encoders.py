"""The encoders of a workspace: choose the one whose map, probe and suggestions are shown, and compare them."""

from typing import Any

import panel as pn
import panel_material_ui as pmui
import param

from core.encoders.chosen import KnownEncoder
from core.probe.compare import Comparison
from core.probe.curves import describe_curve
from core.wording import counted
from dashboard.actions import Actions
from dashboard.state import SessionState
from dashboard.views.table import table
from dashboard.views.words import WIDEST, words

ALONE = (
    "One encoder so far. With a second one you could compare which needs fewer labels. To add it, train one below and embed "
    "with it, or type <code>lassoscope embed --encoder NAME</code>, then <code>lassoscope project</code>, beside this server."
)
HEADS = ("Encoder", "Network", "Trained on", "Embedded", "On its map", "On the same labels")
WIDTHS = {"Encoder": "18%", "Network": "17%", "Trained on": "28%", "On the same labels": "23%"}


class EncoderChoice(pn.viewable.Viewer):
    """The encoder that all windows use; hidden while there is no choice."""

    state = param.ClassSelector(class_=SessionState)
    actions = param.ClassSelector(class_=Actions)

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self._select = pmui.Select(
            label="Encoder, for all windows",
            options=[],
            size="small",
            sizing_mode="stretch_width",
            margin=(12, 10, 5, 10),
            visible=False,
        )
        self._select.param.watch(self._on_choice, "value")
        self.state.param.watch(self._follow, ["encoder", "layout"])  # a map that is laid out makes another one choosable
        self._follow()

    def _on_choice(self, event: Any) -> None:
        if event.new and event.new != self.state.encoder:
            self.actions.use_encoder(event.new)

    def _follow(self, *_: Any) -> None:
        """Offer the encoders with a map, and the one in use: a browser that is shown no value takes the first one by itself."""
        names = [encoder["name"] for encoder in self.state.shared.encoders() if encoder["mapped"]]
        if self.state.encoder and self.state.encoder not in names:
            names.append(self.state.encoder)
        self._select.param.update(options=names, value=self.state.encoder or None, visible=len(names) > 1)

    def __panel__(self) -> pn.viewable.Viewable:
        return self._select


class EncodersPane(pn.viewable.Viewer):
    """A table of the encoders, with the figure each one's probe reaches on the check half."""

    state = param.ClassSelector(class_=SessionState)
    actions = param.ClassSelector(class_=Actions)

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self._judged: dict[str, Comparison] = {}
        self._table = pn.Column(sizing_mode="stretch_width", margin=0)
        self._compare = pmui.Button(
            label="Compare on the same labels",
            description="Fit a probe for each encoder on the labels of the teach half, measure it on the check half",
            size="small",
            variant="outlined",
            margin=(8, 8),
            on_click=lambda _: self._start(),
        )
        self._choice = EncoderChoice(state=self.state, actions=self.actions)
        self.state.param.watch(self._draw, ["encoder", "layout"])
        self._draw()

    def _start(self) -> None:
        self._compare.param.update(disabled=True, label="Comparing…")
        self.actions.compare_encoders(self._show, failed=self._ready)

    def _ready(self) -> None:
        self._compare.param.update(disabled=False, label="Compare on the same labels")

    def _show(self, judged: list[Comparison]) -> None:
        self._ready()
        self._judged = {comparison.encoder: comparison for comparison in judged}
        self._draw()

    def _draw(self, *_: Any) -> None:
        known = self.state.shared.encoders()
        self._compare.visible = len(known) > 1
        if len(known) > 1:
            self._table.objects = [table(HEADS, [self._row(encoder) for encoder in known], widths=WIDTHS)]
        else:
            self._table.objects = [words(ALONE, margin=(0, 8), max_width=WIDEST)] if known else []

    def _row(self, encoder: KnownEncoder) -> tuple[str | int, ...]:
        name, judged = encoder["name"], self._judged.get(encoder["name"])
        return (
            f"{name}, in use" if name == self.state.encoder else name,
            str(encoder["record"].get("architecture", "")),
            str(encoder["record"].get("data", "")),
            encoder["embedded"],
            encoder["mapped"],
            f"{describe_curve(judged.curve)}, learned from {counted(judged.n_teach, 'label')}" if judged else "",
        )

    def __panel__(self) -> pn.viewable.Viewable:
        return pn.Column(
            self._table, pn.Row(self._choice, self._compare, width=560, margin=0), sizing_mode="stretch_width", margin=0
        )
