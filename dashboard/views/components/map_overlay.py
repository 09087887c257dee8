"""What lies over the map: the tip with the picture under the mouse, and the facts that tests read. Text is set as text."""

from typing import Any

import panel as pn
import param


class MapOverlay(pn.custom.JSComponent):
    """A layer that lets the mouse through."""

    tip: dict[str, Any] = param.Dict(default={}, doc="{id, lines, x, y} in px from the map's top left; empty = no tip.")
    view = param.String(default="blurred", doc="Privacy view of the tip's picture.")
    facts: dict[str, Any] = param.Dict(default={}, doc="What is painted now: written as data-* attributes.")

    _esm = """
const GAP = 18;  // px between mouse and tip
export function render({ model, el }) {
  const facts = document.createElement("div"), tip = document.createElement("div");
  const img = document.createElement("img"), words = document.createElement("div");
  facts.className = "map-facts";
  tip.className = "tip";
  tip.setAttribute("role", "tooltip");
  img.alt = "";
  tip.append(img, words);
  el.append(facts, tip);
  const place = () => {
    const { x, y } = model.tip, box = el.getRootNode().host.getBoundingClientRect();
    const left = x + GAP + tip.offsetWidth > box.width ? x - GAP - tip.offsetWidth : x + GAP;
    const top = Math.min(Math.max(0, y - tip.offsetHeight / 2), Math.max(0, box.height - tip.offsetHeight));
    tip.style.transform = `translate(${Math.max(0, left)}px, ${top}px)`;
  };
  const draw = () => {
    const { id, lines } = model.tip;
    tip.hidden = !id;
    if (!id) { img.removeAttribute("src"); return; }
    const src = `thumb/${model.view}/${id}`;
    if (img.getAttribute("src") !== src) img.setAttribute("src", src);
    tip.dataset.id = id;
    tip.dataset.view = model.view;
    words.replaceChildren(...lines.map(line => {
      const node = document.createElement("div");
      node.textContent = line;
      return node;
    }));
    place();
  };
  const tell = () => {
    for (const [name, value] of Object.entries(model.facts)) facts.dataset[name] = value;
    const host = el.getRootNode().host;
    for (const beside of host?.parentNode?.children ?? []) {  // Bokeh gives its canvas a stop of the Tab key, but no name
      const canvas = beside.shadowRoot?.querySelector(".bk-Canvas")?.shadowRoot?.querySelector(".bk-events");
      canvas?.setAttribute("role", "img");
      canvas?.setAttribute("aria-label", `Map of the images, ${facts.dataset.selected ?? 0} selected. Lassos need a mouse; `
        + "the Clusters tab selects the same islands by keys.");
    }
  };
  model.on(["tip", "view"], draw);
  model.on("facts", tell);
  draw();
  tell();
}
"""
    _stylesheets = [
        """
:host { position: absolute; inset: 0; width: 100% !important; height: 100% !important;
  pointer-events: none; z-index: 3; overflow: hidden; font-size: 13px; line-height: 1.35; }
.map-facts { position: absolute; width: 1px; height: 1px; }
.tip { position: absolute; left: 0; top: 0; width: 164px; padding: 6px; border-radius: 10px; box-sizing: border-box;
       background: var(--mui-palette-background-paper, #fff); color: var(--mui-palette-text-primary, #111);
       border: 1px solid rgba(128, 128, 128, .45); box-shadow: 0 4px 18px rgba(0, 0, 0, .25); }
.tip[hidden] { display: none; }
.tip img { display: block; width: 150px; height: 150px; object-fit: contain; border-radius: 6px; margin-bottom: 4px;
           background: rgba(128, 128, 128, .16); }
.tip div { overflow-wrap: anywhere; }
"""
    ]
