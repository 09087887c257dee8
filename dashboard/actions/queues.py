"""Queues: what is asked next, and the readings of the check half."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from core.catalog.criterion import Criterion
from core.catalog.records import Action
from core.errors import InputError
from core.evidence import queues, second_reading
from core.evidence.queues import Queue
from core.labels.actions import LabelResult, read_together
from core.probe.suggest import suggest
from core.wording import counted

if TYPE_CHECKING:
    pass
from dashboard.actions.labels import LabelActions


class QueueActions(LabelActions):
    """Queues: what is asked next, and the readings of the check half."""

    def suggest(self, n: int, strategy: str, done: Callable[[list[Any]], None]) -> None:
        """Get the next round of suggestions, without pictures that other windows are asked for."""

        def choose() -> list[Any]:
            others = self._server.handout.elsewhere(self._document)
            found = suggest(self.workspace, n, strategy=strategy, without=others)
            self.hold([suggestion.row for suggestion in found])
            return found

        self.run(choose, done, on=self._server.asks)

    def check_queue(self, purpose: Queue, n: int, done: Callable[[np.ndarray], None]) -> None:
        """Get the next check images to read, without those that other windows are asked for."""

        def find() -> np.ndarray:
            others = self._server.handout.elsewhere(self._document)
            found = queues.queue(self.workspace, purpose, n + len(others), analyst=self.state.analyst)
            free = found[~np.isin(found, list(others))][:n]
            if len(found) and not len(free):
                raise InputError(f"Other analysts are reading the last {counted(len(found), 'image')}; try again in a minute.")
            self.hold(free.tolist())
            return free

        self.run(find, done, on=self._server.asks)

    def read_together(
        self,
        readings: dict[str, np.ndarray],
        criterion: Criterion,
        *,
        done: Callable[[], None],
        failed: Callable[[], None],
    ) -> None:
        """Save the readings of a grid as one action."""

        def kept(actions: list[Action]) -> None:
            parts = ", ".join(f"{len(action.rows):,} '{action.class_name}'" for action in actions)
            self._changed(f"{counted(sum(len(action.rows) for action in actions), 'check image')} read: {parts}.")
            done()

        verb = partial(read_together, self.workspace, readings, analyst=self.state.analyst, criterion=criterion)
        self.run(verb, kept, failed=failed)

    def read_again(self, row: int, class_name: str, *, done: Callable[[], None]) -> None:
        """Save this analyst's second reading."""
        verb = partial(second_reading.read_again, self.workspace, row, class_name, analyst=self.state.analyst)

        def kept(_: object) -> None:
            self.say(f"Second reading saved: '{class_name}'.")
            done()

        self.run(verb, kept)

    def adjudicate(self, row: int, class_name: str, *, done: Callable[[], None]) -> None:
        """Decide between two readings."""
        verb = partial(second_reading.adjudicate, self.workspace, row, class_name, analyst=self.state.analyst)

        def decided(result: LabelResult) -> None:
            self._labelled(result)
            done()

        self.run(verb, decided)
