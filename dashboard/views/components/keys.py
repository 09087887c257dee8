"""Keys of the whole page. Sees through shadow roots, is silent while somebody types text."""

from collections.abc import Callable
from typing import ClassVar

import panel as pn
import param

from dashboard.inputs import Press
from dashboard.views.components.source import source


class Keys(pn.custom.JSComponent):
    """An invisible listener; put one on the page. Keys that were down when the window lost the focus go up.

    A finger held on a picture is told as such (`Press.touch`): it reveals, as the key does.
    Each press carries its place, and the pictures that picture cards have loaded. A queue's card, or a picture that lies on top
    of the page, names the place itself (`window.lassoscopeQueues`, `window.lassoscopeOnTop`); it may be ahead of `place`.
    While the connection is away, or a queue's card takes no key, a press is answered in the browser: it did nothing.
    """

    place = param.String(doc="What class keys act on, as the server names it.")
    verbs: dict[str, str] = param.Dict(default={}, doc="The verb of each key.")
    on_key: Callable[[Press], None] = param.Parameter(doc="Called with each `Press`.")

    _rename: ClassVar[dict[str, str | None]] = {"on_key": None}  # stays in Python

    _esm = source("parts.js", "keys.js")
    _stylesheets = [source("keys.css")]

    def _handle_msg(self, msg: object) -> None:
        press = Press.read(msg)
        if press is not None and self.on_key is not None:
            self.on_key(press)
