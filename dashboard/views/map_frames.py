"""A frame of the map on its way to the browser: packed by the server, unpacked there."""

import zlib
from typing import TypedDict

import numpy as np

from core.map.grid import View
from core.map.raster import Picture

# Pictures come deflated: one is 1.5 MB, mostly empty, and 20 windows would wait for each other's bytes. The sources that hold
# them unpacked are not synchronised, so that nothing is sent back.
UNPACK = """
const plain = thing => thing instanceof Map ? Object.fromEntries(thing) : thing;  // Bokeh hands out either
const { layers: sent, alpha } = plain(packed.data), targets = { base, overlay }, layers = [...sent].map(plain);
const unpack = async bytes => new Response(
  new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"))).arrayBuffer();
const next = thing => thing.__newest = (thing.__newest ?? 0) + 1;  // what a newer frame has replaced is not shown any more
const mine = layers.map(layer => next(targets[layer.name])), run = next(glyph);
Promise.all(layers.map(layer => unpack(layer.bytes))).then(buffers => {
  layers.forEach((layer, i) => {
    const target = targets[layer.name];
    if (target.__newest !== mine[i]) return;
    const NDArray = plain(target.data).image[0].constructor;
    const image = new NDArray(new Uint32Array(buffers[i]), [layer.height, layer.width]);
    target.data = { image: [image], x: [layer.x], y: [layer.y], dw: [layer.dw], dh: [layer.dh] };
  });
  if (glyph.__newest === run) glyph.global_alpha = alpha[0];
});
"""
PACKING = 1  # zlib level: 5 ms a picture, to a twentieth


class Layer(TypedDict):
    """One picture of a frame, packed for the browser."""

    name: str  # "base" or "overlay"
    bytes: np.ndarray  # uint8: zlib of RGBA as little-endian uint32, row by row
    height: int  # px
    width: int
    x: float  # left and bottom, map units
    y: float
    dw: float  # extent, map units
    dh: float


class Packed(TypedDict):
    """Columns of the data source that brings pictures to the browser."""

    layers: list[Layer]
    alpha: list[float]  # of what is below the selection, once a layer


def pack(picture: Picture, view: View, name: str) -> Layer:
    """Return one layer of a frame as the browser unpacks it."""
    x0, x1, y0, y1 = view
    height, width = picture.rgba.shape
    packed = np.frombuffer(zlib.compress(np.ascontiguousarray(picture.rgba, "<u4").tobytes(), PACKING), np.uint8)
    return Layer(name=name, bytes=packed, height=height, width=width, x=x0, y=y0, dw=x1 - x0, dh=y1 - y0)
