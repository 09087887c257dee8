"""One picture, large enough to read, in the privacy view in force; clear only while it is revealed."""

import panel as pn
import param


class PictureCard(pn.custom.JSComponent):
    """An <img> of `image/<view>/<id>`; while `reveal` is on it shows the clear file.

    A picture counts as shown once it has loaded: keys and buttons send the ids in `window.lassoscopeShown`, so that nobody
    answers for a picture that was not on the screen.
    """

    image_id = param.String(default="", doc="32 hex digits, or empty for no picture.")
    view = param.String(default="blurred", doc="Privacy view while not revealed.")
    reveal = param.Boolean(default=False, doc="The reveal key is held.")
    description = param.String(default="", doc="Alternative text.")
    next_id = param.String(default="", doc="Picture to fetch ahead.")

    _esm = """
export function render({ model, el }) {
  const img = document.createElement("img"), ahead = new Image(), none = document.createElement("div");
  const shown = window.lassoscopeShown ??= new Map(), me = Symbol("card");  // card -> id of the picture on the screen
  none.className = "none";
  none.setAttribute("role", "alert");
  none.textContent = "This picture cannot be loaded; its key is not taken.";
  none.hidden = true;
  img.decoding = "async";
  el.append(img, none);
  let id = "";
  img.onload = () => { shown.set(me, id); none.hidden = true; };
  img.onerror = () => { shown.delete(me); none.hidden = !img.getAttribute("src"); };
  const draw = () => {
    const view = model.reveal ? "clear" : model.view, src = model.image_id ? `image/${view}/${model.image_id}` : "";
    if (model.image_id !== id) {
      id = model.image_id;
      shown.delete(me);
      none.hidden = true;
    }
    img.style.visibility = id ? "visible" : "hidden";
    if (!src) img.removeAttribute("src");
    else if (img.getAttribute("src") !== src) img.src = src;
    img.alt = model.description;
    img.dataset.view = view;
    if (model.next_id) ahead.src = `image/${model.view}/${model.next_id}`;
  };
  for (const name of ["image_id", "view", "reveal", "description", "next_id"]) model.on(name, draw);
  model.on("remove", () => shown.delete(me));
  draw();
}
"""
    _stylesheets = [
        """
:host { display: block; position: relative; overflow: hidden; border-radius: 8px; background: rgba(128, 128, 128, .12); }
img { position: absolute; inset: 0; width: 100%; height: 100%; object-fit: contain; }
.none { position: absolute; inset: auto 0 0 0; padding: 8px; text-align: center; font-size: 13px; }
.none[hidden] { display: none; }
"""
    ]
