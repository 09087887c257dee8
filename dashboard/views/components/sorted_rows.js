const TURN = { none: "ascending", ascending: "descending", descending: "ascending" };
export function render({ model, el }) {
  const table = make("table");
  let by = -1, way = "none";
  const draw = () => {
    const isNumber = model.heads.map((_, column) => model.rows.length > 0 && model.rows.every(row => typeof row[column] === "number"));
    const sign = way === "descending" ? -1 : 1;
    const rows = by < 0 ? model.rows : [...model.rows].sort((a, b) => sign *
      (isNumber[by] ? a[by] - b[by] : String(a[by]).localeCompare(String(b[by]), undefined, { numeric: true })));
    const cell = (row, tag, column, content) => {
      const found = make(tag, isNumber[column] ? "number" : "");
      if (model.widths[model.heads[column]]) found.style.setProperty("--column", model.widths[model.heads[column]]);
      found.append(content);
      row.append(found);
      return found;
    };
    table.className = Object.keys(model.widths).length ? "wide" : "";
    table.replaceChildren();
    const head = table.createTHead().insertRow();
    model.heads.forEach((title, column) => {
      const button = make("button", "sorts", title), th = cell(head, "th", column, button);
      button.title = `Sort by ${title}`;
      th.scope = "col";
      th.setAttribute("aria-sort", column === by ? way : "none");
      if (model.told[title]) th.append(termButton("?", `${title}: ${model.told[title]}`));
      button.onclick = () => {
        way = column === by ? TURN[way] : "ascending";
        by = column;
        draw();
        table.querySelectorAll(".sorts")[column].focus();
      };
    });
    const body = table.createTBody();
    for (const values of rows) {
      const row = body.insertRow();
      values.forEach((value, column) => cell(row, "td", column, Number.isInteger(value) ? value.toLocaleString("en-US") : String(value)));
    }
  };
  el.append(table);
  model.on(["heads", "rows", "widths", "told"], draw);
  draw();
}
