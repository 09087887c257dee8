"""How Panel (1.9), param and Bokeh are changed: what they send comes in order, and a label costs a window less time."""

from collections.abc import Callable, Collection
from functools import wraps
from typing import Any

import panel.io.document
from bokeh.document import Document
from bokeh.document.events import DocumentPatchedEvent
from bokeh.model import Model
from bokeh.server.views.ws import WSHandler
from panel.io.document import with_lock
from panel.pane.markup import HTMLBasePane
from panel.reactive import Reactive, Syncable
from param.parameterized import Parameters, Undefined

from dashboard.documents import locked_session, one_message, queue
from dashboard.page_cost import work_out_once


def adapt_panel() -> None:
    """Change Panel, param and Bokeh; call once, before pages are built."""
    if not hasattr(Syncable._change_event, "__wrapped__"):
        _lock_what_follows()
        _keep_order()
        _spare_the_design()
        _send_only_the_text()
        _read_what_is_set()
        _close_what_has_ended()
        work_out_once()


def _close_what_has_ended() -> None:
    """Let a socket close whose session ended a moment before, as a page that is loaded again does it; Bokeh logs an error."""
    close = WSHandler.on_close

    @wraps(close)
    def on_close(self: WSHandler) -> None:
        if self.connection is not None and self.connection._session is None:
            self.application.client_lost(self.connection)
        else:
            close(self)

    WSHandler.on_close = on_close


def _lock_what_follows() -> None:
    """Run what follows from a change or an event of the browser with the session's lock, and send a change's as one message.

    Panel runs it without the lock: in the midst of another callback's messages, and past them.
    """
    change_event = Syncable._change_event

    @wraps(change_event)
    def together(self: Syncable, doc: Document) -> Any:
        with one_message(doc if locked_session(doc) else None):
            return change_event(self, doc)

    Syncable._change_event = together
    Syncable._change_coroutine = with_lock(Syncable._change_coroutine)
    Syncable._event_coroutine = with_lock(Syncable._event_coroutine)


def _keep_order() -> None:
    """Send what Panel changes through Bokeh's queue, as all else is.

    Panel writes to the socket itself: at once or, while another message is on its way, 10 ms later. So a change of a picture
    overtook the tab that the picture is in, and the browser, which did not know the picture, dropped the whole message.
    """
    for name in ("write_events", "schedule_write_events"):
        setattr(panel.io.document, name, _in_order(getattr(panel.io.document, name)))


def _in_order(write: Callable[..., None]) -> Callable[..., None]:
    @wraps(write)
    def queue_if_locked(doc: Document, connections: Collection[Any], events: list[DocumentPatchedEvent]) -> None:
        session = locked_session(doc)
        if session is None:
            write(doc, connections, events)
        else:
            queue(doc, session, events)

    return queue_if_locked


def _spare_the_design() -> None:
    """Ask the design for its stylesheets only when stylesheets change.

    Panel asks at every change of every model, which looks for the theme's files on the disk each time: a tenth of the event
    loop's time with 20 windows.
    """
    with_design = Reactive._update_properties

    @wraps(with_design)
    def update_properties(self: Reactive, *events: Any, doc: Document) -> dict[str, Any]:
        if any(event.name == "stylesheets" for event in events):
            return with_design(self, *events, doc=doc)
        return self._process_param_change({event.name: event.new for event in events})

    Reactive._update_properties = update_properties


def _send_only_the_text() -> None:
    """Set of an HTML pane's model only the text that is new.

    Panel sets all its properties; new stylesheets that equal the old ones make Bokeh walk all models of the page.
    """

    def update(self: HTMLBasePane, ref: str, model: Model) -> None:
        model.update(**self._process_param_change({"object": self.object}))

    HTMLBasePane._update = update


def _read_what_is_set() -> None:
    """Let `param.update` read the old values of what it sets.

    It reads those of all parameters, a hundred of each of Material's widgets.
    """
    set_all = Parameters._update

    @wraps(set_all)
    def update(self: Parameters, arg: Any = Undefined, /, **values: Any) -> dict[str, Any]:
        values = values if arg is Undefined else dict(arg) | values
        vars(self)["values"] = lambda: {name: getattr(self.self_or_cls, name) for name in values if name in self}
        try:
            restored: dict[str, Any] = set_all(self, **values)
        finally:
            del vars(self)["values"]
        return restored

    Parameters._update = update
