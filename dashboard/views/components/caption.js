export function render({ model, el }) {
  const words = document.createElement("div");
  el.append(words);
  const draw = () => {
    const id = model.image_id;
    if (!id || [...(window.lassoscopeSettled ?? new Map()).values()].includes(id)) words.innerHTML = model.html;
  };
  for (const name of ["html", "image_id"]) model.on(name, () => queueMicrotask(draw));  // once both are there
  document.addEventListener("lassoscope-settled", draw);
  model.on("remove", () => document.removeEventListener("lassoscope-settled", draw));
  draw();
}
