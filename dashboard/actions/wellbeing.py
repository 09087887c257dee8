"""What an analyst has seen, their limits, and the guide of a first visit."""

import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from bokeh.document import Document

from core.errors import AppError
from core.wellbeing.exposure import PAUSE, Exposure, Level, Limits, Streak
from core.wellbeing.guide import set_guide, wants_guide
from core.wellbeing.store import Glance, exposure, exposures, limits, set_limits
from core.wording import counted
from dashboard.actions.runner import Runner
from dashboard.state import SessionState

if TYPE_CHECKING:
    from dashboard.server import Server


class WellbeingActions(Runner):
    """What an analyst has seen, their limits, and the guide of a first visit."""

    def __init__(self, state: SessionState, server: "Server", document: Document) -> None:
        super().__init__(state, server, document)
        self._streak = Streak()
        state.param.watch(lambda _: self.meet_analyst(), "analyst")

    def seen(self, views: dict[str, int], seconds: dict[str, float]) -> None:
        """Record what was on the screen, and remind of a break when one is due."""
        try:
            glance = Glance.of(views, seconds)
        except AppError as error:
            self.say(str(error), error=True)
            return
        clear = sum(glance.seconds.get(level, 0.0) for level in (Level.CLEAR, Level.GREY))
        self._streak, due = self._streak.after(min(clear, PAUSE), time.monotonic(), self.state.limits)
        if due:
            minutes = counted(self.state.limits.break_minutes, "minute")
            self.state.reminder = f"You have seen unblurred pictures for {minutes}. A short break helps."
        self._server.exposures.add(self.state.analyst, glance)

    def _follow_exposure(self, found: Exposure) -> None:
        before, budget = self.state.exposure, self.state.limits.clear_budget
        self.state.exposure = found
        n, had = found.views.get(Level.CLEAR, 0), before.views.get(Level.CLEAR, 0) if before is not None else 0
        if budget and had < budget <= n:
            self.state.reminder = (
                f"You have seen {counted(n, 'picture')} clear today, which is your budget of {budget:,}. "
                "Much of the remaining work can be done blurred: clusters, bulk labels, suggestions."
            )

    def meet_analyst(self) -> None:
        """Show the exposure of this tab's analyst today, their limits, and the guide on a first visit."""
        space, analyst = self.workspace, self.state.analyst

        def read() -> tuple[Limits, Exposure, bool]:
            return limits(space, analyst), exposure(space, analyst), wants_guide(space, analyst)

        def show(found: tuple[Limits, Exposure, bool]) -> None:
            if self.state.analyst == analyst:
                self.state.param.update(limits=found[0], exposure=found[1], guide=found[2])

        self.fetch(read, show)

    def set_limits(self, wanted: Callable[[], Limits]) -> None:
        """Save this analyst's limits."""

        def keep() -> Limits:
            limits = wanted()
            set_limits(self.workspace, self.state.analyst, limits)
            return limits

        self.run(keep, lambda limits: self.state.param.update(limits=limits))

    def load_exposures(self, done: Callable[[list[Exposure]], None]) -> None:
        """Load the exposure of every analyst."""
        self.run(partial(exposures, self.workspace), done, on=self._server.slow_pool)

    def show_guide(self, on: bool) -> None:
        """Show or dismiss the guide of a first visit, and save the choice for this analyst."""
        verb = partial(set_guide, self.workspace, self.state.analyst, on)
        self.run(verb, lambda _: self.state.param.update(guide=on))
