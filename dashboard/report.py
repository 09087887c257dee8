"""The study's pictures and its self-contained HTML report; the Experiment page shows the same."""

import html
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from bokeh.embed import components
from bokeh.models import ColumnDataSource, FixedTicker, HoverTool, NumeralTickFormatter
from bokeh.plotting import figure
from bokeh.resources import Resources

from core.probe.strategies import STRATEGIES
from core.store.files import atomic_path
from core.study.report import ACTIVE, BASELINE, FEATURE_TITLES, MANY, conclude, pairs, row_key, summarise
from core.study.run import Experiment
from core.study.simulate import GRID, METRICS

# Okabe & Ito; active is orange and random blue, as in the figure this project started from.
COLOURS = {
    "random": "#0072b2", "uncertain": "#e69f00", "diverse": "#009e73", "typical": "#56b4e9", "uncertain-once": "#d55e00",
    "rare": "#cc79a7", "top": "#b8a800", "farthest": "#777777",
}  # fmt: skip
DASHES = {"encoder": "solid", "untrained": "dashed", "pixels": "dotted"}
BAND = (0.05, 0.95)  # quantiles over seeds
STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 1220px; margin: 32px auto; padding: 0 16px; color: #222; }
table { border-collapse: collapse; margin: 12px 0; } caption { text-align: left; font-weight: 600; padding: 4px 0; }
th, td { padding: 4px 16px 4px 0; text-align: right; border-bottom: 1px solid #ddd; }
th:first-child, td:first-child { text-align: left; }
.says { border-left: 4px solid #e69f00; padding-left: 12px; }
.charts { display: flex; flex-wrap: wrap; gap: 16px; }
"""


def learning_figure(results: Sequence[dict[str, Any]], features: str, *, beside: Sequence[dict[str, Any]] = ()) -> figure:
    """Draw average precision by labels, mean over seeds with a band of two standard errors, one line a strategy.

    Args:
        results: lines of a study.
        features: those drawn.
        beside: lines of another study, drawn dashed.
    """
    chart = _chart("Average precision by labels", "labels", "average precision", x_axis_type="log")
    for lines, dash in ((results, "solid"), (beside, "dashed")):
        rows = [row for row in summarise(lines) if row["features"] == features] if lines else []
        for strategy in dict.fromkeys(row["strategy"] for row in rows):
            mine = [row for row in rows if row["strategy"] == strategy]
            mean = np.array([row["average_precision"] for row in mine])
            error = np.array([row["average_precision_sd"] / math.sqrt(row["seeds"]) for row in mine])
            source = ColumnDataSource({
                "x": [row["budget"] for row in mine], "y": mean, "low": mean - 2 * np.nan_to_num(error),
                "high": np.minimum(mean + 2 * np.nan_to_num(error), 1), "sd": [row["average_precision_sd"] for row in mine],
                "accuracy": [row["accuracy"] for row in mine], "name": [strategy] * len(mine),
            })  # fmt: skip
            colour = COLOURS[strategy]
            if dash == "solid":
                chart.varea("x", "low", "high", source=source, color=colour, alpha=0.15)
            line = chart.line("x", "y", source=source, color=colour, line_width=2, line_dash=dash, legend_label=strategy)
            chart.scatter("x", "y", source=source, color=colour, size=5)
            tips = [("", "@name, @x labels"), ("AP", "@y{0.000} ± @sd{0.000}"), ("accuracy", "@accuracy{0.0%}")]
            chart.add_tools(HoverTool(renderers=[line], tooltips=tips, mode="mouse"))
    budgets = sorted({line["budget"] for line in results})
    chart.xaxis.ticker = FixedTicker(ticks=budgets)
    chart.xaxis.formatter = NumeralTickFormatter(format="0")  # 50, not a power of ten
    chart.xgrid.ticker = chart.xaxis.ticker
    _legend(chart)
    return chart


def precision_recall_figure(results: Sequence[dict[str, Any]], features: str) -> figure:
    """Draw precision by recall with 100 labels, active against random: mean over seeds, band from 5% to 95% of them."""
    chart = _chart(f"Precision and recall with {MANY} labels", "recall", "precision", y_range=(0, 1.02), x_range=(0, 1.01))
    for strategy, title in ((ACTIVE, "active"), (BASELINE, "random")):
        key = row_key(features, strategy, MANY)
        curves = np.array([r["curve"] for r in results if all(r[k] == v for k, v in key.items())])
        if not len(curves):
            continue
        low, high = np.quantile(curves, BAND, axis=0)
        source = ColumnDataSource({"x": GRID, "y": curves.mean(axis=0), "low": low, "high": high})
        chart.varea("x", "low", "high", source=source, color=COLOURS[strategy], alpha=0.2)
        line = chart.line("x", "y", source=source, color=COLOURS[strategy], line_width=2.5, legend_label=title)
        tips = [("", title), ("recall", "@x{0%}"), ("precision", "@y{0.0%} (@low{0%} to @high{0%})")]
        chart.add_tools(HoverTool(renderers=[line], tooltips=tips, mode="vline"))
    _legend(chart)
    return chart


def _chart(title: str, x: str, y: str, **options: Any) -> figure:
    size = {"width": 590, "height": 320}
    return figure(title=title, x_axis_label=x, y_axis_label=y, toolbar_location=None, tools="", **size, **options)


def _legend(chart: figure) -> None:
    if chart.legend:  # beside the chart: the lines leave no corner free
        chart.add_layout(chart.legend[0], "right")
        chart.legend.label_text_font_size, chart.legend.spacing = "11px", 0


def tables_html(experiment: Experiment) -> str:
    """Return the seed study's two accuracy tables, with paired differences and their intervals."""
    found = []
    rows = pairs(experiment.results)
    for budget in dict.fromkeys(row["budget"] for row in rows):
        mine = [row for row in rows if row["budget"] == budget]
        chosen = "selected" if mine[0]["strategy"] != ACTIVE else "active"
        head = "".join(f"<th scope='col'>{name}</th>" for name in ("features", "random", chosen, "difference (95% interval)"))
        body = ""
        for row in mine:
            gap = row["difference"]
            cells = [
                FEATURE_TITLES[row["features"]],
                _spread(row["random"]),
                _spread(row["chosen"]),
                f"{gap.mean * 100:+.1f} points ({gap.low * 100:+.1f} to {gap.high * 100:+.1f})"
                if math.isfinite(gap.low)
                else f"{gap.mean * 100:+.1f} points (one seed)",
            ]
            body += f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in cells)}</tr>"
        found.append(f"<table><caption>Accuracy with {budget} labels</caption><tr>{head}</tr>{body}</table>")
    return "".join(found)


def every_row_html(experiment: Experiment) -> str:
    """Return every strategy and budget as one table, closed until it is asked for."""
    heads = ("features", "strategy", "labels", "accuracy", "balanced", "AP", "precision at 90% recall", "seeds at 80% there")
    body = ""
    for row in summarise(experiment.results):
        cells = [FEATURE_TITLES[row["features"]], row["strategy"], f"{row['budget']:,}"]
        cells += [f"{row[metric]:.3f} ± {row[f'{metric}_sd']:.3f}" for metric in METRICS]
        cells.append(f"{row['share_at_goal']:.0%}")
        body += f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"
    head = "".join(f"<th scope='col'>{name}</th>" for name in heads)
    return f"<details><summary>Every strategy and budget</summary><table><tr>{head}</tr>{body}</table></details>"


def _spread(values: Sequence[float]) -> str:
    sd = f" ± {np.std(values, ddof=1) * 100:.1f}" if len(values) > 1 else ""
    return f"{np.mean(values) * 100:.1f}{sd} %"


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


def _bokeh() -> str:
    # Not INLINE.render(): once Panel is imported, that adds links to files which only a running server has.
    return "\n".join(Resources(mode="inline", components=["bokeh"]).js_raw)


def write_report(experiment: Experiment) -> Path:
    """Write a self-contained report.html into the run's folder and return it."""
    results, features = experiment.results, experiment.config.features[0]
    charts = [learning_figure(results, features), precision_recall_figure(results, features)]
    charts = [chart for chart in charts if chart.renderers]  # a study without 100 labels has no second one
    scripts, parts = components(charts)
    names = " ".join(f"<li><b>{name}</b>: {html.escape(STRATEGIES[name].source)}</li>" for name in experiment.config.strategies)
    page = f"""<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Label efficiency</title>
<style>{STYLE}</style><script>{_bokeh()}</script></head><body>
<h1>Label efficiency</h1><p>{html.escape(about(experiment))}</p>
<p class="says">{html.escape(conclude(results, features))}</p>
{tables_html(experiment)}<div class="charts">{"".join(parts)}</div>
<p>Charts: {FEATURE_TITLES[features]}. Learning curves: mean and two standard errors over seeds. Precision and recall: mean,
and 5% to 95% of the seeds. Tables: mean ± standard deviation over seeds; paired differences with t intervals.</p>
{every_row_html(experiment)}
<h2>Strategies</h2><ul>{names}</ul>{scripts}</body></html>"""
    file = experiment.folder / "report.html"
    with atomic_path(file) as aside:
        aside.write_text(page, encoding="utf-8")
    return file
