"""Changes of one window's document: they reach the browser together, and in the order in which they were made."""

import functools
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import Any

import panel.io.document
from bokeh.core.has_props import HasProps
from bokeh.core.property.descriptors import PropertyDescriptor
from bokeh.document import Document
from bokeh.document.events import DocumentPatchedEvent, RootRemovedEvent
from bokeh.server.session import ServerSession
from panel.io.document import with_lock
from panel.reactive import Reactive, Syncable

_CONSTANTS = {type(None), bool, int, float, str}  # kinds of defaults that nobody can change
_SHADOWED = "_document_patched"  # of a session whose changes are being gathered


@contextmanager
def one_message(document: Document | None) -> Iterator[None]:
    """Send all changes made inside as one message, so that the browser never shows half of them."""
    if document is None or document.callbacks.hold_value:
        yield
        return
    document.hold("combine")  # not panel's `hold`: it now and then lost the first picture of a page
    try:
        yield
    finally:
        _forget_echoes(document)
        session = _locked_session(document)
        if session is None or _SHADOWED in vars(session):
            document.unhold()
        else:
            _unhold_together(document, session)


def _locked_session(document: Document) -> ServerSession | None:
    """Return the session of a document whose lock is held; without it nothing can be queued."""
    session = getattr(document.session_context, "session", None)
    return session if session is not None and session._pending_writes is not None else None


def _forget_echoes(document: Document) -> None:
    """Keep the server's own changes from being mistaken for the browser's.

    Panel knows its own changes while it makes them, not after a hold; each would come back 50 ms later as the browser's, and
    could undo what was set in between.
    """
    for event in document.callbacks._held_events:
        if isinstance(event, DocumentPatchedEvent) and event.setter is None:
            event.callback_invoker = None


def _unhold_together(document: Document, session: ServerSession) -> None:
    """Let Bokeh trigger all that was held, and send what it would have sent as a message each."""
    gathered: list[DocumentPatchedEvent] = []
    setattr(session, _SHADOWED, gathered.append)
    try:
        document.unhold()
    finally:
        delattr(session, _SHADOWED)
    _queue(document, session, gathered)


def _queue(document: Document, session: ServerSession, events: Sequence[DocumentPatchedEvent]) -> None:
    """Put the events, as one message, behind what the session sends when its lock is given back."""
    here = [event for event in events if _is_there(document, event)]
    for connection in list(session._subscribed_connections):
        asked = connection is session._current_patch_connection  # it knows what it has set itself
        told = [event for event in here if not (asked and event.setter is session)]
        if told:
            session._pending_writes.append(connection._socket.send_message(connection.protocol.create("PATCH-DOC", told)))


def _is_there(document: Document, event: DocumentPatchedEvent) -> bool:
    """Tell whether the browser has, or gets with this message, the model that an event changes; it may have been removed."""
    model = getattr(event, "model", None)
    return model is None or model.id in document.models or isinstance(event, RootRemovedEvent)


def adapt_panel() -> None:
    """Change how Panel (1.9) and Bokeh treat their models, in four ways; call once, before pages are built."""
    if not hasattr(Syncable._change_event, "__wrapped__"):
        _lock_what_follows()
        _keep_order()
        _spare_the_design()
        _remember_defaults()


def _lock_what_follows() -> None:
    """Run what follows from a change or an event of the browser with the session's lock, and send a change's as one message.

    Panel runs it without the lock: in the midst of another callback's messages, and past them.
    """
    change_event = Syncable._change_event

    @wraps(change_event)
    def together(self: Syncable, doc: Document) -> Any:
        with one_message(doc if _locked_session(doc) else None):
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
        session = _locked_session(doc)
        if session is None:
            write(doc, connections, events)
        else:
            _queue(doc, session, events)

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


def _remember_defaults() -> None:
    """Work out the defaults of a model's class once.

    Bokeh copies and validates a property's default each time that it is read, and reads all of them to walk or to send a model:
    a quarter of the time that a page took to build.
    """
    work_out = PropertyDescriptor._get_default
    known: dict[tuple[type[HasProps], str], Any] = {}

    @wraps(work_out)
    def get_default(self: PropertyDescriptor[Any], obj: HasProps) -> Any:
        name = self.name
        if name in (obj.themed_values() or ()):
            return work_out(self, obj)
        own = obj._unstable_default_values
        if name in own:
            return own[name]
        place = type(obj), name
        if place in known:
            return known[place]
        value = work_out(self, obj)
        if type(value) in _CONSTANTS and name not in own:
            known[place] = value
        return value

    PropertyDescriptor._get_default = get_default
    once_a_class: Any = functools.cache(HasProps._overridden_defaults.__func__)
    HasProps._overridden_defaults = classmethod(once_a_class)
    HasProps.themed_values = lambda self: self.__dict__.get("__themed_values__")  # Bokeh raises and catches an error for most
