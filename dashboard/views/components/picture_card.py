"""One picture, large enough to read, in the privacy view in force; clear only while it is revealed."""

import panel as pn
import param


class PictureCard(pn.custom.JSComponent):
    """An <img> of `image/<view>/<id>`; while `reveal` is on it shows the clear file."""

    image_id = param.String(default="", doc="32 hex digits, or empty for no picture.")
    view = param.String(default="blurred", doc="Privacy view while not revealed.")
    reveal = param.Boolean(default=False, doc="The reveal key is held.")
    description = param.String(default="", doc="Alternative text.")
    next_id = param.String(default="", doc="Picture to fetch ahead.")

    _esm = """
export function render({ model, el }) {
  const img = document.createElement("img"), ahead = new Image();
  img.decoding = "async";
  el.append(img);
  const draw = () => {
    const view = model.reveal ? "clear" : model.view;
    img.style.visibility = model.image_id ? "visible" : "hidden";
    if (model.image_id) img.src = `image/${view}/${model.image_id}`;
    else img.removeAttribute("src");
    img.alt = model.description;
    img.dataset.view = view;
    if (model.next_id) ahead.src = `image/${model.view}/${model.next_id}`;
  };
  for (const name of ["image_id", "view", "reveal", "description", "next_id"]) model.on(name, draw);
  draw();
}
"""
    _stylesheets = [
        """
:host { display: block; position: relative; overflow: hidden; border-radius: 8px; background: rgba(128, 128, 128, .12); }
img { position: absolute; inset: 0; width: 100%; height: 100%; object-fit: contain; }
"""
    ]
