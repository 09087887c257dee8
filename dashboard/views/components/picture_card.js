export function render({ model, el }) {
  const shown = window.lassoscopeShown ??= new Map();
  const me = Symbol("card");  // -> id of the picture on the screen
  const none = document.createElement("div");
  none.className = "none";
  none.setAttribute("role", "alert");
  none.textContent = "This picture cannot be loaded, so it cannot be labelled.";
  none.hidden = true;
  el.append(none);
  const fetched = new Map();  // address -> <img>
  let front = null;  // the <img> on the screen
  const address = (id, view) => id ? `image/${view}/${id}` : "";
  const picture = src => {
    if (!fetched.has(src)) {
      const img = new Image();
      img.decoding = "sync";  // never a frame with the words of the new picture and the pixels of the old one
      img.onload = draw;
      img.onerror = () => { img.dataset.lost = "true"; draw(); };
      img.src = src;
      fetched.set(src, img);
    }
    return fetched.get(src);
  };
  const put = (img, id) => {
    if (img !== front) {
      front?.remove();
      front = img;
      if (img) el.prepend(img);
    }
    front?.classList.remove("waits");
    if (id) shown.set(me, id);
    else shown.delete(me);
    none.hidden = true;
  };
  const draw = () => {
    const id = model.image_id, wanted = address(id, model.reveal ? "clear" : model.view);
    const needed = new Set([wanted, address(id, model.view)]);
    for (const src of fetched.keys()) if (!needed.has(src)) fetched.delete(src);
    needed.delete("");
    for (const src of needed) picture(src);
    const img = wanted ? fetched.get(wanted) : null;
    if (!img) put(null, "");
    else if (img.complete && img.naturalWidth > 0) put(img, id);
    else if (img.dataset.lost) {
      put(null, "");
      none.hidden = false;
    } else {
      if (front?.dataset.view === "clear" && !model.reveal) put(null, "");  // R is released: blurred or nothing, at once
      front?.classList.add("waits");
      return;
    }
    if (img) {
      img.alt = model.description;
      img.dataset.view = model.reveal ? "clear" : model.view;
    }
  };
  for (const name of ["image_id", "view", "reveal", "description"]) model.on(name, draw);
  model.on("remove", () => {
    shown.delete(me);
  });
  draw();
}
