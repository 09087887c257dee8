export function render({ model, el }) {
  const stage = make("p", "stage"), parts = make("div", "parts"), strip = make("div", "strip"), known = new Map();
  stage.setAttribute("role", "status");
  el.append(stage, parts, strip);
  const draw = () => {
    stage.textContent = model.stage;
    parts.replaceChildren(...model.parts.map(part => {
      const line = make("label", "part"), bar = document.createElement("progress");
      if (part.total) [bar.max, bar.value] = [part.total, part.done];
      else bar.value = 0;
      const words = part.total ? `${part.done.toLocaleString("en")} of ${part.total.toLocaleString("en")}` : part.done.toLocaleString("en");
      line.append(make("span", "what", part.name), bar, make("span", "number", words));
      return line;
    }));
  };
  const show = () => {
    const wanted = model.newest.map(id => {
      const src = `thumb/${model.view}/${id}`;
      if (!known.has(src)) {
        const img = new Image();
        img.alt = "";
        img.src = src;
        known.set(src, img);
      }
      return known.get(src);
    });
    for (const [src, img] of known) if (!wanted.includes(img)) known.delete(src);
    strip.replaceChildren(...wanted);
  };
  for (const name of ["stage", "parts"]) model.on(name, draw);
  for (const name of ["newest", "view"]) model.on(name, show);
  draw();
  show();
}
