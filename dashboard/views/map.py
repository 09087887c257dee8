"""The map: a Bokeh figure that the server paints. Lasso, box, hover, click and zoom; reads and sets the tab's state."""

import math
import time
from collections.abc import Callable
from concurrent.futures import Executor
from functools import partial
from typing import Any

import numpy as np
import panel as pn
import param
from bokeh.core.property.descriptors import UnsetValueError
from bokeh.events import DoubleTap, MouseLeave, MouseMove, PanEnd, PanStart, Reset, SelectionGeometry, Tap
from bokeh.models import (
    BoxSelectTool,
    ColumnDataSource,
    CustomJS,
    ImageRGBA,
    LassoSelectTool,
    MultiLine,
    PanTool,
    Range1d,
    ResetTool,
    Scatter,
    Text,
    WheelZoomTool,
)
from bokeh.plotting import figure

from core.arrays import FloatArray
from core.errors import InputError
from core.map.grid import LassoMode, View, combine
from core.palette import DARK, INK, LIGHT, WHITE
from dashboard.choices import Room
from dashboard.coalesce import Coalesce
from dashboard.documents import one_message
from dashboard.painter import DIMMED, NO_DOTS, NOTHING, Frame, Painter, Request
from dashboard.shared import Same
from dashboard.theme import css, styled
from dashboard.views.components.map_overlay import MapOverlay, Tip
from dashboard.views.map_frames import UNPACK, Packed, pack

REACH = 12  # px around the mouse in which a point is found
MOST_PIXELS = 8_000_000  # a frame is sent raw, 4 bytes a pixel
RANGE_DELAY = 15  # ms; the four range ends of one wheel tick arrive one by one
DOT_SIZES = ((300, 9), (2_000, 7), (math.inf, 5))  # (dots up to, px): a few are seen at once, many do not cover each other
NO_LINES: dict[str, list[Any]] = {"xs": [], "ys": [], "width": [], "halo": []}
NOWHERE = {"x": np.zeros(0), "y": np.zeros(0)}  # no ring
NO_NAMES: dict[str, list[Any]] = {"x": [], "y": [], "name": []}
DOUBLE_CLICK = 0.6  # s; the first tap of a double click must not pin
# Throttled in the browser; the last position of a burst is sent too, and none after the mouse has left.
SEND_MOUSE = """
const mouse = source.__mouse ??= { last: 0, timer: null, event: null };
const send = data => {
  mouse.last = Date.now();
  clearTimeout(mouse.timer);
  mouse.timer = null;
  source.data = data;
};
const here = () => send({ x: [mouse.event.x], y: [mouse.event.y], sx: [mouse.event.sx], sy: [mouse.event.sy] });
mouse.event = cb_obj;
if (cb_obj.event_name === "mouseleave") send({ x: [], y: [], sx: [], sy: [] });
else if (mouse.timer === null) {
  const wait = 50 - (Date.now() - mouse.last);
  if (wait <= 0) here();
  else mouse.timer = setTimeout(here, wait);
}
"""


class MapPane(pn.viewable.Viewer):
    """Draws `state`; a lasso sets `selected` and `last_polygon`, a click sets `pinned`."""

    state = param.Parameter(doc="The tab's `SessionState`.")
    pool: Executor = param.ClassSelector(class_=Executor, doc="Where frames are drawn; two threads serve all tabs.")

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self._document = pn.state.curdoc
        self._ratio = 1.0
        self._scheduled = self._dragging = False
        self._modifiers: dict[str, bool] = {}
        self._before_tap: tuple[float, int | None] = (-math.inf, None)
        self._frames = 0
        self._painter = Painter(self.state.shared)
        self._coalesce = Coalesce(self.pool, self._paint, lambda painted: self._on_document(partial(self._show, *painted)))
        self._describe = Coalesce(self.pool, self._read_tip, lambda told: self._on_document(partial(self._show_tip, *told)))
        self._under_mouse: int | None = None  # row that the mouse points at
        self._layout_shown = self.state.layout
        self._told: View | None = None  # the view that this map last set in the state
        self.overlay = MapOverlay(view=self.state.privacy_view)
        self._build_figure()
        self._listen()
        self._layout = pn.Column(
            pn.pane.Bokeh(self.figure, sizing_mode="stretch_both", margin=0),
            self.overlay,
            sizing_mode="stretch_both",
            margin=0,
            **styled("holds-cover", "no-selection"),
        )
        self.fit()
        if self.state.view is not None:
            self._zoom_to(self.state.view)
        self._ring()
        pn.state.onload(self._on_load)

    # -- set up --

    def _build_figure(self) -> None:
        self._lasso = LassoSelectTool(
            continuous=False, renderers=[], description="Lasso (shift adds, alt subtracts, ctrl keeps)"
        )
        box = BoxSelectTool(continuous=False, renderers=[], description="Box (shift adds, alt subtracts, ctrl keeps)")
        wheel, reset = WheelZoomTool(zoom_on_axis=False), ResetTool(description="Show all")
        self.figure = figure(
            x_range=Range1d(0, 1),
            y_range=Range1d(0, 1),
            tools=[self._lasso, box, PanTool(), wheel, reset],
            active_drag=self._lasso,
            active_scroll=wheel,
            toolbar_location="right",
            sizing_mode="stretch_both",
            min_border=0,
            outline_line_color=None,
            background_fill_color=None,  # the page shows through, so the theme needs no new picture
            border_fill_color=None,
            output_backend="canvas",  # no WebGL needed, and faster in software
        )
        self.figure.axis.visible = False
        self.figure.grid.visible = False
        self.figure.toolbar.update(logo=None, stylesheets=[css("map")])
        nothing = {"image": [NOTHING.rgba], "x": [0.0], "y": [0.0], "dw": [1.0], "dh": [1.0]}
        base, overlay = (ColumnDataSource(dict(nothing), syncable=False) for _ in range(2))
        place = {name: name for name in nothing}
        add = self.figure.add_glyph  # not `figure.scatter`: its three further styles of every glyph are models of every page
        glyph = ImageRGBA(**place, syncable=False)
        add(base, glyph)
        add(overlay, ImageRGBA(**place))
        self._packed = ColumnDataSource({"layers": [], "alpha": []})
        into = {"packed": self._packed, "base": base, "overlay": overlay, "glyph": glyph}
        self._packed.js_on_change("data", CustomJS(args=into, code=UNPACK))
        self.figure.tags = [self._packed]  # nothing draws it: so that it is part of the page at all
        self._dots = ColumnDataSource(dict(NO_DOTS) | {"size": NO_DOTS["x"]})
        add(self._dots, Scatter(size="size", fill_color="colour", fill_alpha="alpha", line_color=None))
        self._pinned, self._hovered, self._looked_at = (ColumnDataSource(dict(NOWHERE)) for _ in range(3))
        for source, size in ((self._hovered, 14), (self._pinned, 20), (self._looked_at, 26)):
            for width, colour in ((5, WHITE), (2, INK)):  # two rings: one of them shows on any ground
                add(source, Scatter(size=size, fill_color=None, line_color=colour, line_width=width))
        self._lines, self._names = ColumnDataSource(dict(NO_LINES)), ColumnDataSource(dict(NO_NAMES))
        self._halo = add(self._lines, MultiLine(line_width=4, line_alpha="halo"))
        self._outlines = add(self._lines, MultiLine(line_width="width"))
        # A rim first, then the letters: Bokeh strokes a text's outline over its letters.
        self._rims, self._letters = (
            add(
                self._names,
                Text(
                    text="name", text_align="center", text_baseline="bottom", text_font_size="12px", text_font_style="bold",
                    y_offset=-3,
                ),
            )
            for _ in range(2)
        )  # fmt: skip
        self._follow_theme()
        self._mouse = ColumnDataSource({"x": [], "y": [], "sx": [], "sy": []})

    def _listen(self) -> None:
        for range_ in (self.figure.x_range, self.figure.y_range):
            for end in ("start", "end"):
                range_.on_change(end, self._on_view)
        for side in ("inner_width", "inner_height"):
            self.figure.on_change(side, self._on_view)
        on = self.figure.on_event
        on(PanStart, self._on_pan_start)
        on(PanEnd, self._on_pan_end)
        on(SelectionGeometry, self._on_geometry)
        on(Tap, self._on_tap)
        on(DoubleTap, self._on_double_tap)
        on(Reset, lambda _: self.fit())
        for event in (MouseMove, MouseLeave):
            self.figure.js_on_event(event, CustomJS(args={"source": self._mouse}, code=SEND_MOUSE))
        self._mouse.on_change("data", self._on_mouse)
        watch = self.state.param.watch
        self._watchers = [
            watch(lambda *_: self._request(), ["colouring", "hidden", "kept", "highlighted"]),
            watch(lambda _: self._on_document(self._new_map), ["grid"]),
            watch(lambda *_: self._on_document(self._ring), ["pinned", "looked_at", "tab", "colour_by"]),
            watch(self._on_asked_view, ["view"]),
            watch(lambda *_: self._on_document(self._draw_outlines), ["outlines", "cluster"]),
            watch(lambda *_: self._follow_privacy(), ["privacy_view", "reveal"]),
            watch(lambda _: self._on_document(self._follow_theme), ["dark"]),
            watch(lambda _: self._on_document(self._follow_room), ["room"]),
        ]

    def _on_load(self) -> None:
        info = pn.state.browser_info
        self._ratio = min(max(float(info.device_pixel_ratio or 1), 1.0), 3.0) if info else 1.0
        self._request()

    def _on_document(self, callback: Callable[[], None]) -> None:
        """Change Bokeh models under the document's lock; what sets the state (a key, another tab) may not hold it."""
        if self._document is None:
            callback()
        else:
            self._document.add_next_tick_callback(callback)

    def close(self) -> None:
        """Stop drawing; the tab has gone."""
        self._coalesce.close()
        self._describe.close()
        for watcher in self._watchers:
            self.state.param.unwatch(watcher)

    # -- what is in view --

    @property
    def view(self) -> View:
        """(x0, x1, y0, y1) now in view, map units."""
        x, y = self.figure.x_range, self.figure.y_range
        return float(x.start), float(x.end), float(y.start), float(y.end)

    def fit(self) -> None:
        """Zoom so that all images are in view."""
        if self.state.grid is None:
            return
        x0, x1, y0, y1 = self.state.grid.whole
        for range_, start, end in ((self.figure.x_range, x0, x1), (self.figure.y_range, y0, y1)):
            range_.update(start=start, end=end, reset_start=start, reset_end=end)

    def _on_asked_view(self, event: Any) -> None:
        if event.new not in (None, self._told):  # what this map told itself may be older than what it shows by now
            self._on_document(partial(self._zoom_to, event.new))

    def _zoom_to(self, view: View) -> None:
        self.figure.x_range.update(start=view[0], end=view[1])
        self.figure.y_range.update(start=view[2], end=view[3])

    def _new_map(self) -> None:
        """Show a map that was laid out anew as a whole; one that has got more images stays as it is under the hand."""
        self._tip(None)
        if self.state.layout != self._layout_shown:
            self._layout_shown = self.state.layout
            self.fit()
        self._ring()
        self._request()

    def _size(self) -> tuple[int, int] | None:
        """Inner size in CSS px; None until the browser has told."""
        try:
            width, height = int(self.figure.inner_width), int(self.figure.inner_height)
        except UnsetValueError:
            return None
        return (width, height) if width >= 1 and height >= 1 else None

    # -- drawing --

    def _on_view(self, _attr: str, _old: Any, _new: Any) -> None:
        if self._scheduled:
            return
        if self._document is None:
            self._request()
            return
        self._scheduled = True
        self._document.add_timeout_callback(self._request, RANGE_DELAY)

    def _request(self) -> None:
        self._scheduled = False
        state, size = self.state, self._size()
        if size is None or state.grid is None or state.colouring is None or len(state.colouring) != state.grid.n:
            return
        x0, x1, y0, y1 = self.view
        if not (all(map(math.isfinite, self.view)) and x1 > x0 and y1 > y0):
            return
        state.view = self._told = self.view
        ratio = min(self._ratio, math.sqrt(MOST_PIXELS / (size[0] * size[1])))
        self._coalesce(
            Request(
                grid=state.grid,
                colouring=state.colouring,
                hidden=frozenset(state.hidden),
                keep=state.kept,
                selected=state.highlighted,
                view=self.view,
                width=max(1, round(size[0] * ratio)),
                height=max(1, round(size[1] * ratio)),
                pixel_ratio=ratio,
            )
        )

    def _paint(self, request: Request) -> tuple[Frame, Packed]:
        """Draw and pack, off the event loop."""
        frame = self._painter.draw(request)
        pictures = {"base": frame.base, "overlay": frame.overlay}
        once = self.state.shared.once
        layers = [
            once("packed", (name, request.view, Same(picture)), partial(pack, picture, request.view, name))
            for name, picture in pictures.items()
            if picture is not None
        ]
        return frame, {"layers": layers, "alpha": [DIMMED if len(request.selected) else 1.0] * len(layers)}

    def _show(self, frame: Frame, packed: Packed) -> None:
        request = frame.request
        with one_message(self._document):  # one message: the browser never paints half a frame
            if packed["layers"]:
                self._packed.data = packed
            if frame.dots is not None:
                n = len(frame.dots["x"])
                self._dots.data = frame.dots | {
                    "size": np.full(n, next(px for up_to, px in DOT_SIZES if n <= up_to), np.float32)
                }
            self._frames += 1
            self.overlay.facts = self.overlay.facts | {
                "frame": self._frames,
                "mode": frame.mode,
                "selected": len(request.selected),
                "idsum": int(request.selected.sum()),
                "view": ",".join(f"{v:.6g}" for v in request.view),
                "hidden": ",".join(map(str, sorted(request.hidden))),
            }

    def _ring(self) -> None:
        """Ring the pinned picture, and the one that is looked at elsewhere on the page."""
        with one_message(self._document):
            for source, row in ((self._pinned, self.state.pinned), (self._looked_at, self.state.ringed)):
                spot = self._spot(row)
                if not all(np.array_equal(spot[axis], source.data[axis]) for axis in spot):
                    source.data = spot
            self.overlay.facts = self.overlay.facts | {"ringed": "" if self.state.ringed is None else self.state.ringed}

    def _draw_outlines(self) -> None:
        lines, names = {key: list(none) for key, none in NO_LINES.items()}, {key: list(none) for key, none in NO_NAMES.items()}
        for found in self.state.outlines:
            chosen = found.name == self.state.cluster
            for line in found.lines:
                row = {"xs": line[:, 0], "ys": line[:, 1], "width": 2.5 if chosen else 1.0, "halo": 0.9 if chosen else 0.6}
                for key, value in row.items():
                    lines[key].append(value)
            for key, value in {"x": found.top[0], "y": found.top[1], "name": f"{found.name}  {found.title}".strip()}.items():
                names[key].append(value)
        with one_message(self._document):
            self._lines.data, self._names.data = lines, names
            self.overlay.facts = self.overlay.facts | {"outlines": len(self.state.outlines)}

    def _follow_room(self) -> None:
        """Leave the tools away where the map is small: there is no room for them."""
        self.figure.toolbar.visible = self.state.room != Room.WORK
        self._tip(None)

    def _follow_theme(self) -> None:
        """Draw outlines and names in the ink of the page, on a rim of its ground."""
        shades = DARK if self.state.dark else LIGHT
        self._halo.glyph.line_color = shades.ground
        self._outlines.glyph.line_color = shades.line
        self._rims.glyph.update(text_color=shades.ground, text_outline_color=shades.ground)
        self._letters.glyph.text_color = shades.ink

    def _spot(self, row: int | None) -> dict[str, FloatArray]:
        grid = self.state.grid
        if row is None or grid is None or not 0 <= row < grid.n:
            return dict(NOWHERE)
        x, y = grid.places(np.array([row]))
        return {"x": x, "y": y}

    # -- selecting --

    def _shown(self) -> np.ndarray | None:
        """(N,) bool, rows that the legend leaves on and the filters let pass; None if all."""
        return self.state.shown()

    def _on_pan_start(self, event: PanStart) -> None:
        self._modifiers, self._dragging = dict(event.modifiers or {}), True
        self._tip(None)

    def _on_pan_end(self, _event: PanEnd) -> None:
        self._dragging = False

    def _mode(self) -> LassoMode:
        """Return what a lasso does: the keys held when it began, else the mode of the buttons."""
        shift, ctrl, alt = (bool(self._modifiers.get(key)) for key in ("shift", "ctrl", "alt"))
        if alt or (shift and ctrl):
            return LassoMode.SUBTRACT
        return LassoMode.ADD if shift else LassoMode.INTERSECT if ctrl else self.state.lasso_mode

    def _on_geometry(self, event: SelectionGeometry) -> None:
        if not event.final or self.state.grid is None:
            return
        geometry = event.geometry
        if geometry["type"] == "rect":
            x0, x1, y0, y1 = (float(geometry[key]) for key in ("x0", "x1", "y0", "y1"))
            polygon = [[x0, y0], [x1, y0], [x1, y1], [x0, y1]]
            rows = self.state.grid.box(x0, x1, y0, y1)
        elif geometry["type"] == "poly":
            xs, ys = np.asarray(geometry["x"], np.float64), np.asarray(geometry["y"], np.float64)
            try:
                rows = self.state.grid.lasso(xs, ys)
            except InputError:  # a slip of the mouse: two vertices are no lasso, the selection stays
                return
            polygon = np.stack([xs, ys], axis=1).tolist()
        else:
            return
        shown = self._shown()
        if shown is not None:
            rows = rows[shown[rows]]
        mode, self._modifiers = self._mode(), {}
        self.state.select(combine(self.state.whole, rows, mode), polygon=polygon)

    def clear_selection(self) -> None:
        """Select nothing."""
        if len(self.state.whole):
            self.state.select(np.array([], np.int64))

    # -- hover and click --

    def _nearest(self, x: float, y: float) -> int | None:
        size, grid = self._size(), self.state.grid
        if size is None or grid is None or not (math.isfinite(x) and math.isfinite(y)):
            return None
        x0, x1, y0, y1 = self.view
        rx, ry = REACH * abs(x1 - x0) / size[0], REACH * abs(y1 - y0) / size[1]
        return grid.nearest(x, y, rx, ry, self._shown()) if rx > 0 and ry > 0 else None

    def _on_mouse(self, _attr: str, _old: Any, _new: Any) -> None:
        data = self._mouse.data
        if not len(data["x"]):  # the mouse has left
            self._tip(None)
        elif not self._dragging:
            x, y, left, top = (float(data[name][0]) for name in ("x", "y", "sx", "sy"))
            self._tip(self._nearest(x, y), left, top)

    def _tip(self, row: int | None, x: float = 0, y: float = 0) -> None:
        if row is None and not self.overlay.tip and self._under_mouse is None:
            return
        self._under_mouse = self.state.pointed_at = row
        if row is None:
            self._show_tip(None, {})
        else:
            self._describe((row, x, y))

    def _read_tip(self, place: tuple[int, float, float]) -> tuple[int, Tip]:
        row, x, y = place
        return row, {"id": self._id(row), "lines": list(self.state.describe(row)), "x": x, "y": y}

    def _show_tip(self, row: int | None, tip: Tip) -> None:
        if row != self._under_mouse:  # the mouse has moved on since
            return
        with one_message(self._document):
            self.overlay.tip = tip
            self._hovered.data = self._spot(row)

    def _id(self, row: int) -> str:
        name = self.state.ids[row]
        return name.decode() if isinstance(name, bytes) else str(name)

    def _follow_privacy(self) -> None:
        self.overlay.view = "clear" if self.state.reveal else self.state.privacy_view

    def _on_tap(self, event: Tap) -> None:
        now = time.monotonic()
        if now - self._before_tap[0] > DOUBLE_CLICK:
            self._before_tap = now, self.state.pinned
        self.state.pinned = self._nearest(event.x, event.y)

    def _on_double_tap(self, _event: DoubleTap) -> None:
        self.state.pinned = self._before_tap[1]
        self.fit()

    def __panel__(self) -> pn.viewable.Viewable:
        return self._layout
