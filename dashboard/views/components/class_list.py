"""The legend: classes with colour, count and key, or a colour scale. Not named Legend: pmui would restyle it and break."""

from collections.abc import Collection, Mapping
from typing import Any

import panel as pn
import param

from core.map.raster import Colouring, ColouringKind


class ClassList(pn.custom.JSComponent):
    """Rows that hide and show. A click (Space) hides or shows a class; a double click (Enter) shows it alone, or all."""

    entries = param.List(default=[], item_type=dict, doc="{code, name, colour, count, key, flagged} from top to bottom.")
    scale = param.Dict(default={}, doc="{colours, low, high, missing, missing_name} instead of entries; empty for none.")
    hidden = param.List(default=[], item_type=int, doc="Codes that are off.")

    _esm = """
export function render({ model, el }) {
  const list = document.createElement("div"), ramp = document.createElement("div");
  el.append(list, ramp);
  const add = (parent, tag, name, text) => {
    const node = document.createElement(tag);
    node.className = name;
    if (text !== undefined) node.textContent = text;
    parent.append(node);
    return node;
  };
  const toggle = code => {
    const off = new Set(model.hidden);
    off.has(code) ? off.delete(code) : off.add(code);
    model.hidden = [...off].sort((a, b) => a - b);
  };
  const alone = code => {
    const others = model.entries.map(entry => entry.code).filter(other => other !== code);
    const isAlone = !model.hidden.includes(code) && others.every(other => model.hidden.includes(other));
    model.hidden = isAlone ? [] : others;
  };
  const rows = new Map();  // by code, and kept: a count that changes between two clicks must not break a double click
  let before = [];
  const rowOf = code => {
    const row = document.createElement("button");
    row.type = "button";
    row.className = "row";
    row.dataset.code = code;
    for (const name of ["swatch", "name", "flag"]) add(row, "span", name);
    add(row, "kbd", "key");
    add(row, "span", "count");
    row.onclick = event => {
      if (event.detail <= 1) { before = model.hidden; toggle(code); }
      else if (event.detail === 2) { model.hidden = before; alone(code); }  // takes back what its first click did
    };
    row.onkeydown = event => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      event.stopPropagation();
      event.key === "Enter" ? alone(code) : toggle(code);
    };
    return row;
  };
  const mark = () => {
    for (const [code, row] of rows) {
      const off = model.hidden.includes(code);
      row.setAttribute("aria-pressed", String(!off));
      row.title = off ? "Hidden: click to show" : "Click to hide, double click to show alone";
    }
  };
  const draw = () => {
    for (const code of rows.keys()) {
      if (model.entries.some(entry => entry.code === code)) continue;
      rows.get(code).remove();
      rows.delete(code);
    }
    model.entries.forEach((entry, at) => {
      if (!rows.has(entry.code)) rows.set(entry.code, rowOf(entry.code));
      const row = rows.get(entry.code), part = name => row.querySelector(name);
      part(".swatch").style.background = entry.colour;
      part(".name").textContent = entry.name;
      part(".flag").textContent = "flagged";
      part(".flag").hidden = !entry.flagged;
      part(".key").textContent = entry.key;
      part(".key").hidden = !entry.key;
      part(".count").textContent = entry.count.toLocaleString("en");
      if (list.children[at] !== row) list.insertBefore(row, list.children[at] ?? null);
    });
    mark();
    const scale = model.scale;
    ramp.replaceChildren();
    if (!scale.colours) return;
    add(ramp, "div", "bar").style.background = `linear-gradient(to right, ${scale.colours.join(",")})`;
    const ends = add(ramp, "div", "ends");
    add(ends, "span", "", scale.low);
    add(ends, "span", "", scale.high);
    const missing = add(ramp, "div", "missing");
    add(missing, "span", "swatch").style.background = scale.missing;
    add(missing, "span", "name", scale.missing_name);
  };
  model.on("entries", draw);
  model.on("scale", draw);
  model.on("hidden", mark);
  draw();
}
"""
    _stylesheets = [
        """
:host { display: block; color: var(--mui-palette-text-primary, var(--panel-on-background-color, inherit)); font-size: 13px; }
.row, .missing { display: flex; align-items: center; gap: 8px; width: 100%; padding: 2px 6px; box-sizing: border-box; }
.row { font: inherit; color: inherit; background: none; border: 0; border-radius: 6px; text-align: left; cursor: pointer; }
.row:hover { background: rgba(128, 128, 128, .16); }
.row:focus-visible { outline: 2px solid #0072b2; outline-offset: -2px; }
.swatch { flex: none; width: 14px; height: 14px; border-radius: 50%; }
[hidden] { display: none; }
.name { flex: 1; min-width: 0; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.count { font-variant-numeric: tabular-nums; opacity: .75; }
.flag { font-size: 11px; opacity: .75; }
.key { font: 11px monospace; padding: 1px 5px; border: 1px solid rgba(128, 128, 128, .6); border-radius: 4px; }
.row[aria-pressed="false"] .name, .row[aria-pressed="false"] .count { opacity: .45; text-decoration: line-through; }
.row[aria-pressed="false"] .swatch { opacity: .25; }
.bar { height: 12px; border-radius: 6px; margin: 4px 6px 2px; }
.ends { display: flex; justify-content: space-between; padding: 0 6px 4px; font-variant-numeric: tabular-nums; opacity: .75; }
"""
    ]


def legend_of(
    colouring: Colouring,
    keys: Mapping[str, str],
    rest: str,
    ends: tuple[str, str] | None = None,
    flagged: Collection[str] = (),
) -> dict[str, Any]:
    """Return `entries` and `scale` of a `ClassList` for a colouring: `class_list.param.update(**legend_of(...))`.

    Args:
        keys: class name -> the key that labels it.
        rest: what images without a class or a value are called.
        flagged: names of the classes that the operating point must catch; the legend says so.
        ends: words at the low and the high end of a scale; its two figures if None.
    """
    if colouring.kind == ColouringKind.CONTINUOUS:
        low, high = ends or (f"≤ {colouring.low:g}", f"≥ {colouring.high:g}")
        missing = {"missing": colouring.unlabelled, "missing_name": rest}
        return {"entries": [], "scale": {"colours": list(colouring.palette), "low": low, "high": high, **missing}}
    counts = colouring.counts()
    entries = [
        {"code": code, "name": name, "colour": colour, "count": counts[code], "key": keys.get(name, "")}
        | {"flagged": name in flagged}
        for code, (name, colour) in enumerate(zip(colouring.names, colouring.palette, strict=True))
    ]
    entries.append({"code": -1, "name": rest, "colour": colouring.unlabelled, "count": counts[-1], "key": "", "flagged": False})
    return {"entries": entries, "scale": {}}
