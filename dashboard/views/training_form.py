"""The form of a new training: a preset, how often, a name for the weights; all else is as the command has it by default."""

import html
from typing import Any

import panel as pn
import panel_material_ui as pmui
import param

from core.errors import InputError
from core.training.planned import FIRST_NAME, expected_seconds, free_name
from core.training.presets import FOR_GPUS, PRESETS, USUAL
from core.wording import counted
from dashboard.actions import Actions
from dashboard.state import SessionState
from dashboard.views.jobs import time_words
from dashboard.views.number_field import LONGEST, number_field, whole_number
from dashboard.views.words import WIDEST, words

FIELD_MARGIN = (12, 8, 4, 8)
MEASURE = "Measure how long it takes here"
TOLD = {
    "tiny-32": "Sees pictures at 32 px: shapes and colours, no small detail. The quickest; for small pictures.",
    "tiny-64": "Sees pictures at 64 px, enough for what most photos show.",
    "small-64": "Sees pictures at 64 px with a larger network: for twenty thousand pictures or more.",
    "small-224": "Sees pictures at 224 px, small details too, as in the research paper: by far the slowest.",
}


class TrainingForm(pn.viewable.Viewer):
    """Three fields, what the choice means, and a button that says why it cannot be pressed."""

    state = param.ClassSelector(class_=SessionState)
    actions = param.ClassSelector(class_=Actions)

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self._suggested = FIRST_NAME
        self._preset = pmui.Select(
            label="Preset",
            options={f"{name}, {config.architecture.input_size} px": name for name, config in PRESETS.items()},
            value=USUAL,
            size="small",
            width=200,
            margin=FIELD_MARGIN,
        )
        self._epochs = number_field("Passes over the images", width=190, value=PRESETS[USUAL].epochs)
        self._epochs.margin = FIELD_MARGIN
        self._name = pmui.TextInput(
            label="Name of the weights", value=self._suggested, size="small", width=190, margin=FIELD_MARGIN
        )
        self._start = pmui.Button(
            label="Train on these images", size="small", margin=FIELD_MARGIN, on_click=lambda _: self._on_start()
        )
        self._told = words(margin=(0, 8), max_width=WIDEST)
        self._paces: dict[str, float] = {}  # images a second, by preset, as measured on request
        self._measure = pmui.Button(
            label=MEASURE,
            description="Train a few steps on made-up pictures, and keep nothing of them",
            variant="text",
            size="small",
            margin=(0, 4),
            on_click=lambda _: self._on_measure(),
        )
        self._refusal = words(margin=(0, 8), max_width=WIDEST)
        self._layout = pn.Column(
            pn.FlexBox(self._preset, self._epochs, self._name, self._start, align_items="center", margin=0),
            self._told,
            self._measure,
            self._refusal,
            sizing_mode="stretch_width",
            margin=0,
        )
        self._preset.param.watch(self._on_preset, "value")
        self._epochs.param.watch(self._tell, "value")
        self.state.param.watch(self._follow, ["jobs", "images"])
        self.state.param.watch(self._on_runs, "training")
        self._tell()
        self._follow()

    def _on_preset(self, event: Any) -> None:
        if event.new in PRESETS and self._epochs.value.strip() == str(PRESETS[event.old].epochs):  # else a person chose it
            self._epochs.value = str(PRESETS[event.new].epochs)
        self._tell()

    def _on_runs(self, *_: Any) -> None:
        """Suggest another name where a run has taken the one that is suggested, and tell time by the newest run."""
        self.actions.fetch(lambda: free_name(self.state.workspace), self._suggest)
        self._tell()

    def _suggest(self, name: str) -> None:
        if self._name.value == self._suggested:  # else a person has typed it
            self._name.value = name
        self._suggested = name

    def _tell(self, *_: Any) -> None:
        preset = self._preset.value
        if preset not in PRESETS:  # a browser may send any value
            return
        n, parts = self.state.workspace.n_here, [TOLD[preset]]
        if self.state.device != "cpu":
            parts.append("This server trains on its GPU.")
        elif preset in FOR_GPUS:
            parts.append("<b>It is made for GPUs, and this server uses none: it will be very slow.</b>")
        else:
            parts.append("This server uses no GPU, and it needs none.")
        parts.extend(self._time(preset, n))
        parts.append(f"All {counted(n, 'image')} are used, without their labels.")
        self._told.object = f'<div class="note">{" ".join(parts)}</div>'

    def _time(self, preset: str, n: int) -> list[str]:
        """Say how long a training takes where that was measured."""
        try:
            epochs = _passes(self._epochs.value)
        except InputError:  # said when it is to begin
            return []
        if pace := self._paces.get(preset):
            return [f"Some steps measured just now: it takes about {time_words(epochs * n / pace)}."]
        seconds = expected_seconds(preset, epochs, n, self.state.training or [])
        return [] if seconds is None else [f"At the pace of the last such training it takes about {time_words(seconds)}."]

    def _on_measure(self) -> None:
        preset = str(self._preset.value)

        def show(pace: float) -> None:
            self._paces[preset] = pace
            self._measured()
            self._tell()

        self._measure.param.update(disabled=True, label="Measuring…")
        self.actions.measure_training(preset, show, failed=self._measured)

    def _measured(self) -> None:
        self._measure.param.update(disabled=False, label=MEASURE)

    def _follow(self, *_: Any) -> None:
        said = self.actions.no_training(self.state.jobs)
        self._start.disabled = bool(said)
        self._refusal.param.update(object=f"<b>{html.escape(said)}</b>" if said else "", visible=bool(said))

    def _on_start(self) -> None:
        try:
            epochs = _passes(self._epochs.value)
        except InputError as error:
            self.actions.say(str(error), error=True)
            return
        self._start.disabled = True  # until the job is there, or it was refused
        preset, weights = str(self._preset.value), self._name.value.strip()
        self.actions.start_training(preset, weights=weights, epochs=epochs, failed=self._follow)

    def __panel__(self) -> pn.viewable.Viewable:
        return self._layout


def _passes(text: str) -> int:
    """Read a number of passes.

    Raises:
        InputError: if it is none.
    """
    found = whole_number(text)
    if found is None:
        raise InputError(f"Passes over the images are a whole number, such as 100; got '{text.strip()[:LONGEST]}'.")
    return found
