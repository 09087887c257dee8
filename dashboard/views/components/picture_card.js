export function render({ model, el }) {
  const draw = () => picture.show(model.image_id, model, model.description);
  const picture = new LargePicture(el, { loaded: draw });
  for (const name of ["image_id", "view", "reveal", "description"]) model.on(name, draw);
  model.on("remove", () => picture.forget());
  draw();
}
