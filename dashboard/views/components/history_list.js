export function render({ model, el }) {
  const table = document.createElement("table");
  const cell = (row, text, name) => {
    const td = row.insertCell();
    td.textContent = text;
    if (name) td.className = name;
    return td;
  };
  const draw = () => {
    table.replaceChildren();
    const head = table.createTHead().insertRow();
    for (const title of ["No.", "When", "Who", "What", "How", "State", ""]) {
      const th = document.createElement("th");
      th.scope = "col";
      th.textContent = title;
      head.append(th);
    }
    const body = table.createTBody();
    for (const entry of model.entries) {
      const row = body.insertRow();
      row.dataset.seq = entry.seq;
      if (entry.state === "undone") row.className = "undone";
      for (const name of ["seq", "when", "who", "what", "how", "state"]) cell(row, entry[name], name);
      const last = cell(row, "");
      if (entry.can) {
        const button = document.createElement("button");
        button.textContent = entry.can === "undo" ? "Undo" : "Redo";
        button.setAttribute("aria-label", `${button.textContent} action ${entry.seq}`);
        button.onclick = () => model.send_msg({ seq: entry.seq, verb: entry.can });
        last.append(button);
      }
      if (entry.spot_check) {
        const button = document.createElement("button");
        button.textContent = "Spot-check more";
        button.setAttribute("aria-label", `Spot-check more images of action ${entry.seq}`);
        button.onclick = () => model.send_msg({ seq: entry.seq, verb: "spot_check" });
        last.append(button);
      }
    }
  };
  el.append(table);
  model.on("entries", draw);
  draw();
}
