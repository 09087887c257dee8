"""What can be done with the weights of a finished training: embed with them, use their encoder, or why not."""

import html
from functools import partial
from pathlib import Path
from typing import Any

import panel as pn
import panel_material_ui as pmui
import param

from core.encoders.encoder import name_of_weights
from core.errors import AppError
from core.training.runs import RunRecord, RunState
from core.wording import counted
from dashboard.actions import Actions
from dashboard.state import SessionState
from dashboard.theme import styled
from dashboard.views.components.ask import Ask, Paragraph
from dashboard.views.words import WIDEST, words

EMBED, USE = "Embed with these weights…", "Use this encoder"


class TrainedWeights(pn.viewable.Viewer):
    """A card below a finished run: a sentence, and a button where there is something to do."""

    state = param.ClassSelector(class_=SessionState)
    actions = param.ClassSelector(class_=Actions)

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self._file = self._encoder = self._trouble = ""
        self._words = words(margin=(4, 0), max_width=WIDEST)
        self._button = pmui.Button(label=EMBED, size="small", margin=(4, 0), on_click=lambda _: self._on_press())
        self._ask = Ask(width=0, height=0, margin=0)
        self._layout = pn.Column(
            self._words,
            pn.Row(self._button, self._ask, margin=0),
            sizing_mode="stretch_width",
            margin=(4, 8),
            visible=False,
            **styled("card", "success"),
        )
        self.state.param.watch(self._draw, ["embedding", "encoder", "layout"])

    def show(self, record: RunRecord | None) -> None:
        """Show what can be done with the weights of a run; nothing unless it is finished."""
        is_finished = record is not None and record.state == RunState.FINISHED and record.out
        self._file, self._encoder, self._trouble = record.out if record is not None and is_finished else "", "", ""
        self._draw()
        if self._file:
            self.actions.fetch(partial(_held, self._file), partial(self._read, self._file))

    def _read(self, file: str, found: tuple[str, str]) -> None:
        if file == self._file:  # else another run is chosen by now
            self._encoder, self._trouble = found
            self._draw()

    def _draw(self, *_: Any) -> None:
        self._layout.visible = bool(self._encoder or self._trouble)
        if not self._layout.visible:
            return
        said, label = self._standing()
        self._words.object = said
        self._button.param.update(
            visible=bool(label), label=label or EMBED, disabled=bool(self.state.embedding) or not self.state.workspace.writable
        )

    def _standing(self) -> tuple[str, str]:
        """Return a sentence as HTML, and the label of the button, "" for none."""
        if self._trouble:
            return html.escape(self._trouble), ""
        name, file = html.escape(self._encoder), html.escape(Path(self._file).name)
        if self._encoder == self.state.encoder and self.state.workspace.has_map:
            return f"<b>In use.</b> Map, scores and suggestions are those of {name}.", ""
        if self.state.embedding:
            return html.escape(self.state.embedding), EMBED
        known = {encoder["name"]: encoder["mapped"] for encoder in self.state.shared.encoders()}
        if known.get(self._encoder) and self._encoder != self.state.encoder:
            return f"The images are embedded with these weights, as {name}; another encoder is in use.", USE
        return f"The weights are in {file}. Nothing uses them yet.", EMBED

    def _on_press(self) -> None:
        if self._standing()[1] == USE:
            self._button.disabled = True
            self.actions.use_encoder(self._encoder, failed=self._draw)
            return
        n, file = self.state.workspace.n_here, self._file
        kept = f"The embeddings and the map of {self.state.encoder} stay; you can go back to it at any time."
        self._ask.ask(
            f"Embed {counted(n, 'image')} with {Path(file).stem}?",
            [
                Paragraph(
                    heading="",
                    sentences=[
                        "All images are embedded again, the map is laid out anew, and scores are computed anew.",
                        "This is for all windows. Labels can be given meanwhile; there is no lasso until the new map is there.",
                        "Labels, readings of the check set and operating points stay.",
                        *([kept] if self.state.encoder else []),
                    ],
                )
            ],
            go="Embed",
            then=lambda *_: self._embed(file),
        )

    def _embed(self, file: str) -> None:
        self._button.disabled = True  # until the job is there, or it was refused
        self.actions.start_embedding(file, failed=self._draw)

    def __panel__(self) -> pn.viewable.Viewable:
        return self._layout


def _held(file: str) -> tuple[str, str]:
    """Return the name of the encoder that a weights file holds, or "" and a sentence on why it cannot be read."""
    try:
        return name_of_weights(Path(file)), ""
    except (AppError, OSError) as error:
        return "", str(error)
