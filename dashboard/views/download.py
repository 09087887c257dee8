"""A button that downloads a file, which is made, read and encoded off the event loop."""

import base64
import mimetypes
from collections.abc import Callable, Hashable
from typing import Any

import panel as pn
import panel_material_ui as pmui
import param

from dashboard.actions import Actions


class Download(pn.viewable.Viewer):
    """Offers one file at a time; hidden while there is none.

    Panel's button would read the file on the event loop, and ignore a second click: the browser is only told of other content.
    """

    actions = param.ClassSelector(class_=Actions)
    label = param.String(doc="The words on the button.")

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self._source: Hashable = None
        self._read: Callable[[], bytes] = bytes
        self.button = pmui.FileDownload(label=self.label, visible=False, margin=(4, 8))
        self.button.param.watch(self._on_click, "_clicks")

    def offer(self, filename: str, source: Hashable, read: Callable[[], bytes]) -> None:
        """Show the button.

        Args:
            filename: for the browser.
            source: what it is made from; a file that is still being made from another is dropped.
            read: makes or reads the file; called in a thread at each click.
        """
        self._source, self._read = source, read
        self.button.param.update(filename=filename, visible=True, disabled=False)

    def announce(self) -> None:
        """Show the button, but disabled: there will be a file."""
        self._source = None
        self.button.param.update(visible=True, disabled=True)

    def withdraw(self) -> None:
        """Hide the button, and drop what is being made."""
        self._source = None
        self.button.visible = False

    def _on_click(self, *_: Any) -> None:
        source, read = self._source, self._read
        if source is None:  # withdrawn while the click was on its way
            return
        self.button.param.update(data=None, disabled=True)
        kind = mimetypes.guess_type(self.button.filename)[0] or "application/octet-stream"

        def send(data: str) -> None:
            if self._source == source:
                self.button.data = data  # the browser saves new data at once
            self._settle()

        self.actions.make_download(
            lambda: f"data:{kind};base64,{base64.b64encode(read()).decode()}",
            send,
            failed=self._settle,
        )

    def _settle(self) -> None:
        self.button.disabled = self._source is None

    def __panel__(self) -> pn.viewable.Viewable:
        return self.button
