// The bar, and two panels below it: the form of a new filter, and the named views. One of them is open at most.
export function render({ model, el }) {
  const bar = make("div", "bar"), chips = make("ul", "chips"), note = make("div", "note");
  const filter = make("button", "", "Filter"), views = make("button", "", "Views"), all = make("button", "", "Select all");
  const clear = make("button", "", "Clear all"), said = make("span", "said"), find = make("input");
  const form = make("form", "panel"), menu = make("div", "panel menu");
  find.type = "search";
  find.maxLength = 200;  // as a condition has
  find.placeholder = "words in pictures";
  find.setAttribute("aria-label", "Find words in pictures");
  find.title = "Show the pictures that contain these words, as far as they were read; Enter";
  filter.title = "Show only images of a class, score, cluster, file name …";
  views.title = "Views that were saved with their filters, colour and order";
  all.title = "Select all images that pass the filters";
  said.setAttribute("role", "status");
  note.setAttribute("role", "status");
  chips.setAttribute("aria-label", "Filters");
  form.setAttribute("aria-label", "A new filter");
  menu.setAttribute("role", "group");
  menu.setAttribute("aria-label", "Named views");
  const room = make("div", "room"), rooms = new Map(["map", "both", "work"].map(name => [name, make("button")]));
  room.setAttribute("role", "group");
  room.setAttribute("aria-label", "What has the stage [F]");
  const ROOMS = { map: ["Map", "Room for the map  [F]"], both: ["Both", "Room for both, side by side  [F]"], work: ["Pictures", "Room for the pictures  [F]"] };
  for (const [name, button] of rooms) {
    [button.textContent, button.title] = ROOMS[name];
    button.onclick = () => model.send_msg({ room: name });
    room.append(button);
  }
  const drawRoom = () => rooms.forEach((button, name) => button.setAttribute("aria-pressed", String(name === model.room)));
  bar.append(filter, find, room, said, all, clear, views);
  el.append(bar, chips, note, form, menu);
  const send = wish => model.send_msg(wish);

  const panels = [[filter, form], [views, menu]];
  const open = (button, panel) => {
    for (const [other, its] of panels) {
      its.hidden = its !== panel;
      other.setAttribute("aria-expanded", String(its === panel));
    }
    if (panel) panel.querySelector("select, input, button")?.focus();
    else button?.focus();
  };
  for (const [button, panel] of panels) {
    button.onclick = () => {
      if (!panel.hidden) { open(button, null); return; }
      send({ open: true });
      draw();
      open(button, panel);
    };
    panel.addEventListener("keydown", event => {
      if (event.key === "Escape") open(button, null);
      event.stopPropagation();  // keys in a form are no keys of the page
    });
  }
  addEventListener("pointerdown", event => {
    if (!event.composedPath().includes(el) && panels.some(([, panel]) => !panel.hidden)) open(null, null);
  });
  find.addEventListener("keydown", event => {
    event.stopPropagation();
    const text = find.value.trim();
    if (event.key === "Enter" && text) { send({ add: { kind: "words", text } }); find.value = ""; }
    if (event.key === "Escape") { find.value = ""; find.blur(); }
  });
  clear.onclick = () => { send({ clear: true }); filter.focus(); };
  all.onclick = () => send({ select: true });

  // -- the form of a new filter --
  const kinds = make("select"), fields = make("div", "fields"), hint = make("small"), add = make("button", "go", "Show only these");
  const label = (words, input) => { const l = make("label", "", words); l.append(input); return l; };
  kinds.setAttribute("aria-label", "Filter by");
  add.type = "submit";
  form.append(kinds, hint, fields, add);
  let offered = null;
  const offer = () => model.offers[kinds.selectedIndex];
  const number = (name, of) => {
    const input = make("input");
    Object.assign(input, { type: "number", step: "any", name, min: of.low, max: of.high });
    return input;
  };
  const drawFields = () => {
    const of = offer();
    fields.replaceChildren();
    hint.textContent = of?.hint ?? "Looking up what there is …";
    add.hidden = !of || (of.form.startsWith("choice") && !of.choices.length);
    if (!of) return;
    fields.className = `fields ${of.form}`;
    if (of.form.startsWith("choice")) for (const choice of of.choices) {
      const box = make("input"), line = make("label", "choice"), words = make("span", "", choice.words);
      Object.assign(box, { type: of.form === "choice" ? "radio" : "checkbox", name: "choice", value: choice.value });
      line.append(box, words);
      if (choice.n >= 0) line.append(make("small", "", choice.n.toLocaleString("en")));
      fields.append(line);
    } else if (of.form === "range") fields.append(label("from ", number("low", of)), label("to ", number("high", of)));
    else if (of.form === "since") {
      for (const choice of of.choices) {
        const box = make("input"), line = make("label", "choice");
        Object.assign(box, { type: "radio", name: "choice", value: choice.value });
        line.append(box, make("span", "", choice.words), make("small", "", choice.n.toLocaleString("en")));
        fields.append(line);
      }
      const at = make("input");
      Object.assign(at, { type: "datetime-local", name: "since" });
      fields.append(label("or since ", at));
    } else {
      const text = make("input");
      Object.assign(text, { type: "text", name: "text", maxLength: 200 });
      text.setAttribute("aria-label", of.words);
      fields.append(text);
    }
  };
  kinds.onchange = drawFields;
  form.onsubmit = event => {
    event.preventDefault();
    const of = offer(), data = new FormData(form), condition = { kind: of.kind };
    const chosen = data.getAll("choice"), number = name => data.get(name) ? Number(data.get(name)) / (of.kind === "score" ? 100 : 1) : null;
    if (of.column) condition.column = of.column;
    if (of.form === "choices") condition.names = chosen;
    else if (of.form === "choice") condition[of.kind] = chosen[0];
    else if (of.form === "range") Object.assign(condition, { low: number("low"), high: number("high") });
    else if (of.form === "since") condition.since = data.get("since") ? new Date(data.get("since")).toISOString() : chosen[0];
    else condition.text = data.get("text").trim();
    const value = condition.names?.length || condition[of.kind] || condition.since || condition.text || condition.low !== undefined && (condition.low ?? condition.high) !== null;
    if (!value) { hint.textContent = "Choose or type something first."; return; }
    if (of.form === "range" && condition.low !== null && condition.high !== null && condition.low > condition.high) {
      hint.textContent = "The first number is the lower one.";
      return;
    }
    send({ add: condition });
    open(filter, null);
  };
  const drawForm = () => {
    const before = offered?.words;
    kinds.replaceChildren(...model.offers.map(of => make("option", "", of.words)));
    kinds.selectedIndex = Math.max(0, model.offers.findIndex(of => of.words === before));
    drawFields();
    offered = offer();
  };
  form.addEventListener("change", () => { offered = offer(); });

  // -- named views --
  const drawMenu = () => {
    const focused = menu.contains(el.getRootNode().activeElement);
    const name = make("input"), save = make("button", "go", "Save this view");
    Object.assign(name, { type: "text", maxLength: 60, placeholder: "name" });
    name.setAttribute("aria-label", "Name of this view");
    const keep = () => { if (name.value.trim()) { send({ save: name.value }); name.value = ""; } };
    save.onclick = keep;
    name.onkeydown = event => { if (event.key === "Enter") keep(); };
    const lines = model.views.map(view => {
      const line = make("div", "view"), show = make("button", "name", view.name), by = make("small", "", view.by);
      const rename = make("button", "", "Rename"), drop = make("button", "", "Remove");
      rename.setAttribute("aria-label", `Rename the view ${view.name}`);
      drop.setAttribute("aria-label", `Remove the view ${view.name}`);
      show.onclick = () => { send({ show: view.name }); open(views, null); };
      drop.onclick = () => send({ drop: view.name });
      rename.onclick = () => {
        const to = make("input");
        to.value = view.name;
        to.maxLength = 60;
        to.setAttribute("aria-label", `New name of the view ${view.name}`);
        to.onkeydown = event => {
          if (event.key === "Enter") { event.preventDefault(); send({ rename: { name: view.name, to: to.value } }); }
        };
        show.replaceWith(to);
        to.select();
      };
      line.append(show, by, rename, drop);
      return line;
    });
    menu.replaceChildren(...lines, make("small", "", lines.length ? "" : "No view was saved yet."), name, save);
    if (focused) name.focus();
  };

  const drawChips = () => {
    const at = [...chips.querySelectorAll("button")].indexOf(el.getRootNode().activeElement);
    chips.replaceChildren(...model.chips.map((chip, place) => {
      const item = make("li"), words = chip, remove = make("button", "", words);
      remove.append(make("span", "cross", "×"));
      remove.setAttribute("aria-label", `Remove the filter: ${words}`);
      remove.title = "Remove this filter";
      remove.onclick = () => send({ remove: place });
      remove.onkeydown = event => {
        if (event.key !== "Delete" && event.key !== "Backspace") return;
        event.preventDefault();
        event.stopPropagation();
        send({ remove: place });
      };
      item.append(remove);
      return item;
    }));
    chips.hidden = clear.hidden = !model.chips.length;
    const left = chips.querySelectorAll("button");
    if (at >= 0) (left[Math.min(at, left.length - 1)] ?? filter).focus();
  };
  const drawSaid = () => {
    said.textContent = model.said;
    note.textContent = model.note;
    note.hidden = !model.note;
    all.hidden = !model.can_select;
  };
  const draw = () => { drawForm(); drawMenu(); };
  model.on("room", drawRoom);
  model.on("chips", drawChips);
  model.on(["said", "note", "can_select"], drawSaid);
  model.on("offers", drawForm);
  model.on("views", drawMenu);
  open(null, null);
  draw();
  drawRoom();
  drawChips();
  drawSaid();
}
