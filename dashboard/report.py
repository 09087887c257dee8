"""The study's charts, its tables as rows, and the self-contained HTML report; the Experiment page shows the same."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import holoviews as hv
import numpy as np
from bokeh.embed import components
from bokeh.plotting import figure
from bokeh.resources import Resources
from jinja2 import Environment, PackageLoader, StrictUndefined

from core.palette import BLUE, GREEN, GREY, OLIVE, ORANGE, PURPLE, SKY, VERMILION, VIOLET
from core.probe.strategies import STRATEGIES
from core.store.files import atomic_path
from core.study.options import FEATURE_TITLES
from core.study.report import (
    ACTIVE,
    BASELINE,
    MANY,
    Difference,
    Result,
    conclude,
    matching,
    pairs,
    row_key,
    summarise,
)
from core.study.run import Experiment
from core.study.simulate import GRID
from dashboard.charts import Chart, band, dots, line
from dashboard.theme import colour_variables

COLOURS = {  # active is orange and random blue, as in the figure this project started from
    "random": BLUE, "uncertain": ORANGE, "diverse": GREEN, "typical": SKY, "uncertain-once": VERMILION, "rare": PURPLE,
    "top": OLIVE, "farthest": GREY, "vendor": VIOLET,
}  # fmt: skip
BAND = (0.05, 0.95)  # quantiles over seeds
WIDTH, HEIGHT = 590, 320  # px of a chart
TEMPLATES = Environment(
    loader=PackageLoader("dashboard"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)
LEARNING_TIPS = (("", "@name, @labels labels"), ("AP", "@mean{0.000} ± @sd{0.000}"), ("accuracy", "@accuracy{0.0%}"))
PRECISION_TIPS = (("recall", "@recall{0%}"), ("precision", "@precision{0.0%} (@low{0%} to @high{0%})"))


def learning_figure(results: Sequence[Result], features: str, *, beside: Sequence[Result] = ()) -> figure:
    """Draw average precision by labels, mean over seeds with a band of two standard errors, one line a strategy.

    Args:
        results: lines of a study.
        features: those drawn.
        beside: lines of another study, drawn dashed.
    """
    layers: dict[str, hv.Element] = {}
    for lines, dash in ((results, "solid"), (beside, "dashed")):
        rows = [row for row in summarise(lines) if row["features"] == features] if lines else []
        for strategy in dict.fromkeys(row["strategy"] for row in rows):
            mine, colour = [row for row in rows if row["strategy"] == strategy], COLOURS[strategy]
            mean, sd = (np.array([row[name] for row in mine]) for name in ("average_precision", "average_precision_sd"))
            error = np.nan_to_num(sd / np.sqrt([row["seeds"] for row in mine]))
            data = {
                "labels": [row["budget"] for row in mine], "mean": mean, "low": np.maximum(mean - 2 * error, 0),
                "high": np.minimum(mean + 2 * error, 1), "sd": sd, "accuracy": [row["accuracy"] for row in mine],
                "name": [strategy] * len(mine),
            }  # fmt: skip
            name = f"{strategy} {dash}"
            if dash == "solid":
                layers[f"{name} band"] = band("labels", "low", "high", colour=colour, data=data)
            more = ("sd", "accuracy", "name")
            layers[name] = line(
                "labels", "mean", colour=colour, dash=dash, more=more, tips=LEARNING_TIPS, nearest=True, data=data,
                label=strategy if dash == "solid" else f"{strategy}, beside",
            )  # fmt: skip
            layers[f"{name} dots"] = dots("labels", "mean", colour=colour, data=data)
    budgets = sorted({line["budget"] for line in results})
    return Chart(
        layers, x="labels", y="average precision", width=WIDTH, height=HEIGHT, title="Average precision by labels", logx=True,
        xticks=[(budget, f"{budget}") for budget in budgets],
    ).figure  # fmt: skip


def precision_recall_figure(results: Sequence[Result], features: str) -> figure | None:
    """Draw precision by recall with 100 labels, active against random: mean over seeds, band from 5% to 95% of them.

    Returns:
        None for a study without 100 labels.
    """
    layers: dict[str, hv.Element] = {}
    for strategy, title in ((ACTIVE, "active"), (BASELINE, "random")):
        key = row_key(features, strategy, MANY)
        curves = np.array([r["curve"] for r in matching(results, key)])
        if not len(curves):
            continue
        low, high = np.quantile(curves, BAND, axis=0)
        data, colour = {"recall": GRID, "precision": curves.mean(axis=0), "low": low, "high": high}, COLOURS[strategy]
        layers[f"{title} band"] = band("recall", "low", "high", colour=colour, alpha=0.2, data=data)
        layers[title] = line(
            "recall", "precision", colour=colour, width=2.5, more=("low", "high"), tips=(("", title), *PRECISION_TIPS),
            label=title, data=data,
        )  # fmt: skip
    if not layers:
        return None
    return Chart(
        layers, x="recall", y="precision", xlim=(0, 1.01), ylim=(0, 1.02), width=WIDTH, height=HEIGHT,
        title=f"Precision and recall with {MANY} labels",
    ).figure  # fmt: skip


def study_figures(experiment: Experiment, beside: Experiment | None = None) -> list[figure]:
    """Return the charts there are results for."""
    results, features = experiment.results, experiment.config.features[0]
    learned = learning_figure(results, features, beside=beside.results if beside else ())
    precise = precision_recall_figure(results, features)
    return [learned] if precise is None else [learned, precise]


@dataclass(frozen=True)
class AccuracyTable:
    """Random against chosen labels on each kind of features."""

    budget: int  # labels
    chosen: str  # how the other labels were chosen
    rows: list[tuple[str, str, str, str]]  # features, accuracy with random labels, with chosen ones, their difference


def accuracy_tables(experiment: Experiment) -> list[AccuracyTable]:
    """Return the study's two accuracy tables, with paired differences and their intervals."""
    found = []
    rows = pairs(experiment.results)
    for budget in dict.fromkeys(row["budget"] for row in rows):
        mine = [row for row in rows if row["budget"] == budget]
        chosen = "selected" if mine[0]["strategy"] != ACTIVE else "active"
        cells = [
            (FEATURE_TITLES[r["features"]], _spread(r["random"]), _spread(r["chosen"]), _gap(r["difference"])) for r in mine
        ]
        found.append(AccuracyTable(budget, chosen, cells))
    return found


EVERY_ROW = (
    "features",
    "strategy",
    "labels",
    "accuracy",
    "balanced",
    "average precision",
    "precision at 90% recall",
    "seeds at 80% there",
)


def every_row(experiment: Experiment) -> list[tuple[str | int, ...]]:
    """Return every strategy and budget as a row; the heads are `EVERY_ROW`."""
    return [
        (
            FEATURE_TITLES[row["features"]],
            row["strategy"],
            int(row["budget"]),
            f"{row['accuracy']:.3f} ± {row['accuracy_sd']:.3f}",
            f"{row['balanced_accuracy']:.3f} ± {row['balanced_accuracy_sd']:.3f}",
            f"{row['average_precision']:.3f} ± {row['average_precision_sd']:.3f}",
            f"{row['precision_at_recall']:.3f} ± {row['precision_at_recall_sd']:.3f}",
            f"{row['share_at_goal']:.0%}",
        )
        for row in summarise(experiment.results)
    ]


def _spread(values: Sequence[float]) -> str:
    sd = f" ± {np.std(values, ddof=1) * 100:.1f}" if len(values) > 1 else ""
    return f"{np.mean(values) * 100:.1f}{sd} %"


def _gap(gap: Difference) -> str:
    interval = f"{gap.low * 100:+.1f} to {gap.high * 100:+.1f}" if math.isfinite(gap.low) else "one seed"
    return f"{gap.mean * 100:+.1f} points ({interval})"


def about(experiment: Experiment) -> str:
    """Say what was studied, in one sentence."""
    config = experiment.config
    share = experiment.n_flagged / experiment.n_images
    seeds = f"{config.seeds} seeds" if config.seeds > 1 else "1 seed"
    return (
        f"{experiment.n_images:,} images, {share:.1%} of them flagged ({config.gold} = {', '.join(config.flagged)}), encoder "
        f"{experiment.encoder}, {seeds}; each seed halves the images into a pool to label and a test set."
        + _left_out(experiment)
    )


def _left_out(experiment: Experiment) -> str:
    if not experiment.left_out:
        return ""
    budgets = ", ".join(f"{budget:,}" for budget in experiment.left_out)
    return f" Left out, as the pool holds fewer images: {budgets} labels."


def findings_html(experiment: Experiment) -> str:
    """Return the conclusion and the accuracy tables as HTML, as the page and the report show them."""
    said = conclude(experiment.results, experiment.config.features[0]) if experiment.results else ""
    tables = accuracy_tables(experiment)
    return TEMPLATES.get_template("findings.html").render(about=about(experiment), conclusion=said, tables=tables)


def _bokeh() -> str:
    # Not INLINE.render(): once Panel is imported, that adds links to files which only a running server has.
    return "\n".join(Resources(mode="inline", components=["bokeh"]).js_raw)


def write_report(experiment: Experiment) -> Path:
    """Write a self-contained report.html into the run's folder and return it."""
    scripts, charts = components(study_figures(experiment))
    page = TEMPLATES.get_template("report.html").render(
        colours=colour_variables(),
        about=about(experiment),
        conclusion=conclude(experiment.results, experiment.config.features[0]),
        tables=accuracy_tables(experiment),
        heads=EVERY_ROW,
        rows=every_row(experiment),
        charts=charts,
        scripts=scripts,
        bokeh=_bokeh(),
        features=FEATURE_TITLES[experiment.config.features[0]],
        sources={name: STRATEGIES[name].source for name in experiment.config.strategies},
    )
    file = experiment.folder / "report.html"
    with atomic_path(file) as aside:
        aside.write_text(page, encoding="utf-8")
    return file
