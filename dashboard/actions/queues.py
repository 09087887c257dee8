"""Queues: what is asked next, and the readings of the check half."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from core.catalog.criterion import Criterion
from core.catalog.records import Action
from core.errors import InputError
from core.evidence import queues, second_reading
from core.evidence.queues import Queue
from core.labels.actions import LabelResult, read_anew, read_together
from core.probe.suggest import Suggestion, suggest
from core.wording import counted
from dashboard.actions.labels import LabelActions
from dashboard.actions.runner import NOTHING_UNSAVED, Unsaved
from dashboard.choices import PageName, Tab


class QueueActions(LabelActions):
    """Queues: what is asked next, and the readings of the check half."""

    def suggest(
        self,
        n: int,
        strategy: str,
        done: Callable[[list[Suggestion]], None],
        *,
        mine: Sequence[int] = (),
        without: Sequence[int] = (),
        failed: Callable[[], None] = lambda: None,
    ) -> None:
        """Get the next suggestions that pass the filters, without pictures that other windows are asked for.

        Args:
            mine: rows this window is asked for already; they are kept for it.
            without: further rows not to suggest.
        """
        filters, colour_by = self.state.filters, self.state.colour_by

        def choose() -> list[Suggestion]:
            among = self.state.shared.kept(filters, colour_by)
            others = self._server.handout.elsewhere(self._document)
            found = suggest(self.workspace, n, strategy=strategy, without=others | {*mine, *without}, among=among)
            self.hold([*mine, *(suggestion.row for suggestion in found)])
            return found

        self.run(choose, done, on=self._server.asks, failed=failed)

    def read_for_curves(self) -> None:
        """Go to where check images are read for live curves."""
        self.state.param.update(read_for=Queue.LIVE, page=PageName.MAP, tab=Tab.CHECK, pinned=None)

    def check_queue(
        self,
        purpose: Queue,
        n: int,
        done: Callable[[np.ndarray], None],
        *,
        mine: Sequence[int] = (),
        without: Sequence[int] = (),
        failed: Callable[[], None] = lambda: None,
    ) -> None:
        """Get the next check images to read, without those that other windows are asked for.

        Args:
            mine: rows this window is asked for already; they are kept for it.
            without: further rows not to ask for.
        """

        def find() -> np.ndarray:
            others = self._server.handout.elsewhere(self._document) | {*mine, *without}
            found = queues.queue(self.workspace, purpose, n + len(others), analyst=self.state.analyst)
            free = found[~np.isin(found, list(others))][:n]
            if len(found) and not len(free) and not mine:
                raise InputError(f"Other analysts are reading the last {counted(len(found), 'image')}; try again in a minute.")
            self.hold([*mine, *free.tolist()])
            return free

        self.run(find, done, on=self._server.asks, failed=failed)

    def read_together(
        self,
        readings: dict[str, np.ndarray],
        criterion: Criterion,
        *,
        done: Callable[[], None],
        failed: Callable[[], None],
        unsaved: Unsaved = NOTHING_UNSAVED,
    ) -> None:
        """Save the readings of a grid as one action."""

        def kept(actions: list[Action]) -> None:
            parts = ", ".join(f"{len(action.rows):,} '{action.class_name}'" for action in actions)
            self._changed(f"{counted(sum(len(action.rows) for action in actions), 'check image')} read: {parts}.")
            done()

        verb = partial(read_together, self.workspace, readings, analyst=self.state.analyst, criterion=criterion)
        self.run(verb, kept, failed=failed, unsaved=unsaved)

    def read_again(
        self,
        row: int,
        class_name: str,
        *,
        done: Callable[[], None],
        failed: Callable[[], None] = lambda: None,
        unsaved: Unsaved = NOTHING_UNSAVED,
    ) -> None:
        """Save this analyst's second reading."""
        verb = partial(second_reading.read_again, self.workspace, row, class_name, analyst=self.state.analyst)

        def kept(_: object) -> None:
            self.say(f"Second reading saved: '{class_name}'.")
            done()

        self.run(verb, kept, failed=failed, unsaved=unsaved)

    def read_anew(self, purpose: Queue, row: int, class_name: str, criterion: Criterion, *, failed: Callable[[], None]) -> None:
        """Save another reading in the place of this analyst's own."""
        unsaved = Unsaved("Your reading was not changed.", (row,))
        if purpose == Queue.SECOND:
            again = partial(second_reading.change_second, self.workspace, row, class_name, analyst=self.state.analyst)
            self.run(again, lambda _: self.say(f"Second reading changed: '{class_name}'."), failed=failed, unsaved=unsaved)
            return
        anew = partial(read_anew, self.workspace, row, class_name, analyst=self.state.analyst, criterion=criterion)
        self.run(anew, self._labelled, failed=failed, unsaved=unsaved)

    def take_second_back(self, row: int, done: Callable[[], None]) -> None:
        """Take back this analyst's second reading of an image."""

        def back(_: object) -> None:
            self.say("Undone: your second reading.")
            done()

        self.run(partial(second_reading.change_second, self.workspace, row, None, analyst=self.state.analyst), back)

    def adjudicate(
        self,
        row: int,
        class_name: str,
        *,
        done: Callable[[], None],
        failed: Callable[[], None] = lambda: None,
        unsaved: Unsaved = NOTHING_UNSAVED,
    ) -> None:
        """Decide between two readings."""
        verb = partial(second_reading.adjudicate, self.workspace, row, class_name, analyst=self.state.analyst)

        def decided(result: LabelResult) -> None:
            self._labelled(result)
            done()

        self.run(verb, decided, failed=failed, unsaved=unsaved)
