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
      const name = row.querySelector(".name").textContent;
      row.title = `${name}. ${off ? "Hidden: click to show" : "Click to hide, double-click to show nothing else"}`;
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
      part(".swatch").style.setProperty("--class-colour", entry.colour);
      part(".name").textContent = entry.name;
      part(".flag").textContent = entry.retired ? "retired" : "flagged";
      part(".flag").hidden = !entry.flagged && !entry.retired;
      part(".key").textContent = entry.key;
      part(".key").hidden = !entry.key;
      part(".count").textContent = entry.count.toLocaleString("en");
      if (list.children[at] !== row) list.insertBefore(row, list.children[at] ?? null);
    });
    mark();
    const scale = model.scale;
    ramp.replaceChildren();
    if (!scale.colours) return;
    add(ramp, "div", "bar").style.setProperty("--colours", scale.colours.join(","));
    const ends = add(ramp, "div", "ends");
    for (const mark of scale.marks) add(ends, "span", "", mark);
    const missing = add(ramp, "div", "missing");
    add(missing, "span", "swatch").style.setProperty("--class-colour", scale.missing);
    add(missing, "span", "name", scale.missing_name);
  };
  model.on("entries", draw);
  model.on("scale", draw);
  model.on("hidden", mark);
  draw();
}
