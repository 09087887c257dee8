"""The hub: tells every open window what happened, on that window's own document. Safe to call from any thread."""

import threading
from collections.abc import Callable
from functools import partial
from typing import Any

from bokeh.document import Document

Listener = Callable[[str, Any], None]


class Hub:
    """Subscriptions of the open windows, by document."""

    def __init__(self) -> None:
        self._listeners: dict[Document, Listener] = {}
        self._lock = threading.Lock()

    def subscribe(self, document: Document, listener: Listener) -> None:
        """Call `listener(topic, data)` on `document` for everything published from now on."""
        with self._lock:
            self._listeners[document] = listener

    def unsubscribe(self, document: Document) -> None:
        """Stop telling a window that has closed."""
        with self._lock:
            self._listeners.pop(document, None)

    def publish(self, topic: str, data: Any = None) -> None:
        """Tell every window; each runs its listener when its document is next free."""
        with self._lock:
            listeners = list(self._listeners.items())
        for document, listener in listeners:
            document.add_next_tick_callback(partial(listener, topic, data))

    def __len__(self) -> int:
        with self._lock:
            return len(self._listeners)
