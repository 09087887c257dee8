"""The hub: tells every open window what happened, on that window's own document. Safe to call from any thread.

What happens faster than windows can be drawn is gathered: a window is told the newest of each topic, at a pace that leaves the
event loop most of its time for the keys people press.
"""

import threading
import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from bokeh.document import Document

Topics = Mapping[Hashable, Any]
Listener = Callable[[Topics], None]

SHARE = 0.25  # of the event loop's time that telling windows may take
SHORTEST, LONGEST = 0.25, 1.5  # s between two deliveries to one window
SMOOTHING = 0.2  # weight of the newest delivery in the mean of what one costs


@dataclass(eq=False)
class _Mailbox:
    """What one window is still to be told."""

    document: Document
    listener: Listener
    waiting: dict[Hashable, Any] = field(default_factory=dict)
    rests_until: float = 0.0  # monotonic
    on_its_way: bool = False  # a delivery is queued on the window's document


class Hub:
    """Subscriptions of the open windows, by document."""

    def __init__(self) -> None:
        self._boxes: dict[Document, _Mailbox] = {}
        self._changed = threading.Condition()
        self._cost = 0.02  # s, mean of a delivery
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="hub", daemon=True)
        self._thread.start()

    def subscribe(self, document: Document, listener: Listener) -> None:
        """Call `listener({topic: data, ...})` on `document` for what is published from now on."""
        with self._changed:
            self._boxes[document] = _Mailbox(document, listener)

    def unsubscribe(self, document: Document) -> None:
        """Stop telling a window that has closed."""
        with self._changed:
            self._boxes.pop(document, None)

    def publish(self, topic: Hashable, data: Any = None, *, but: Document | None = None) -> None:
        """Tell every window but one soon; the newest data of a topic replaces what was not delivered yet."""
        with self._changed:
            for document, box in self._boxes.items():
                if document is not but:
                    box.waiting[topic] = data
            self._changed.notify()

    def close(self) -> None:
        """End the thread; nobody is told anything from now on."""
        with self._changed:
            self._closed = True
            self._boxes.clear()
            self._changed.notify()
        self._thread.join()

    def __len__(self) -> int:
        with self._changed:
            return len(self._boxes)

    @property
    def pause(self) -> float:
        """Seconds that a window rests after a delivery: the more windows and the dearer a delivery, the longer."""
        return min(max(len(self._boxes) * self._cost / SHARE, SHORTEST), LONGEST)

    def _run(self) -> None:
        while True:
            with self._changed:
                if self._closed:
                    return
                now = time.monotonic()
                wanted = [box for box in self._boxes.values() if box.waiting and not box.on_its_way]
                due = [box for box in wanted if box.rests_until <= now]
                if not due:
                    self._changed.wait(min((box.rests_until - now for box in wanted), default=None))
                    continue
                for box in due:
                    box.on_its_way = True
            for box in due:
                box.document.add_next_tick_callback(partial(self._deliver, box))

    def _deliver(self, box: _Mailbox) -> None:
        with self._changed:
            topics, box.waiting = box.waiting, {}
            gone = self._boxes.get(box.document) is not box
        start = time.monotonic()
        try:
            if not gone:
                box.listener(topics)
        finally:
            now = time.monotonic()
            with self._changed:
                self._cost += SMOOTHING * (now - start - self._cost)
                box.rests_until, box.on_its_way = now + self.pause, False
                self._changed.notify()
