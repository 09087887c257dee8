"""The Experiment page: start a label-efficiency study, follow it from its files, compare two studies."""

import datetime as dt
import html
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import panel as pn
import panel_material_ui as pmui
import param
from bokeh.plotting import figure

from core.probe.offered import WITHOUT_COLUMN
from core.probe.strategies import STRATEGIES
from core.study.options import FEATURE_TITLES, FEATURES
from core.study.run import BrokenRun, Experiment, ExperimentConfig
from core.wording import counted
from dashboard.actions import Actions
from dashboard.choices import PageName
from dashboard.hub import Topic
from dashboard.report import EVERY_ROW, every_row, findings_html, study_figures, write_report
from dashboard.state import SessionState
from dashboard.theme import css, styled
from dashboard.times import minute
from dashboard.views.download import Download
from dashboard.views.shown import draw_when_shown
from dashboard.views.table import table
from dashboard.views.terms import TERMS, explained
from dashboard.views.words import words

NO_GOLD = (
    "A study needs known answers: ingest a manifest (CSV or Parquet) with a column `path` and one with the class of "
    "each image. No model ever sees that column outside the study."
)
NOTHING = (
    "<b>No study yet.</b> A study asks how many labels you would have to give. It takes images whose right classes are known, "
    "labels a few of them as each way to choose would, and measures what a model that learned from them finds in the rest. "
    "Your own labels are neither read nor changed. It takes minutes on all cores of this machine; you can go on meanwhile, "
    "and what is done is kept if the server stops."
)
UNFINISHED = "The report can be downloaded when all tasks are done."
STRATEGIES_TOLD = (
    "'random' is the yardstick. 'diverse' and 'typical' ask for images that stand for many; 'uncertain' for those the model is "
    "least sure of (the usual way here); 'rare' and 'top' for likely flagged ones; 'farthest' for the least like "
    "the labelled ones."
)
FEATURES_TOLD = "The encoder in use, beside two that learned nothing: what these reach, your encoder has to beat."
NONE = "none"
EVERY_TOLD = {
    "strategy": TERMS["strategy"],
    "balanced": "The accuracy on flagged images and the accuracy on the others, averaged: a rare class counts as much.",
    "average precision": TERMS["average precision"],
    "precision at 90% recall": "Of the images reviewed to catch 90% of the flagged ones, the share that is truly flagged.",
    "seeds at 80% there": "The share of the repeats in which that precision is 80% or more.",
}
FIELD_MARGIN = (8, 8, 0, 8)
FIELD = 292  # px; four fields in a row at 1280


@dataclass(frozen=True)
class _Found:
    """What the page shows of a study: its words as HTML, its charts, the rows of its table."""

    words: str
    charts: list[figure]
    rows: list[tuple[str | int, ...]]


class ExperimentPage(pn.viewable.Viewer):
    """A form, the chosen run in words, tables and charts; follows the files while it is shown."""

    state = param.ClassSelector(class_=SessionState)
    actions = param.ClassSelector(class_=Actions)

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self._runs: dict[Path, Experiment | BrokenRun] = {}
        self._drawn: tuple[Any, ...] = ()
        self._gold = pmui.Select(
            label="Column with the known answers", options=[], size="small", width=FIELD, margin=FIELD_MARGIN
        )
        self._offered = ""  # the column whose answers are offered
        self._flagged = _choices("Answers that count as flagged", width=FIELD)
        self._strategies = _choices("Ways to choose images to label", options=[], value=[], sizing_mode="stretch_width")
        self._column = pmui.Select(label="Scores for 'vendor'", options=[], size="small", width=FIELD, margin=FIELD_MARGIN)
        self._scores = _explained(self._column, "The scores of another model that 'vendor' chooses by.")
        self._features = _choices(
            "What the model sees of an image",
            options={title: name for name, title in FEATURE_TITLES.items()},
            value=list(FEATURES),
            sizing_mode="stretch_width",
        )
        self._seeds = pmui.IntInput(
            label="Repeats (seeds)", value=20, start=1, end=100, size="small", width=FIELD, margin=FIELD_MARGIN
        )
        self._start = pmui.Button(
            label="Start the study", disabled=True, margin=FIELD_MARGIN, on_click=lambda _: self._on_start()
        )
        self._run = pmui.Select(label="Study", options={}, size="small", width=420, visible=False)
        self._beside = pmui.Select(label="Compare with (dashed)", options={NONE: None}, size="small", width=420, visible=False)
        self._save = Download(label="Download report", actions=self.actions)
        self._words = pn.pane.HTML("", width=600, margin=(4, 8), stylesheets=[css("study"), css("term")])
        self._charts = pn.Column(width=600)
        self._every = pmui.Card(
            title="Every strategy and budget", collapsed=True, sizing_mode="stretch_width", margin=8, visible=False
        )
        self._broken = pn.pane.HTML("", sizing_mode="stretch_width", margin=(0, 8), visible=False)
        self._form = pmui.Card(
            pn.Column(*self._fields(), sizing_mode="stretch_width", margin=0),
            title="New study",
            collapsible=True,
            sizing_mode="stretch_width",
            margin=8,
        )
        self._no_gold = pmui.Alert(severity="info", object=NO_GOLD, margin=8)
        self._layout = pn.Column(
            self._no_gold,
            self._form,
            pn.Row(self._run, self._beside, self._save, **styled("below-label")),
            self._broken,
            pn.FlexBox(self._words, self._charts, sizing_mode="stretch_width"),
            self._every,
            sizing_mode="stretch_both",
            scroll="y-auto",
            margin=12,
        )
        self._gold.param.watch(self._on_gold, "value")
        self._flagged.param.watch(lambda event: setattr(self._start, "disabled", not event.new), "value")
        self._run.param.watch(self._draw, "value")
        self._beside.param.watch(self._draw, "value")
        self.state.param.watch(self._on_page, "page")
        self.state.param.watch(self._on_runs, ["studies", "studying", "zone"])
        draw_when_shown(self.state, self._follow_columns, ["images"], page=PageName.EXPERIMENT)
        self._on_page()

    # -- the form --

    def _fields(self) -> list[pn.viewable.Viewable]:
        return [
            pn.FlexBox(  # in a narrow window the button goes below
                _explained(
                    self._gold, "Known answers came with the images. The model never learns from them, here or elsewhere."
                ),
                _explained(self._flagged, "What the model has to find; all other answers are the rest."),
                _explained(self._seeds, "Seeds: more of them make the ranges narrower and take longer; 20 are enough."),
                self._start,
                sizing_mode="stretch_width",
                margin=0,
            ),
            _explained(self._strategies, STRATEGIES_TOLD),
            _explained(self._features, FEATURES_TOLD),
            self._scores,
        ]

    def _follow_columns(self) -> None:
        """Offer the known answers and the score columns that there are now; what is chosen stays while it is there."""
        known = self.state.shared.newest_gold_columns()
        scored = [column.name for column in self.state.shared.score_columns().values()]
        self._no_gold.visible, self._form.visible = not known, bool(known)
        if known != self._gold.options:
            likely = "label" if "label" in known else next(iter(known), None)
            self._gold.param.update(options=known, value=_kept(self._gold.value, known, likely))
        else:
            self._on_gold()  # new images may have other answers
        if scored != self._column.options:
            self._column.param.update(options=scored, value=_kept(self._column.value, scored, next(iter(scored), None)))
        self._scores.visible = bool(scored)
        ways = list(STRATEGIES if scored else WITHOUT_COLUMN)
        if ways != (before := self._strategies.options):
            chosen = [way for way in ways if way in self._strategies.value or way not in before]
            self._strategies.param.update(options=ways, value=chosen)

    def _on_gold(self, *_: Any) -> None:
        if self._gold.value is None:
            return
        column = str(self._gold.value)
        self.actions.fetch(partial(self.state.shared.gold_values, column), partial(self._offer, column))

    def _offer(self, column: str, values: list[str]) -> None:
        if column != self._gold.value:
            return
        space, before = self.state.workspace, self._flagged.value if column == self._offered else None
        flagged = [value for value in values if space.renames.get(value, value) in space.flagged_names]
        self._offered = column
        self._flagged.param.update(options=values, value=flagged if before is None else [v for v in before if v in values])

    def _on_start(self) -> None:
        self.actions.start_experiment(
            lambda: ExperimentConfig(
                gold=str(self._gold.value),
                flagged=tuple(self._flagged.value),
                strategies=tuple(self._strategies.value),
                seeds=int(self._seeds.value or 0),
                features=tuple(self._features.value),
                column=str(self._column.value or ""),
            )
        )

    # -- following --

    def _on_page(self, *_: Any) -> None:
        self.actions.follow_runs(Topic.STUDIES, self.state.page == PageName.EXPERIMENT)
        self._on_runs()

    def _on_runs(self, *_: Any) -> None:
        if self.state.page != PageName.EXPERIMENT or self.state.studies is None:
            return
        runs = self.state.studies
        self._runs = {run.folder: run for run in runs}
        found = {self._title(run): run.folder for run in runs if isinstance(run, Experiment)}
        self._name_broken([run for run in runs if isinstance(run, BrokenRun)])
        if found != self._run.options:
            if not self._run.options:  # the first time: existing studies matter more than the form
                self._form.collapsed = bool(found)
            newest = next(iter(found.values()), None)
            followed = self._run.value is None or self._run.value == next(iter(self._run.options.values()), None)
            value = newest if followed or self._run.value not in found.values() else self._run.value
            self._run.param.update(options=found, value=value, visible=bool(found))
            beside = self._beside.value if self._beside.value in found.values() else None
            self._beside.param.update(options={NONE: None} | found, value=beside, visible=len(found) > 1)
        self._draw()

    def _name_broken(self, broken: list[BrokenRun]) -> None:
        said = "".join(f"<li>{html.escape(run.reason)}</li>" for run in broken)
        text = f"<details><summary>{counted(len(broken), 'study', 'studies')} cannot be read</summary><ul>{said}</ul></details>"
        self._broken.param.update(object=text if broken else "", visible=bool(broken))

    def _title(self, run: Experiment) -> str:
        try:
            started = dt.datetime.strptime(run.name[:15], "%Y%m%d-%H%M%S").isoformat()
        except ValueError:  # somebody has renamed the folder
            return f"{', '.join(run.config.flagged)} · {run.encoder} · {run.name}"
        at = minute(started, self.state.zone, seconds=True)
        return f"{', '.join(run.config.flagged)} · {run.encoder} · {at}"

    def _draw(self, *_: Any) -> None:
        if self._run.value is None:
            self._words.object, self._drawn = NOTHING if self._gold.options else "", ()
            return
        run = self._runs[self._run.value]
        beside = None if self._beside.value in (None, self._run.value) else self._runs[self._beside.value]
        if isinstance(run, BrokenRun):  # it broke while it was shown; the next refresh of the list drops it
            self._words.object = html.escape(run.reason)
            self._charts.objects, self._every.visible, self._drawn = [], False, ()
            self._save.withdraw()
            return
        beside = None if isinstance(beside, BrokenRun) else beside
        now = (run.folder, run.done, None if beside is None else (beside.folder, beside.done), self.state.studying)
        if now == self._drawn:
            return
        self._drawn = now
        if run.finished:
            self._save.offer("label-efficiency.html", run.folder, lambda: write_report(run).read_bytes())
        else:
            self._save.announce()
        # charts take a second and more: made on the event loop, they would keep every window waiting
        self.actions.fetch(partial(_found, run, beside, studying=self.state.studying), partial(self._show, now))

    def _show(self, now: tuple[Any, ...], found: _Found) -> None:
        if now != self._drawn:  # another study has been chosen since
            return
        self._words.object = found.words
        self._charts.objects = [pn.pane.Bokeh(chart, margin=8) for chart in found.charts]
        self._every.visible = bool(found.rows)
        self._every.objects = [table(EVERY_ROW, found.rows, told=EVERY_TOLD)] if found.rows else []

    def __panel__(self) -> pn.viewable.Viewable:
        return self._layout


def _found(run: Experiment, beside: Experiment | None, *, studying: bool) -> _Found:
    state = ""
    if not run.finished:
        state = "running" if studying else "not finished: start it with the same settings to continue"
        state = f"<p><b>{run.done} of {run.total}</b> tasks done, {state}. {UNFINISHED}</p>"
    return _Found(
        words=explained(state + findings_html(run)),
        charts=study_figures(run, beside) if run.results else [],
        rows=every_row(run) if run.results else [],
    )


def _choices(label: str, **options: Any) -> pmui.MultiChoice:
    return pmui.MultiChoice(label=label, margin=FIELD_MARGIN, **options)


def _kept(value: str | None, offered: Sequence[str], otherwise: str | None) -> str | None:
    return value if value in offered else otherwise


def _explained(field: pn.widgets.Widget, told: str) -> pn.Column:
    """Return a field with what it means in plain words below it."""
    size = {"sizing_mode": "stretch_width"} if field.sizing_mode else {"width": FIELD + 16}
    return pn.Column(
        field, words(f'<div class="note">{explained(html.escape(told))}</div>', margin=(2, 8, 8, 8)), margin=0, **size
    )
