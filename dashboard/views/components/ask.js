export function render({ model, el }) {
  const dialog = make("dialog"), heading = make("h2"), body = make("div", "body"), bar = make("progress");
  const foot = make("div", "foot"), cancel = make("button", "cancel", "Cancel"), go = make("button", "go");
  heading.id = "asked";
  dialog.setAttribute("aria-labelledby", "asked");
  bar.max = 1;
  bar.setAttribute("aria-label", "Progress");
  cancel.autofocus = true;
  foot.append(cancel, go);
  dialog.append(heading, body, bar, foot);
  el.append(dialog);

  let field = null;
  const lacks = make("p", "refusal");
  lacks.setAttribute("role", "alert");
  const answer = yes => {
    if (yes && field && model.needed && !field.value.trim()) {
      lacks.textContent = `${model.field}: type one first.`;
      field.focus();
      return;
    }
    model.send_msg({ number: model.number, go: yes, text: field?.value ?? "",
      option: dialog.querySelector("input[type=radio]:checked")?.value ?? "" });
  };
  const fill = () => {
    heading.textContent = model.heading;
    go.textContent = model.go;
    body.replaceChildren(...model.paragraphs.flatMap(({ heading, sentences }) => [
      ...(heading ? [make("h3", "", heading)] : []), ...sentences.map(said => make("p", "", said))]));
    if (model.options.length) {
      const group = make("fieldset");
      group.append(make("legend", "", "Which?"));
      model.options.forEach(({ value, label }, place) => {
        const choice = make("input"), row = make("label");
        Object.assign(choice, { type: "radio", name: "option", value, checked: !place });
        row.append(choice, make("span", "", label));
        group.append(row);
      });
      body.append(group);
    }
    field = null;
    if (model.field) {
      const row = make("label", "field", model.field);
      field = make("input");
      Object.assign(field, { type: "text", value: model.text, maxLength: 80 });
      field.addEventListener("keydown", event => { if (event.key === "Enter") { event.preventDefault(); answer(true); } });
      field.addEventListener("input", () => { lacks.textContent = ""; });
      lacks.textContent = "";
      row.append(field);
      body.append(row, lacks);
    }
  };
  const work = () => {
    const working = model.progress >= 0;
    bar.hidden = !working;
    if (working) bar.value = model.progress;
    go.disabled = working;
    for (const input of dialog.querySelectorAll("input")) input.disabled = working;
  };
  const show = () => {
    work();
    if (!model.open) { if (dialog.open) dialog.close(); return; }
    if (!dialog.open) { dialog.showModal(); cancel.focus(); }
  };
  cancel.onclick = () => answer(false);
  go.onclick = () => answer(true);
  dialog.addEventListener("cancel", event => { event.preventDefault(); answer(false); });  // Escape
  dialog.addEventListener("keydown", event => event.stopPropagation());  // a class key acts on nothing behind it
  // The parts of a question come one after the other: it is put together when all have come.
  let waiting = false;
  const soon = () => {
    if (waiting) return;
    waiting = true;
    setTimeout(() => { waiting = false; fill(); show(); });
  };
  model.on(["number", "heading", "paragraphs", "options", "field", "needed", "text", "go"], soon);
  model.on("open", () => { if (!waiting) show(); });
  model.on("progress", work);
  fill();
  show();
}
