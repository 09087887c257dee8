"""Check sets, openings and operating points, and the bundle that leaves."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import InputError
from core.evidence import check_sets, points
from core.evidence.check_sets import CheckStatus
from core.evidence.focus import FocusDraw, draw_focus
from core.evidence.openings import Opening
from core.evidence.points import OperatingPoint
from core.evidence.subject import PROBE, Subject
from core.wording import counted
from core.wording import verb as verb_of
from dashboard.actions.runner import Runner
from dashboard.hub import Topic
from dashboard.openings import OpeningView

if TYPE_CHECKING:
    from core.delivery.manifest import Rule


class EvidenceActions(Runner):
    """Check sets, openings and operating points, and the bundle that leaves."""

    def load_opening(self, number: int | None, subject: Subject, done: Callable[[OpeningView], None]) -> None:
        """Load what the Operating point page shows of a policy and scorer."""
        self.run(partial(self._server.openings.view, number, subject), done, on=self._server.opening_pool)

    def count_reading(self) -> None:
        """Work out how many check images are read of those that a promise needs."""
        self.fetch(self._server.openings.reading, lambda words: self.state.param.update(reading=words))

    def open_check_set(self, asked: CheckStatus, done: Callable[[int], None]) -> None:
        """Open the check set for the newest model; this counts as a look.

        Args:
            asked: what the person was told that it costs; if that is out of date, nothing is opened.
        """

        def open_as_asked() -> Opening:
            stands = check_sets.status(self.workspace, asked.subject)
            if _cost(stands) != _cost(asked):
                raise InputError(
                    "Labels, model or looks have changed while you were asked, so nothing was opened; open again to see "
                    "what it costs now."
                )
            return check_sets.open_check_set(self.workspace, asked.subject, analyst=self.state.analyst)

        def opened(found: Opening) -> None:
            about = f" for '{found.policy}'" if found.policy else ""
            about += f" by '{found.scorer}'" if found.scorer != PROBE else ""
            labels = counted(found.n, "check label")
            self._announce(f"Opened check set {found.check_set}{about}: look {found.look}, with {labels}.")
            done(found.number)

        self.run(open_as_asked, opened)

    def change_terms(self, term: str, value: Any, policy: str, undo: Callable[[], None]) -> None:
        """Change a term of the check set, the recall of a policy; `undo` shows the current terms again if that is refused."""
        verb = partial(check_sets.change_terms, self.workspace, policy=policy, **{term: value})
        self.run(verb, lambda _: self._announce(""), failed=undo)

    def begin_set(self) -> None:
        """Start another check set from unused images."""
        verb = partial(check_sets.begin_set, self.workspace, analyst=self.state.analyst)
        self.run(
            verb,
            lambda terms: self._announce(
                f"Check set {terms.number} has started; the old check labels are now used for live curves."
            ),
        )
        self._server.refits.request()

    def draw_focus(self, n: int) -> None:
        """Draw focus images, where the model is uncertain."""

        def drawn(draw: FocusDraw) -> None:
            n_drawn = len(draw.rows)
            words = f"{counted(n_drawn, 'focus image')} {verb_of(n_drawn, 'waits', 'wait')} in Check, 'precision (focus)'."
            self._announce(words)

        self.run(partial(draw_focus, self.workspace, n, analyst=self.state.analyst), drawn)

    def save_point(self, name: str, threshold: float, opened: Opening, done: Callable[[], None]) -> None:
        """Save a threshold under a name."""

        def saved(point: OperatingPoint) -> None:
            done()
            self._announce(f"Saved '{point.name}'.")

        self.run(partial(points.save_point, self.workspace, name, threshold, opened, analyst=self.state.analyst), saved)

    def put_in_force(self, name: str) -> None:
        """Put a saved operating point in force."""
        verb = partial(points.put_in_force, self.workspace, name, analyst=self.state.analyst)
        self.run(verb, lambda _: self._announce(f"'{name}' is in force now."))

    def export_bundle(
        self,
        done: Callable[[Path, str], None],
        *,
        failed: Callable[[], None],
        on_progress: Callable[[float], None],
        stop: Callable[[], bool],
        point: str | None = None,
        threshold: float | None = None,
        opened: Opening | None = None,
    ) -> None:
        """Write a bundle as a ZIP file inside the workspace.

        Args:
            done: called with the file and a description of the bundle.
            on_progress: called on the document with the share that is done.
            stop: asked in the thread that writes.
            point, threshold, opened: a saved point, or an unnamed threshold; None for the point in force, else the promise.
        """
        shown = -1

        def tell(n_done: int, total: int) -> None:
            nonlocal shown
            if (percent := 100 * n_done // total) > shown:
                shown = percent
                self.soon(partial(on_progress, n_done / total))

        def export() -> tuple[Path, str]:
            from core.delivery.choice import EXPORTS
            from core.delivery.zipped import export_zip

            file, manifest = export_zip(
                self.workspace, self.workspace.folder / EXPORTS, point=point, threshold=threshold, opened=opened,
                on_progress=tell, stop=stop,
            )  # fmt: skip
            several = len(manifest.rules) > 1
            told = [f"{rule.policy}: {_rule_words(rule)}" if several else _rule_words(rule) for rule in manifest.rules]
            return file, "; ".join(told)

        def written(found: tuple[Path, str]) -> None:
            done(*found)
            self._server.hub.publish(Topic.OPENINGS)

        self.run(export, written, on=self._server.slow_pool, failed=failed)


def _cost(status: CheckStatus) -> tuple[object, ...]:
    return status.look, status.alpha, status.n, status.n_flagged, status.policy, status.check_set


def _rule_words(rule: "Rule") -> str:
    """Say what a bundle's threshold is, and whether its promise covers it."""
    from core.delivery.model_card import exactly

    held = rule.promise
    covered = "" if held is None or held.covers_this_threshold else "; its promise does not cover this threshold"
    return f"{rule.chosen}, score ≥ {exactly(rule.threshold)}{covered}"
