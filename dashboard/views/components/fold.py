"""A heading that opens and closes what stands below it; the browser remembers which."""

from functools import partial

import panel as pn
import param

from dashboard.messages import Message
from dashboard.views.components.source import source


class Turned(Message):
    """Whether it is open now."""

    open: bool


class Fold(pn.custom.JSComponent):
    """Watch `open`; it is closed until the browser says that it was open before."""

    name_kept = param.String(doc="Under which name the browser keeps it.")
    label = param.String(doc="The words of the heading.")
    open = param.Boolean(default=False, doc="What stands below is shown.")

    _esm = source("storage.js", "fold.js")
    _stylesheets = [source("fold.css")]

    def _handle_msg(self, msg: object) -> None:
        turned = Turned.read(msg)
        if turned is not None:
            pn.state.onload(partial(self.param.update, open=turned.open))  # the browser may remember before the page is there
