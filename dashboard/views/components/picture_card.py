"""One picture, large enough to read, in the privacy view in force; clear only while it is revealed."""

import panel as pn
import param


class PictureCard(pn.custom.JSComponent):
    """An <img> of `image/<view>/<id>`; while `reveal` is on it shows the clear file.

    The next picture is fetched ahead and put in when it is asked for, loaded as it is; until a picture has loaded, the one
    before stays, faint. What is really on the screen is in `window.lassoscopeShown`: keys and buttons send it, so that
    nobody answers for a picture that was not there. A `Caption` waits for its picture.
    """

    image_id = param.String(default="", doc="32 hex digits, or empty for no picture.")
    view = param.String(default="blurred", doc="Privacy view while not revealed.")
    reveal = param.Boolean(default=False, doc="The reveal key is held.")
    description = param.String(default="", doc="Alternative text.")
    next_id = param.String(default="", doc="Picture to fetch ahead.")

    _esm = """
export function render({ model, el }) {
  const shown = window.lassoscopeShown ??= new Map(), settled = window.lassoscopeSettled ??= new Map();
  const me = Symbol("card");  // -> id of the picture on the screen; of the one that has loaded or cannot be
  const none = document.createElement("div");
  none.className = "none";
  none.setAttribute("role", "alert");
  none.textContent = "This picture cannot be loaded; its key is not taken.";
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
  const settle = id => {
    settled.set(me, id);
    document.dispatchEvent(new Event("lassoscope-settled"));
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
    const needed = new Set([wanted, address(id, model.view), address(model.next_id, model.view)]);
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
      if (front?.dataset.view === "clear" && !model.reveal) put(null, "");  // let go of R: blurred or nothing, at once
      front?.classList.add("waits");
      return;
    }
    if (img) {
      img.alt = model.description;
      img.dataset.view = model.reveal ? "clear" : model.view;
    }
    settle(id);
  };
  for (const name of ["image_id", "view", "reveal", "description", "next_id"]) model.on(name, draw);
  model.on("remove", () => {
    shown.delete(me);
    settled.delete(me);
  });
  draw();
}
"""
    _stylesheets = [
        """
:host { display: block; position: relative; overflow: hidden; border-radius: 8px; background: rgba(128, 128, 128, .12); }
img { position: absolute; inset: 0; width: 100%; height: 100%; object-fit: contain; }
img.waits { opacity: .25; }
.none { position: absolute; inset: auto 0 0 0; padding: 8px; text-align: center; font-size: 13px; }
.none[hidden] { display: none; }
"""
    ]


class Caption(pn.custom.JSComponent):
    """Words about one picture, which appear together with it."""

    html = param.String(default="", doc="What is shown, safe to show as it is.")
    image_id = param.String(default="", doc="Picture the words are about; empty for none.")

    _esm = """
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
"""
