export function render({ model, el }) {
  const table = make("table");
  const cell = (row, text, name) => {
    const td = row.insertCell();
    td.textContent = text;
    if (name) td.className = name;
    return td;
  };
  let hovered = null;
  const show = button => {
    const view = model.reveal && button === hovered ? "clear" : model.view, src = `thumb/${view}/${button.dataset.id}`;
    if (button.firstChild.getAttribute("src") !== src) button.firstChild.src = src;
  };
  const showAll = () => table.querySelectorAll(".picture").forEach(show);
  const picture = (id, seq) => {
    const button = make("button", "picture"), img = make("img");
    img.loading = "lazy";
    img.alt = "";
    button.dataset.id = id;
    button.title = "Show this picture on the map";
    button.setAttribute("aria-label", `Pin a picture of action ${seq}`);
    button.append(img);
    button.onmouseenter = () => { hovered = button; show(button); };
    button.onmouseleave = () => { hovered = null; show(button); };
    button.onclick = () => model.send_msg({ picture: id });
    show(button);
    return button;
  };
  const answer = ({ seq }, verb, words, of) => {
    const button = make("button", "", words);
    button.setAttribute("aria-label", `${words} ${of} ${seq}`);
    button.onclick = () => model.send_msg({ seq, verb });
    return button;
  };
  const draw = () => {
    table.replaceChildren();
    const head = table.createTHead().insertRow();
    for (const title of ["No.", "Pictures", "When", "Who", "What", "How", "State", ""]) {
      const th = make("th", "", title);
      th.scope = "col";
      head.append(th);
    }
    const body = table.createTBody();
    for (const entry of model.entries) {
      const row = body.insertRow();
      row.dataset.seq = entry.seq;
      if (entry.state === "undone") row.className = "undone";
      cell(row, entry.seq, "seq");
      const strip = cell(row, "", "pictures");
      for (const id of entry.pictures) strip.append(picture(id, entry.seq));
      const when = make("time", "", entry.when);
      when.dateTime = when.title = entry.at;
      cell(row, "", "when").append(when);
      for (const name of ["who", "what", "how", "state"]) cell(row, entry[name], name);
      const last = cell(row, "");
      if (entry.can) last.append(answer(entry, entry.can, entry.can === "undo" ? "Undo" : "Redo", "action"));
      if (entry.spot_check) last.append(answer(entry, "spot_check", "Spot-check more", "images of action"));
    }
  };
  el.append(table);
  model.on(["view", "reveal"], showAll);
  model.on("entries", draw);
  draw();
}
