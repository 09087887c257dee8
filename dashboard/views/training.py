"""The Training page: the state of MSN runs, followed from their files, in whichever process they run."""

import datetime as dt
import html
import math
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import panel as pn
import panel_material_ui as pmui
import param

from core.errors import InputError
from core.images.decode import PrivacyView
from core.training.runs import RunRecord, RunState, treated_views
from dashboard.actions import Actions
from dashboard.charts import Chart, line, room_for
from dashboard.choices import PageName
from dashboard.hub import Topic
from dashboard.state import SessionState
from dashboard.theme import ESTIMATE
from dashboard.times import minute
from dashboard.views.encoders import EncodersPane
from dashboard.views.terms import explained, hint
from dashboard.views.training_form import TrainingForm
from dashboard.views.weights import TrainedWeights
from dashboard.views.words import WIDEST, words

WIDTH, HEIGHT = 390, 190  # px of a chart; three beside each other at 1280
CHARTS = {
    "loss": "Loss",
    "learning_rate": "Learning rate",
    "ema": "EMA momentum",
    "prototypes_used": "Prototypes used in a batch",
    "spread": "Embedding spread (0 = all in one point)",
    "knn": "kNN accuracy on labelled images",
}
CHARTS_TOLD = (
    '<div class="note">Going well: the loss falls, the spread stays near 0.9, several prototypes (groups that the training '
    "makes by itself) are used. The kNN accuracy tells how often the labelled images most like one share its class. Learning "
    "rate and EMA momentum follow a plan; they show how far the run is.</div>"
)
COLLAPSED = (
    "All images get nearly the same embedding, so the map would be one heap. Stop the run; try more prototypes, a larger batch "
    "or a lower learning rate."
)
EMPTY = (
    "<p><b>No training yet.</b> You need none to label: the encoders above were trained before. Training makes one of your own "
    "from this workspace's pictures, without labels, so that pictures that are alike to you lie closer together on the map and "
    "fewer labels are needed. It is worth trying for some ten thousand pictures or more that are not everyday photos.</p>"
    "<p><b>What it costs:</b> minutes to hours on a graphics card, many times that on a processor alone; the time left is told "
    "here. Labels, map and scores stay as they are: the new encoder is used once you have embedded with it, which is offered "
    "here at the end, and <i>Compare</i> tells by your own labels whether it is better.</p>"
    "<p>The run appears here within seconds, with its progress, the time left, sample views (blurred like every picture) and a "
    "warning if it goes wrong. <b>Jobs</b>, in the header, cancels it and tries it again: it goes on where it was. "
    "<code>lassoscope train</code> has all settings, and its runs appear here, too.</p>"
)


class TrainingPage(pn.viewable.Viewer):
    """Charts, sample views and one sentence; follows the files while it is shown."""

    state = param.ClassSelector(class_=SessionState)
    actions = param.ClassSelector(class_=Actions)

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self._runs: list[RunRecord] = []
        self._drawn: tuple[Any, ...] = ()
        self._choice = pmui.Select(label="Run", options={}, size="small", width=280, visible=False)
        self._choice.param.watch(self._draw, "value")
        self._form = pmui.Card(
            TrainingForm(state=self.state, actions=self.actions),
            title="New training",
            collapsible=True,
            sizing_mode="stretch_width",
            margin=8,
        )
        self._weights = TrainedWeights(state=self.state, actions=self.actions)
        self._words = words(margin=(4, 8), max_width=WIDEST)
        self._collapsed = pmui.Alert(
            severity="error", title="Collapsed", object=COLLAPSED, visible=False, sizing_mode="stretch_width", margin=(4, 8)
        )
        self._figures: dict[str, Chart] = {}  # by what they show; made when the page is first shown
        self._charts = pn.FlexBox(sizing_mode="stretch_width", visible=False)
        self._charts_words = words(CHARTS_TOLD, margin=(4, 8), max_width=WIDEST, visible=False)
        self._views = pn.pane.WebP(None, height=330, margin=8, alt_text="Sample views", visible=False)
        self._views_words = words(margin=(4, 8))
        self._layout = pn.Column(
            pn.Row(pmui.Typography(object="Encoders", variant="h6", margin=(0, 0, 0, 8)), hint("encoder"), margin=0),
            EncodersPane(state=self.state, actions=self.actions),
            pmui.Typography(object="Training", variant="h6", margin=(12, 8, 0, 8)),
            self._form,
            pn.Row(self._choice, self._words, sizing_mode="stretch_width"),
            self._weights,
            self._collapsed,
            self._charts_words,
            self._charts,
            self._views_words,
            self._views,
            sizing_mode="stretch_both",
            scroll="y-auto",
            margin=12,
        )
        self.state.param.watch(self._on_page, "page")
        self.state.param.watch(self._on_runs, ["training", "zone"])
        self.state.param.watch(self._draw, "privacy_view")
        self._on_page()

    def _make_figures(self) -> None:
        for name, title in CHARTS.items():
            layers = {"line": line("step", name, colour=ESTIMATE)}
            self._figures[name] = Chart(
                layers, x="step", y="", xlim=(0, 1), ylim=(0, 1), width=WIDTH, height=HEIGHT, title=title
            )
        self._charts.objects = [pn.pane.Bokeh(chart.figure, margin=4) for chart in self._figures.values()]

    def _draw_figures(self, record: RunRecord) -> None:
        for name, chart in self._figures.items():
            values, step = np.array(record.figures[name], np.float64), np.array(record.step, np.float64)
            measured = np.isfinite(values)
            chart.show("line", {"step": step[measured], name: values[measured]})
            chart.zoom(x=room_for(step[measured], share=0), y=room_for(values[measured]))

    def _on_page(self, *_: Any) -> None:
        if self.state.page == PageName.TRAINING and not self._figures:
            self._make_figures()  # now, not with the first run: what comes among other news gets no theme in the browser
        self.actions.follow_runs(Topic.TRAINING, self.state.page == PageName.TRAINING)
        self._on_runs()

    def _on_runs(self, *_: Any) -> None:
        if self.state.page != PageName.TRAINING or self.state.training is None:
            return
        self._runs = self.state.training
        found = {title(record, self.state.zone): record.name for record in self._runs}
        before, names = self._choice.options, list(found.values())
        if found != before:
            if not before:  # the first time: runs there are matter more than the form
                self._form.collapsed = bool(names)
            followed = self._choice.value in (None, next(iter(before.values()), None))
            value = names[0] if names and (followed or self._choice.value not in names) else self._choice.value
            self._choice.param.update(options=found, value=value if names else None, visible=bool(names))
        self._draw()

    def _draw(self, *_: Any) -> None:
        record = next((r for r in self._runs if r.name == self._choice.value), None)
        self._charts.visible = self._charts_words.visible = record is not None
        self._views.visible = record is not None and record.views is not None
        if record is None:
            self._collapsed.visible, self._drawn = False, ()
            self._words.object = explained(EMPTY)
            self._weights.show(None)
            return
        now = (record.name, record.state, len(record.step), self.state.privacy_view)
        if now == self._drawn:
            return
        self._drawn = now
        self._words.object = say(record)
        self._collapsed.visible = record.collapsed
        self._weights.show(record)
        self._draw_figures(record)
        if record.views is not None:
            self.actions.fetch(partial(_sheet, record, self.state.privacy_view), partial(self._show_views, now))

    def _show_views(self, of: tuple[Any, ...], sheet: bytes | str) -> None:
        if of != self._drawn:  # another is chosen by now
            return
        if isinstance(sheet, str):
            self._views.visible, self._views_words.object = False, html.escape(sheet)
            return
        self._views.object = sheet
        self._views_words.object = "Sample views: the image, the target, the random view, focal views."

    def __panel__(self) -> pn.viewable.Viewable:
        return self._layout


def _sheet(record: RunRecord, view: PrivacyView) -> bytes | str:
    """Return a run's sample views as WebP, or why they cannot be shown."""
    try:
        return treated_views(record, view)
    except InputError as error:
        return str(error)


def title(record: RunRecord, zone: str) -> str:
    """Name a run by its weights and when it started, to a reader in a time zone."""
    try:
        started = dt.datetime.strptime(record.name[:15], "%Y%m%d-%H%M%S").isoformat()
    except ValueError:  # somebody has renamed the folder
        return record.name
    return " · ".join(filter(None, (Path(record.out).stem, minute(started, zone, seconds=True))))


def say(record: RunRecord) -> str:
    """Say how a run stands, as HTML."""
    if record.state == RunState.BROKEN:
        return f"<b>{record.state}</b>: the files in training/{html.escape(record.name)} cannot be read."
    if not record.step:
        return f"<b>{record.state}</b>: no step yet."
    done, rate = record.step[-1], record.figures["images_per_second"][-1]
    batch = int(record.settings.get("batch_size", 0))
    parts = [f"<b>{record.state}</b>: step {done:,} of {record.steps:,}", f"{rate:,.0f} images/s"]
    if record.state == RunState.RUNNING and rate > 0 and batch:
        seconds = (record.steps - done) * batch / rate
        parts.append(f"about {math.ceil(seconds / 60):,} min left" if seconds > 90 else f"about {seconds:.0f} s left")
    if record.state == RunState.STOPPED:
        parts.append("continue under Jobs, or with <code>lassoscope train … --resume</code>")
    return " · ".join(parts)
