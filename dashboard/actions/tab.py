"""All verbs of one tab, and how it follows what others do."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from bokeh.document import Document

from core.arrays import BoolArray, FloatArray, IntArray
from core.map.raster import Colouring
from core.probe.curves import NamedCurve
from dashboard.actions.classes import ClassActions
from dashboard.actions.clusters import ClusterActions
from dashboard.actions.encoders import EncoderActions
from dashboard.actions.evidence import EvidenceActions
from dashboard.actions.filters import FilterActions
from dashboard.actions.queues import QueueActions
from dashboard.actions.removal import RemovalActions
from dashboard.actions.review import ReviewActions
from dashboard.actions.studies import StudyActions
from dashboard.actions.wellbeing import WellbeingActions
from dashboard.choices import Order
from dashboard.documents import one_message
from dashboard.hub import Topic, Topics
from dashboard.state import Begin, SessionState

if TYPE_CHECKING:
    from dashboard.server import Server

AS_TOLD = (
    Topic.FITTING,
    Topic.JOBS,
    Topic.INBOXES,
    Topic.WEBHOOK,
    Topic.LEARNING,
    Topic.RANDOM,
    Topic.TRAINING,
    Topic.STUDIES,
)  # state, as it comes


class Actions(
    QueueActions,
    ReviewActions,
    EvidenceActions,
    ClassActions,
    ClusterActions,
    FilterActions,
    EncoderActions,
    RemovalActions,
    StudyActions,
    WellbeingActions,
):
    """All verbs of one tab, and how it follows what others do."""

    def __init__(self, state: SessionState, server: "Server", document: Document) -> None:
        super().__init__(state, server, document)
        self.renew: Callable[[], None] = lambda: None  # loads the page again
        self._is_old = False  # the page was built from other classes
        state.param.watch(self._draw_gold, "show_gold")
        state.param.watch(self._read_colouring, "colour_turn")
        state.param.watch(self._read_filters, "filter_turn")
        state.param.watch(self._read_places, ["order", "selected", "picked", "pinned", "encoder", "images"])

    def follow(self, topics: Topics) -> None:
        """Update the tab after changes elsewhere, in one message to the browser."""
        state = self.state
        self.workspace.generations.catch_up()
        with one_message(self._document):
            if Topic.IMAGES in topics:
                state.follow_images(self._server.shared.grid())
            if Topic.CLASSES in topics:
                self._is_old = True
            if Topic.ENCODER in topics:
                state.follow_encoder(self._server.shared.grid())
            others = {name: topics[name] for name in AS_TOLD if name in topics}
            others |= {name: getattr(state, name) + 1 for name in (Topic.CLUSTERS, Topic.OPENINGS) if name in topics}
            state.follow(labels=Topic.LABELS in topics, fit=Topic.FITTED in topics, **others)
            if self._is_old and state.begin != Begin.ASKS:  # a form that asks for classes is not taken from under the hand
                self._is_old = False
                self.renew()  # keys and buttons of the old classes must not stay
            if (Topic.EXPOSURE, state.analyst) in topics:
                self._follow_exposure(topics[Topic.EXPOSURE, state.analyst])
            for topic in topics:
                if topic in (Topic.SAID, Topic.MESSAGE) or (
                    isinstance(topic, tuple) and topic[:2] == (Topic.SAID, state.analyst)
                ):
                    self.say(topics[topic], error=topic == Topic.MESSAGE)

    def _draw_gold(self, *_: Any) -> None:
        column = self.state.gold_column

        def show(found: list[NamedCurve]) -> None:
            if self.state.gold_column == column:
                self.state.curves = found

        self.fetch(partial(self.state.shared.curves, column), show)

    def _read_filters(self, *_: Any) -> None:
        turn, filters, colour_by = self.state.filter_turn, self.state.filters, self.state.colour_by

        def show(found: BoolArray | None) -> None:
            if self.state.filter_turn == turn:  # else a newer one is on its way
                self.state.param.update(kept=found, filters_read=turn)

        self.fetch(partial(self.state.shared.kept, filters, colour_by), show)

    def _read_places(self, *_: Any) -> None:
        order, examples = self.state.order, self.state.examples()
        if order not in (Order.NAME, Order.LIKENESS):
            self.state.places = None
            return

        def show(found: FloatArray | IntArray | None) -> None:
            if self.state.order == order and np.array_equal(examples, self.state.examples()):
                self.state.places = found

        self.fetch(partial(self.state.shared.places, order, examples), show)

    def _read_colouring(self, *_: Any) -> None:
        turn, colour_by, grain = self.state.colour_turn, self.state.colour_by, self.state.grain

        def show(found: Colouring) -> None:
            if self.state.colour_turn == turn and self.state.colour_by == colour_by:  # else a newer one is on its way
                self.state.take_colouring(found)

        self.fetch(partial(self.state.shared.colouring, colour_by, grain), show)

    def leave(self) -> None:
        """Let go of what outlives the tab."""
        self._server.hub.unsubscribe(self._document)
        self._server.handout.release(self._document)
        self._server.training.leave(self._document)
        self._server.studies.leave(self._document)
        self._server.tidier.request()
