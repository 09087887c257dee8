"""Every chart of the page and of the report: layers and axes of one style, drawn by HoloViews. Of ours it imports colours only.

A layer is a HoloViews element with its style, with or without data; a `Chart` draws layers over each other. HoloViews takes 30
to 100 ms to draw a chart, and 2 ms to make Bokeh's columns of a layer's data, in every window after every label. So a chart
is drawn once, and its data are written into Bokeh's sources, in the columns that HoloViews would have made.
What every page shows is drawn once for all of them, and each gets a copy.
"""

import copy
import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import holoviews as hv
import numpy as np
from bokeh.core.serialization import Deserializer, Serialized, Serializer
from bokeh.document import Document
from bokeh.model import Model
from bokeh.models import BasicTicker, ColumnDataSource, CustomJS, NumeralTickFormatter, Span
from bokeh.plotting import figure
from bokeh.util.serialization import make_id

from core.palette import GREY

Columns = Mapping[str, Any]  # column name -> values, all of one length
Tips = Sequence[tuple[str, str]]  # (label, Bokeh format), for example ("recall", "@recall{0.000}")
Extent = tuple[float, float]  # (low, high) of an axis

NOTHING = np.array([], np.float64)
FREE: Extent = (math.nan, math.nan)  # as far as the data reach
# A span may be dragged out of sight, where nobody could take hold of it again.
KEEP_IN_SIGHT = """
const at = Math.min(Math.max(cb_obj.location, range.start), range.end);
if (at !== cb_obj.location) cb_obj.location = at;
"""

# Bokeh gives the canvas of every figure a stop of the Tab key, but no name.
NAME_CANVAS = """
const view = Bokeh.index.find_one(figure), canvas = view?.canvas_view ?? view?.canvas;
canvas?.events_el?.setAttribute("role", "img");
canvas?.events_el?.setAttribute("aria-label", name);
"""

hv.extension("bokeh")
RENDERER = hv.renderer("bokeh").instance(theme=None, webgl=False)  # the page has its theme; software draws canvases faster


def line(
    x: str, y: str, *, colour: str, dash: str = "solid", width: float = 2, alpha: float = 1.0, more: Sequence[str] = (),
    tips: Tips = (), nearest: bool = False, label: str = "", data: Columns | None = None,
) -> hv.Curve:  # fmt: skip
    """Return a line through points.

    Args:
        x, y: names of the columns it is drawn from.
        more: names of further columns, for `tips`.
        tips: what is shown for the point under the mouse.
        nearest: the mouse has to be on the line; otherwise above or below it is enough.
        label: its name in the legend, "" for none.
    """
    hover = {"tools": ["hover"], "hover_tooltips": list(tips), "hover_mode": "mouse" if nearest else "vline"} if tips else {}
    element = hv.Curve(_columns((x, y, *more), data), x, [y, *more], label=label)
    return element.opts(color=colour, line_dash=dash, line_width=width, alpha=alpha, show_legend=bool(label), **hover)


def band(x: str, low: str, high: str, *, colour: str, alpha: float = 0.15, data: Columns | None = None) -> hv.Area:
    """Return the area between two lines."""
    return hv.Area(_columns((x, low, high), data), x, [low, high]).opts(color=colour, alpha=alpha, line_color=None)


def dots(
    x: str, y: str, *, colour: str, size: int = 5, rim: str | None = None, more: Sequence[str] = (), tips: Tips = (),
    data: Columns | None = None,
) -> hv.Points:  # fmt: skip
    """Return dots."""
    hover = {"tools": ["hover"], "hover_tooltips": list(tips), "hover_mode": "mouse"} if tips else {}
    element = hv.Points(_columns((x, y, *more), data), [x, y], list(more))
    return element.opts(color=colour, size=size, line_color=rim or colour, show_legend=False, **hover)


def bars(x: str, y: str, *, colour: str = GREY) -> hv.Histogram:
    """Return an empty histogram; its data are `bar_columns`."""
    return hv.Histogram((np.array([0.0, 1.0]), np.array([0.0])), kdims=x, vdims=y).opts(
        color=colour, alpha=0.6, line_color=None
    )


def bar_columns(edges: np.ndarray, counts: np.ndarray) -> Columns:
    """Return the data of `bars`."""
    return {"top": counts, "left": edges[:-1], "right": edges[1:]}


def ticks(*, colour: str) -> hv.Segments:
    """Return upright ticks from `low` to `high` at `x`."""
    return hv.Segments(tick_columns(*[NOTHING] * 3), ["x", "low", "x_end", "high"]).opts(color=colour, alpha=0.6)


def tick_columns(x: np.ndarray, low: np.ndarray, high: np.ndarray) -> Columns:
    """Return the data of `ticks`."""
    return {"x": x, "low": low, "x_end": x, "high": high}


def upright(*, colour: str, width: float, dash: str = "solid") -> hv.VLine:
    """Return a line from the bottom to the top of the chart, hidden until it is put somewhere."""
    return hv.VLine(0).opts(color=colour, line_width=width, line_dash=dash, visible=False)


def _outline(layer: hv.Area, data: Columns) -> Columns:
    """Return the outline of a band: along its upper line and back along the lower one."""
    x, low, high = (np.asarray(data[dimension.name], np.float64) for dimension in layer.dimensions())
    there = np.isfinite(low) & np.isfinite(high)
    x, low, high = x[there], low[there], high[there]
    return {"x": np.concatenate([x, x[::-1]]), "y": np.concatenate([high, low[::-1]])}


def _columns(names: Sequence[str], data: Columns | None) -> dict[str, np.ndarray]:
    return {name: NOTHING if data is None else np.asarray(data[name]) for name in names}


class Chart:
    """Named layers in one figure; `figure` is what the page shows."""

    figure: figure

    def __init__(
        self,
        layers: Mapping[str, hv.Element],
        *,
        x: str,
        y: str,
        xlim: Extent = FREE,
        ylim: Extent = FREE,
        width: int | None = None,
        height: int,
        **options: Any,
    ) -> None:
        """Draw.

        Args:
            layers: from the lowest to the uppermost.
            x, y: titles of the axes.
            xlim, ylim: what the axes show; as far as the data reach if FREE.
            width: px; as wide as there is room if None.
            options: further options of HoloViews' `Overlay`.
        """
        self.layers = dict(layers)
        size: dict[str, bool | int] = {"responsive": True} if width is None else {"width": width}
        overlay = hv.Overlay(list(self.layers.values())).opts(
            xlabel=x, ylabel=y, xlim=xlim, ylim=ylim, height=height, toolbar=None, default_tools=[], show_grid=True,
            legend_position="right", fontsize={"title": "13px", "legend": "11px"}, **size, **options,
        )  # fmt: skip
        plot = RENDERER.get_plot(overlay, doc=Document())
        self.figure = plot.state
        named = {"figure": self.figure, "name": f"Chart of {y} by {x}" if x and y else "Chart"}
        self.figure.js_on_change("inner_width", CustomJS(args=named, code=NAME_CANVAS))  # when it is laid out
        self._plots = dict(zip(self.layers, plot.subplots.values(), strict=True))
        self._models = {model.id: model for model in self.figure.references()}  # by their names in what HoloViews has drawn

    def copy(self) -> "Chart":
        """Return a chart that looks the same and changes by itself; HoloViews takes four times as long to draw another."""
        twin = copy.copy(self)
        twin._models = self._pattern.copy()
        twin.figure = twin._models[self.figure.id]
        return twin

    @cached_property
    def _pattern(self) -> "Pattern":
        return Pattern(self.figure)

    def source(self, layer: str) -> ColumnDataSource:
        """Return what a layer is drawn from."""
        return self._models[self._plots[layer].handles["cds"].id]

    def span(self, layer: str) -> Span:
        """Return the Bokeh model of an `upright`."""
        return self._models[self._plots[layer].handles["glyph"].id]

    def show(self, layer: str, data: Columns) -> None:
        """Give a layer new data.

        Args:
            data: the columns that the layer was made with; for `bars` those of `bar_columns`. A band is drawn where both its
                lines have numbers.
        """
        source = self.source(layer)
        made = _outline(self.layers[layer], data) if isinstance(self.layers[layer], hv.Area) else data
        source.data = {name: made[name] for name in source.column_names}

    def zoom(self, *, x: Extent | None = None, y: Extent | None = None) -> None:
        """Show other parts of the axes."""
        for shown, wanted in ((self.figure.x_range, x), (self.figure.y_range, y)):
            if wanted is not None:
                shown.update(start=wanted[0], end=wanted[1])

    def plain_ticks(self, *, x: str, y: str, x_step: float, y_step: float) -> None:
        """Put ticks at round numbers, a few on each axis.

        Args:
            x, y: how numbers are written, as Bokeh's numeral formats.
            x_step, y_step: the least distance of two ticks.
        """
        for axis, form, step in ((self.figure.xaxis, x, x_step), (self.figure.yaxis, y, y_step)):
            axis.ticker = BasicTicker(desired_num_ticks=4, mantissas=[1, 2, 5], min_interval=step)
            axis.formatter = NumeralTickFormatter(format=form)

    def make_handle(self, layer: str) -> Span:
        """Let an `upright` be dragged by the mouse, within what is shown of the axis; return its model."""
        span = self.span(layer)
        span.editable = True
        span.js_on_change("location", CustomJS(args={"range": self.figure.x_range}, code=KEEP_IN_SIGHT))
        return span


class Pattern:
    """A model and all that it refers to as they are now, to be copied."""

    def __init__(self, model: Model) -> None:
        self._ids = [part.id for part in model.references()]
        self._written = Serializer().serialize(model)

    def copy(self) -> dict[str, Any]:
        """Return copies of the model and of all that it refers to, each by the id of the original."""
        new_ids = {old: make_id() for old in self._ids}

        def renamed(rep: Any) -> Any:
            if isinstance(rep, dict):
                return {key: new_ids.get(value, value) if key == "id" else renamed(value) for key, value in rep.items()}
            return [renamed(part) for part in rep] if isinstance(rep, list | tuple) else rep

        twin = Deserializer().deserialize(Serialized(renamed(self._written.content), self._written.buffers))
        parts = {part.id: part for part in twin.references()}
        return {old: parts[new] for old, new in new_ids.items()}


def room_for(values: np.ndarray, *, share: float = 0.1) -> Extent:
    """Return the part of an axis that shows finite values with a share of their extent left free on both sides."""
    values = values[np.isfinite(values)]
    if not len(values):
        return 0.0, 1.0
    low, high = float(values.min()), float(values.max())
    spare = (high - low) * share if high > low else 0.1 * abs(high) or 1.0
    return low - spare, high + spare


def warm() -> None:
    """Draw one chart that nobody sees: HoloViews' first takes half a second."""
    Chart({"line": line("x", "y", colour=GREY)}, x="", y="", height=100)
