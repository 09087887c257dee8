export function render({ model, el }) {
  const row = document.createElement("div");
  row.className = "row";
  el.append(row);
  const draw = () => row.replaceChildren(...model.buttons.map(entry => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = entry.label;
    if (entry.note) {
      const note = document.createElement("small");
      note.textContent = entry.note;
      button.append(" ", note);
    }
    button.title = entry.title;
    button.setAttribute("aria-label", entry.title);
    button.disabled = model.disabled;
    if (entry.colour) {
      button.className = "class";
      button.style.setProperty("--class-colour", entry.colour);
    }
    button.onclick = () => model.send_msg({ verb: entry.verb, value: entry.value, place: model.place,
      shown: [...(window.lassoscopeShown ?? new Map()).values()] });
    return button;
  }));
  model.on(["buttons"], draw);
  model.on("disabled", () => { for (const button of row.children) button.disabled = model.disabled; });
  draw();
}
