"""Changes of one window's document: they reach the browser together, and in the order in which they were made."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import panel as pn
from bokeh.core.serialization import Ref, Serializer
from bokeh.document import Document
from bokeh.document.events import DocumentPatchedEvent, RootRemovedEvent
from bokeh.model import Model
from bokeh.protocol.message import Message
from bokeh.protocol.messages.patch_doc import patch_doc
from bokeh.server.session import ServerSession

LOG = logging.getLogger("lassoscope.page")
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
        session = locked_session(document)
        if session is None or _SHADOWED in vars(session):
            document.unhold()
        else:
            _unhold_together(document, session)


def when_drawn(document: Document, change: Callable[[], None]) -> None:
    """Make a change now; while the browser draws what it has fetched of the document, once that is done.

    Panel loses a change that comes in between: it takes it to be in what the browser fetches.
    """
    session = getattr(document.session_context, "session", None)
    if pn.state.loaded or session is None or not session._subscribed_connections:
        change()  # before the browser has fetched anything, it will be in that
    else:
        pn.state.onload(partial(_logged, change))


def _logged(change: Callable[[], None]) -> None:
    """Make a change; one that fails must not keep others from being made: Panel would never take the page to be drawn."""
    try:
        change()
    except Exception:
        LOG.exception("a change of a page that was being drawn failed")


def locked_session(document: Document) -> ServerSession | None:
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
    queue(document, session, gathered)


def queue(document: Document, session: ServerSession, events: Sequence[DocumentPatchedEvent]) -> None:
    """Put the events, as one message, behind what the session sends when its lock is given back."""
    here = [event for event in events if _is_there(document, event)]
    for connection in list(session._subscribed_connections):
        asked = connection is session._current_patch_connection  # it knows what it has set itself
        told = [event for event in here if not (asked and event.setter is session)]
        if told:
            session._pending_writes.append(connection._socket.send_message(_patch(document, told)))


def _patch(document: Document, events: Sequence[DocumentPatchedEvent]) -> Message[Any]:
    """Return what Bokeh's `patch_doc.create` returns; see `_Serializer`."""
    serializer = _Serializer(document)
    message = patch_doc(patch_doc.create_header(), {}, {"events": serializer.encode(list(events))})
    document.models.flush_synced(lambda model: not serializer.has_ref(model))
    message.add_buffers(*serializer.buffers)
    return message


class _Serializer(Serializer):
    """Asks the document whether the browser knows a model; Bokeh lists all the page's models anew for each message: 1 ms."""

    def __init__(self, document: Document) -> None:
        super().__init__()
        self._models = document.models

    def has_ref(self, obj: Any) -> bool:
        return super().has_ref(obj) or self._is_known(obj)

    def get_ref(self, obj: Any) -> Ref | None:
        return obj.ref if self._is_known(obj) else super().get_ref(obj)

    def _is_known(self, obj: Any) -> bool:
        models = self._models
        return isinstance(obj, Model) and models.get_by_id(obj.id) is obj and obj not in models._new_models


def _is_there(document: Document, event: DocumentPatchedEvent) -> bool:
    """Tell whether the browser has, or gets with this message, the model that an event changes; it may have been removed."""
    model = getattr(event, "model", None)
    return model is None or model.id in document.models or isinstance(event, RootRemovedEvent)
