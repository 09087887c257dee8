export function render({ model, el }) {
  const row = make("div", "row");
  el.append(row);
  const draw = () => row.replaceChildren(...model.buttons.map(entry => {
    const button = answerButton(entry, () => model.send_msg({ verb: entry.verb, value: entry.value, place: model.place,
      shown: [...(window.lassoscopeShown ?? new Map()).values()] }));
    button.disabled = model.disabled;
    return button;
  }));
  model.on(["buttons"], draw);
  model.on("disabled", () => { for (const button of row.children) button.disabled = model.disabled; });
  draw();
}
