const KEYS = "1234567890qw";

export function render({ model, el }) {
  const table = make("div", "lines"), add = make("button", "add", "Add a class"), form = make("form");
  let lines = [];  // what is edited: { was, name, colour, key, flagged, retired, into }, and beside it { count, wasRetired }
  const tell = verb => model.send_msg({ verb, classes: lines.map(({ wasRetired, count, ...line }) => line), ...extra() });
  const changed = () => { if (model.begins) tell("change"); };
  let extra = () => ({});
  const field = (label, value, size) => {
    const input = make("input");
    Object.assign(input, { value, maxLength: size, autocomplete: "off" });
    input.setAttribute("aria-label", label);
    return input;
  };
  const free = (values, taken) => values.find(value => !taken.includes(value)) ?? values[0];
  const row = (line, at) => {
    const node = make("div", line.retired || line.into ? "line gone" : "line");
    const colour = make("button", "colour"), name = field(`Name of class ${at + 1}`, line.name, 60), key = field(`Key of ${line.name}`, line.key, 1);
    colour.style.setProperty("--class-colour", line.colour);
    colour.title = `Colour of ${line.name}: press for another`;
    colour.setAttribute("aria-label", colour.title);
    colour.onclick = () => {
      const turn = [...model.palette, ...model.palette], from = model.palette.indexOf(line.colour) + 1;
      line.colour = free(turn.slice(from, from + model.palette.length), lines.map(other => other.colour));
      draw();
      changed();
    };
    name.className = "name";
    name.onchange = () => {  // nothing is drawn anew: the field that is clicked next stays
      line.name = name.value.trim();
      key.setAttribute("aria-label", `Key of ${line.name}`);
      colour.title = `Colour of ${line.name}: press for another`;
      colour.setAttribute("aria-label", colour.title);
      node.querySelector(".drop")?.setAttribute("aria-label", `Remove ${line.name}`);
      changed();
    };
    key.className = "key";
    key.onchange = () => { line.key = key.value.trim().toLowerCase(); changed(); };
    const flagged = make("label", "flagged"), box = make("input");
    box.type = "checkbox";
    box.checked = line.flagged;
    box.onchange = () => { line.flagged = box.checked; changed(); };
    flagged.append(box, "flagged");
    node.append(colour, name, key, flagged);
    if (line.count && !model.begins) {
      const fate = make("select", "fate");
      fate.setAttribute("aria-label", `What happens to ${line.name}`);
      const labels = `${line.count.toLocaleString("en")} label${line.count === 1 ? "" : "s"}`;
      const options = [["", line.wasRetired ? `${labels}: take it back into use` : labels], ["retire", line.wasRetired ? `${labels}: retired` : "retire: no new labels"]];
      for (const other of lines) if (other !== line && other.was && !other.into) options.push([`into ${other.was}`, `merge into ${other.name}`]);
      for (const [value, words] of options) fate.append(new Option(words, value));
      fate.value = line.into ? `into ${line.into}` : line.retired ? "retire" : "";
      fate.onchange = () => {
        line.retired = fate.value === "retire";
        line.into = fate.value.startsWith("into ") ? fate.value.slice(5) : "";
        if (!fate.value && !line.key) line.key = free([...KEYS], lines.map(other => other.key));
        draw();
      };
      node.append(fate);
    } else {
      const drop = make("button", "drop", "Remove");
      drop.setAttribute("aria-label", `Remove ${line.name}`);
      drop.onclick = () => { lines = lines.filter(other => other !== line); draw(); changed(); };
      node.append(drop);
    }
    return node;
  };
  const draw = () => {
    table.replaceChildren(...lines.map(row));
    add.disabled = lines.length >= model.palette.length;
  };
  const take = () => {
    lines = model.classes.map(c => ({ was: c.name, name: c.name, colour: c.colour, key: c.key, flagged: c.flagged, count: c.count,
      retired: c.retired, wasRetired: c.retired, into: "" }));
    draw();
  };
  add.onclick = () => {
    lines.push({ was: "", name: "", colour: free(model.palette, lines.map(line => line.colour)),
      key: free([...KEYS], lines.map(line => line.key)), flagged: false, retired: false, into: "", count: 0 });
    draw();
    table.lastChild.querySelector(".name").focus();
  };
  el.addEventListener("keydown", event => event.stopPropagation());  // what is typed is no answer
  form.onsubmit = event => event.preventDefault();
  form.append(table, add);
  if (model.begins) {
    form.setAttribute("aria-label", "New workspace");
    const folder = field("Folder of images", "", 4096), go = make("button", "go", "Begin"), line = make("div", "begin");
    folder.className = "folder";
    folder.placeholder = "/path/to/images";
    form.prepend(make("h3", "", "Classes"), make("p", "", "What images are labelled as. Flagged classes are what you look for. All of it can be changed later."));
    line.append(folder, go);
    form.append(make("h3", "", "Images"), make("p", "", "A folder on the computer that this server runs on, with all folders in it; the files stay where they are. Leave it empty for images that you drop below."), line);
    extra = () => ({ folder: folder.value.trim() });
    go.onclick = () => tell("begin");
    folder.onkeydown = event => { if (event.key === "Enter") { event.preventDefault(); go.click(); } };
    const wait = () => { go.disabled = model.busy; };
    model.on("busy", wait);
    wait();
    el.append(form);
  } else {
    const opener = make("button", "opener", "Edit classes…"), dialog = make("dialog"), foot = make("div", "foot");
    const name = field("Name of the workspace", "", 200), guideline = field("Version of the labelling guideline", "", 200);
    const save = make("button", "go", "Save"), refusal = make("p", "refusal"), cancel = make("button", "", "Cancel"), more = make("div", "more");
    const named = (words, input) => { const label = make("label", "", words); label.append(input); return label; };
    dialog.setAttribute("aria-label", "Classes and guideline");
    refusal.setAttribute("role", "alert");  // a message of the page would stand behind the dialog
    more.append(named("Workspace", name), named("Guideline in force", guideline));
    foot.append(cancel, save);
    dialog.append(make("h2", "", "Classes and guideline"),
      make("p", "", "A new name keeps the labels. A merged class gives its labels to another; a retired one keeps them and takes no more. Every window follows, and History says who did it."),
      form, more, refusal, foot);
    extra = () => ({ name: name.value.trim(), guideline: guideline.value.trim() });
    opener.onclick = () => model.send_msg({ verb: "open" });
    const open = () => {
      if (dialog.open) return;
      take();
      [name.value, guideline.value] = [model.workspace_name, model.guideline];
      dialog.showModal();
    };
    cancel.onclick = () => dialog.close();
    save.onclick = () => tell("save");
    model.on("opens", () => queueMicrotask(open));  // after all that came in the same message
    model.on("saved", () => dialog.close());
    model.on("busy", () => { save.disabled = model.busy; });
    model.on("refusal", () => { refusal.textContent = model.refusal; });
    el.append(opener, dialog);
  }
  model.on("classes", () => {
    if (lines.length === model.classes.length && lines.every((line, at) => line.name === model.classes[at].name)) {
      for (const line of lines) line.was = line.name;  // it was kept; what is being typed stays
    } else if (!el.querySelector("dialog")?.open && !form.contains(el.getRootNode().activeElement)) take();
  });
  take();
}
