"""Clusters as a list of buttons with a strip of pictures each. Pictures come in the privacy view in force, never clearer."""

from collections.abc import Callable
from typing import Any, ClassVar

import panel as pn
import param


class ClusterList(pn.custom.JSComponent):
    """Entries of {name, title, words, pictures}; a click, Enter or Space picks one, arrows step through and pick."""

    entries = param.List(default=[], item_type=dict, doc="{name, title, words: [str], pictures: [image id]} in their order.")
    chosen = param.String(default="", doc="Name of the entry that is marked.")
    view = param.String(default="blurred", doc="Privacy view of every picture.")
    on_pick: Callable[[str], None] = param.Parameter(doc="Called with the name of a picked entry.")

    _rename: ClassVar[dict[str, str | None]] = {"on_pick": None}  # stays in Python

    _esm = """
export function render({ model, el }) {
  const list = document.createElement("div");
  list.setAttribute("role", "radiogroup");
  list.setAttribute("aria-label", "Clusters");
  el.append(list);
  const pick = item => { item.focus(); model.send_msg({ pick: item.dataset.name }); };
  const mark = () => {
    let first = list.firstChild;
    for (const item of list.children) {
      const chosen = item.dataset.name === model.chosen;
      item.setAttribute("aria-checked", String(chosen));
      item.tabIndex = -1;
      if (chosen) first = item;
    }
    if (first) first.tabIndex = 0;  // one stop for the Tab key, arrows inside
  };
  const show = () => {
    for (const img of list.querySelectorAll("img")) {
      const src = `thumb/${model.view}/${img.dataset.id}`;
      if (img.getAttribute("src") !== src) img.setAttribute("src", src);
    }
  };
  const onKey = (event, item) => {
    const other = { ArrowDown: item.nextSibling, ArrowUp: item.previousSibling }[event.key];
    if (event.key === "Enter" || event.key === " ") pick(item);
    else if (other) pick(other);
    else return;  // class keys and undo belong to the page
    event.preventDefault();
    event.stopPropagation();
  };
  const draw = () => {
    const focused = el.getRootNode().activeElement?.dataset.name;
    list.replaceChildren(...model.entries.map(entry => {
      const item = document.createElement("div"), title = document.createElement("div"), strip = document.createElement("div");
      item.className = "item";
      item.dataset.name = entry.name;
      item.setAttribute("role", "radio");
      title.className = "title";
      title.textContent = entry.title;
      strip.className = "strip";
      for (const id of entry.pictures) {
        const img = document.createElement("img");
        img.dataset.id = id;
        img.alt = "";
        img.loading = "lazy";
        img.draggable = false;
        strip.append(img);
      }
      item.append(title, strip);
      for (const text of entry.words) {
        const line = document.createElement("div");
        line.className = "words";
        line.textContent = text;
        item.append(line);
      }
      item.onclick = () => pick(item);
      item.onkeydown = event => onKey(event, item);
      return item;
    }));
    show();
    mark();
    // Counts change with every label: who steps through by keys stays where they are.
    if (focused) [...list.children].find(item => item.dataset.name === focused)?.focus({ preventScroll: true });
  };
  model.on("entries", draw);
  model.on("chosen", mark);
  model.on("view", show);
  draw();
}
"""
    _stylesheets = [
        """
:host { display: block; overflow-y: auto; color: var(--mui-palette-text-primary, var(--panel-on-background-color, inherit)); }
.item { padding: 8px; margin: 4px; border-radius: 8px; cursor: pointer; border: 1px solid rgba(128, 128, 128, .35); }
.item:hover { background: rgba(128, 128, 128, .12); }
.item:focus-visible { outline: 2px solid var(--mui-palette-text-primary, #0072b2); outline-offset: 1px; }
.item[aria-checked="true"] { border-color: #0072b2; box-shadow: 0 0 0 2px #0072b2; }
.title { font-size: 14px; font-weight: 600; }
.words { font-size: 12px; }
.strip { display: flex; gap: 4px; margin: 4px 0; }
.strip img { width: 50px; height: 50px; object-fit: contain; border-radius: 5px; background: rgba(128, 128, 128, .16); }
"""
    ]

    def _handle_msg(self, msg: dict[str, Any]) -> None:
        self.on_pick(str(msg["pick"]))
