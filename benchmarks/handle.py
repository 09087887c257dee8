"""Where the page draws the map and the threshold's handle, for benchmarks and tests that drag there; px of the window."""

# Where the handle is drawn, and the chart's frame with the scores at its ends; px of the window.
HANDLE = """() => {
  for (const document of window.Bokeh.documents) for (const model of document._all_models.values()) {
    if (model.type !== 'Span' || !model.editable) continue;
    const view = window.Bokeh.index.find_one(model);
    if (!view) continue;
    const plot = view.plot_view, box = plot.canvas_view.el.getBoundingClientRect(), frame = plot.frame;
    return {at: model.location, x: box.x + frame.x_scale.compute(model.location), y: box.y + frame.bbox.top + 30,
            left: box.x + frame.bbox.left, right: box.x + frame.bbox.right,
            low: frame.x_scale.source_range.start, high: frame.x_scale.source_range.end};
  }
}"""
# Of the largest canvas, which is the map's.
CANVAS = """() => { const all = []; const walk = root => { for (const node of root.querySelectorAll('*')) {
  if (node.tagName === 'CANVAS') all.push(node.getBoundingClientRect().toJSON());
  if (node.shadowRoot) walk(node.shadowRoot); } }; walk(document);
  return all.filter(r => r.width > 300).sort((a, b) => b.width * b.height - a.width * a.height)[0]; }"""
