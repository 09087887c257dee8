"""The hub: tells every open window about changes, on the window's own document. Safe to call from any thread.

Changes that come faster than windows can be drawn are merged: a window gets the newest data of each topic, at a pace that
leaves most of the event loop's time for key presses. A window where somebody waits for a change gets it before the others.
"""

import threading
import time
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from typing import Any

from bokeh.document import Document

SHARE = 0.12  # of the event loop's time that deliveries may take
SMOOTHING = 0.2  # weight of the newest delivery in the mean cost
PATIENCE = 2.0  # s that other windows wait for one; a disconnected window answers late or never


class Topic(StrEnum):
    """Topics of messages to windows; alone, or first in a tuple if it is about one analyst."""

    LABELS = "labels"
    FITTED = "fitted"
    FITTING = "fitting"  # with whether a slow refit is under way
    RANDOM = "random_curves"  # with the curves of random labels
    LEARNING = "learning"  # with the learning curve
    ENCODER = "encoder"
    CLASSES = "classes"  # the class list is another
    IMAGES = "images"  # more of them, or what came with them
    JOBS = "jobs"  # with the jobs that are open and the newest others
    INBOXES = "inboxes"  # with the watched folders
    WEBHOOK = "webhook"  # with why the receiver of decisions takes none; None while it does
    CLUSTERS = "clusters"
    OPENINGS = "openings"  # and all else about check sets and operating points
    EXPOSURE = "exposure"  # (EXPOSURE, analyst), with their day
    TRAINING = "training"  # with the training runs
    STUDIES = "studies"  # with the studies
    SAID = "said"  # with a sentence; (SAID, analyst, action) for one analyst
    MESSAGE = "message"  # with a sentence about what has failed


Topics = Mapping[Hashable, Any]
Listener = Callable[[Topics], None]


@dataclass(eq=False)
class _Mailbox:
    """Undelivered messages for one window."""

    document: Document
    listener: Listener
    waiting: dict[Hashable, Any] = field(default_factory=dict)
    delivered: threading.Event = field(default_factory=threading.Event)
    on_its_way: bool = False  # a delivery is queued on the window's document, and has not run
    is_hasty: bool = False  # somebody there waits for what is undelivered


class Hub:
    """The subscriptions of open windows, by document."""

    def __init__(self) -> None:
        self._boxes: dict[Document, _Mailbox] = {}  # the longest waiting first
        self._changed = threading.Condition()
        self._cost = 0.02  # s, mean of a delivery
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="hub", daemon=True)
        self._thread.start()

    def subscribe(self, document: Document, listener: Listener) -> None:
        """Call `listener({topic: data, ...})` on `document` for everything published from now on."""
        with self._changed:
            self._boxes[document] = _Mailbox(document, listener)

    def unsubscribe(self, document: Document) -> None:
        """Remove a window that has closed."""
        with self._changed:
            box = self._boxes.pop(document, None)
            if box is not None:
                box.delivered.set()  # nobody needs to wait for it any more

    def publish(self, topic: Hashable, data: Any = None, *, but: Document | None = None) -> None:
        """Send to every window but one; the newest data of a topic replaces undelivered data."""
        with self._changed:
            for document, box in self._boxes.items():
                if document is not but:
                    box.waiting[topic] = data
            self._changed.notify()

    def hasten(self, documents: Iterable[Document]) -> None:
        """Send to these windows before the others, and without a pause, what waits for them: they have asked for it."""
        with self._changed:
            for box in (self._boxes[document] for document in documents if document in self._boxes):
                box.is_hasty = bool(box.waiting)
            self._changed.notify()

    def close(self) -> None:
        """Stop the thread and drop undelivered messages."""
        with self._changed:
            self._closed = True
            for box in self._boxes.values():
                box.delivered.set()
            self._boxes.clear()
            self._changed.notify()
        self._thread.join()

    def __len__(self) -> int:
        with self._changed:
            return len(self._boxes)

    def _run(self) -> None:
        """Deliver to one window after another, with pauses that leave the event loop free."""
        while (box := self._next()) is not None:
            box.document.add_next_tick_callback(partial(self._deliver, box))
            box.delivered.wait(PATIENCE)
            with self._changed:
                self._changed.wait_for(
                    lambda: self._closed or any(box.is_hasty for box in self._boxes.values()), self._cost * (1 / SHARE - 1)
                )

    def _next(self) -> _Mailbox | None:
        """Wait for a window with undelivered messages; None once the hub is closed."""
        with self._changed:
            while True:
                if self._closed:
                    return None
                ready = [box for box in self._boxes.values() if box.waiting and not box.on_its_way]
                box = next((box for box in ready if box.is_hasty), ready[0] if ready else None)
                if box is not None:
                    box.is_hasty, box.on_its_way = False, True
                    box.delivered.clear()
                    self._boxes[box.document] = self._boxes.pop(box.document)  # to the end of the line
                    return box
                self._changed.wait()

    def _deliver(self, box: _Mailbox) -> None:
        with self._changed:
            topics, box.waiting, box.is_hasty = box.waiting, {}, False
            gone = self._boxes.get(box.document) is not box
        start = time.monotonic()
        try:
            if not gone:
                box.listener(topics)
        finally:
            self._cost += SMOOTHING * (time.monotonic() - start - self._cost)
            with self._changed:
                box.on_its_way = False
                box.delivered.set()
                self._changed.notify()
