export function render({ model, el }) {
  const key = `lassoscope.open.${model.name_kept}`, kept = storage("localStorage"), button = document.createElement("button");
  button.type = "button";
  el.append(button);
  const draw = () => {
    button.textContent = `${model.open ? "▾" : "▸"} ${model.label}`;
    button.setAttribute("aria-expanded", String(model.open));
  };
  button.onclick = () => {
    const open = !model.open;
    kept.set(key, open ? "1" : "");
    model.send_msg({ open });
  };
  model.on(["open", "label"], () => {
    draw();
    if (model.open) kept.set(key, "1");  // opened by a link
  });
  draw();
  if (kept.get(key) && !model.open) model.send_msg({ open: true });
}
