"""One picture, large enough to read, in the privacy view in force; clear only while it is revealed."""

import panel as pn
import param

from dashboard.views.components.source import source


class PictureCard(pn.custom.JSComponent):
    """An <img> of `image/<view>/<id>`; while `reveal` is on it shows the clear file.

    Until a picture has loaded, the one before stays, faint. What is really on the screen is in `window.lassoscopeShown`: keys
    and buttons send it, so that nobody answers for a picture that was not there.
    """

    image_id = param.String(default="", doc="32 hex digits, or empty for no picture.")
    view = param.String(default="blurred", doc="Privacy view while not revealed.")
    reveal = param.Boolean(default=False, doc="The reveal key is held.")
    description = param.String(default="", doc="Alternative text.")

    _esm = source("parts.js", "picture_card.js")
    _stylesheets = [source("picture_card.css")]
