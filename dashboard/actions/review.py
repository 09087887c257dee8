"""Review: what the point in force flags, asked for one after the other, and how it goes."""

import datetime as dt
from collections.abc import Callable, Sequence

from core.errors import InputError
from core.triage.drift import Drift
from core.triage.figures import Figures
from core.triage.queue import Order
from core.triage.review import Asked, AtWork
from core.wording import counted
from dashboard.actions.labels import LabelActions
from dashboard.times import day_began


class ReviewActions(LabelActions):
    """Review: what the point in force flags, asked for one after the other, and how it goes."""

    def ask_review(
        self,
        policy: str,
        order: Order,
        n: int,
        done: Callable[[AtWork | None, list[Asked]], None],
        *,
        mine: Sequence[int] = (),
        without: Sequence[int] = (),
        failed: Callable[[], None] = lambda: None,
    ) -> None:
        """Get the next images of Review, without pictures that other windows are asked for; none without a point in force.

        Args:
            mine: rows this window is asked for already; they are kept for it.
            without: further rows not to ask for.
        """

        def choose() -> tuple[AtWork | None, list[Asked]]:
            others = self._server.handout.elsewhere(self._document)
            review = self._server.openings.review
            if not review.at_work():
                return None, []
            rows = others | {*mine, *without}
            found = review.ask(policy, n, order=order, without=rows, ahead=len(others) + len(mine))
            if not found and others and not mine and (n_left := review.n_held(policy, others)):
                raise InputError(f"Other analysts are asked for the last {counted(n_left, 'image')}; try again in a minute.")
            self.hold([*mine, *(asked.row for asked in found)])
            return review.of(policy), found

        self.run(choose, lambda found: done(*found), on=self._server.asks, failed=failed)

    def read_review(
        self,
        policy: str,
        done: Callable[[list[AtWork], Figures | None, Drift | None], None],
        *,
        failed: Callable[[], None] = lambda: None,
    ) -> None:
        """Work out what waits and what the answers say; without a point in force there are no figures."""
        today, review = day_began(dt.datetime.now(dt.UTC), self.state.zone), self._server.openings.review

        def read() -> tuple[list[AtWork], Figures | None, Drift | None]:
            points = review.at_work()
            return points, review.figures(policy, today=today) if points else None, review.drift(policy)

        self.fetch(read, lambda found: done(*found), failed=failed)
