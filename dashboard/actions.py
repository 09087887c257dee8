"""The effects of clicks and keys: run verbs off the event loop and turn errors into messages."""

import logging
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from bokeh.document import Document

from core.catalog.criterion import NO_CRITERION, Criterion
from core.catalog.label_book import EVIDENCE_SOURCES
from core.catalog.records import Action, Source
from core.duplicates.search import copies_of
from core.encoders.chosen import use_encoder
from core.errors import AppError, InputError
from core.evidence import check_sets, points, queues, second_reading
from core.evidence.focus import FocusDraw, draw_focus
from core.evidence.openings import Opening
from core.evidence.points import OperatingPoint
from core.evidence.queues import Queue
from core.evidence.subject import PROBE, Subject
from core.labels import bulk
from core.labels.actions import LabelResult, Reversal, label, read_together, redo, undo
from core.labels.bulk import BULK, BulkLabel, SpotCheckResult
from core.map import clusters
from core.map.clusters import ClusterSummary
from core.map.density import Clustering
from core.notices.find import Notices, notices, search_words
from core.probe.compare import Comparison, compare_encoders
from core.probe.curves import NamedCurve
from core.probe.suggest import more_like, suggest
from core.store.troubles import sentence_of
from core.study.run import ExperimentConfig
from core.wellbeing.exposure import PAUSE, Exposure, Level, Limits, Streak
from core.wellbeing.guide import set_guide, wants_guide
from core.wellbeing.store import Glance, exposure, exposures, limits, set_limits
from core.wording import counted
from core.wording import verb as verb_of
from dashboard.choices import PageName
from dashboard.documents import one_message
from dashboard.hub import Topic, Topics
from dashboard.openings import OpeningView
from dashboard.state import SessionState

if TYPE_CHECKING:
    from core.delivery.manifest import Rule
    from core.encoders.offers import Offer
    from dashboard.server import Server

LOG = logging.getLogger("lassoscope.actions")
T = TypeVar("T")
MORE = 60  # images that "more like this" selects: two screens of the gallery
AS_TOLD = (
    Topic.FITTING,
    Topic.FINDING,
    Topic.EMBEDDING,
    Topic.LEARNING,
    Topic.TRAINING,
    Topic.STUDIES,
    Topic.STUDYING,
)  # state, as it comes


@dataclass(frozen=True)
class ClusterView:
    """What the Clusters tab shows."""

    found: Clustering | None
    rows: list[ClusterSummary]
    notices: Notices | None


class Actions:
    """The verbs of one tab: each runs off the event loop and then updates the tab's own document."""

    def __init__(self, state: SessionState, server: "Server", document: Document) -> None:
        self.state, self.workspace = state, state.workspace
        self._server, self._document = server, document
        self._streak = Streak()
        self._bulk_origin: tuple[Source, Criterion] = (Source.LASSO, NO_CRITERION)
        state.param.watch(lambda _: self.meet_analyst(), "analyst")
        state.param.watch(self._draw_gold, "show_gold")

    # -- off the event loop and back --

    def run(
        self,
        verb: Callable[[], T],
        done: Callable[[T], None],
        *,
        on: ThreadPoolExecutor | None = None,
        failed: Callable[[], None] = lambda: None,
    ) -> None:
        """Run `verb` off the event loop, then `done(result)` on the document; an error becomes the tab's message.

        Args:
            on: executor; None for the thread of label actions, which keeps their order.
            failed: called on the document after an error.
        """
        (on or self._server.pool).submit(verb).add_done_callback(
            lambda future: self.soon(partial(self._finish, future, done, failed))  # called on the worker thread
        )

    def _finish(self, future: "Future[T]", done: Callable[[T], None], failed: Callable[[], None]) -> None:
        if future.exception() is not None:
            failed()
        try:
            done(future.result())
        except Exception as error:
            said = sentence_of(error)  # for expected errors; anything else is a bug and must reach the log
            if said is None:
                LOG.exception("action failed")
            self.say(said or "That failed unexpectedly; nothing was lost. The server's log has the details.", error=True)

    def fetch(self, read: Callable[[], T], show: Callable[[T], None], *, failed: Callable[[], None] = lambda: None) -> None:
        """Load in a thread what a view is about to show, then show it."""
        self.run(read, show, on=self._server.draw_pool, failed=failed)

    def make_download(self, read: Callable[[], str], send: Callable[[str], None], *, failed: Callable[[], None]) -> None:
        """Make a file for the browser in the thread of work that takes seconds, then send it."""
        self.run(read, send, on=self._server.slow_pool, failed=failed)

    def soon(self, draw: Callable[[], None]) -> None:
        """Call `draw` when the tab's document is next free, and send all its changes as one message."""

        def all_at_once() -> None:
            with one_message(self._document):
                draw()

        self._document.add_next_tick_callback(all_at_once)

    def say(self, sentence: str, *, error: bool = False) -> None:
        """Show one sentence in this tab."""
        self.state.param.update(message=sentence, message_is_error=error)

    def forget_error(self) -> None:
        """Take back an error message that is about what is now another value."""
        if self.state.message_is_error:
            self.say("")

    def follow(self, topics: Topics) -> None:
        """Update the tab after changes elsewhere, in one message to the browser."""
        state = self.state
        with one_message(self._document):
            if Topic.ENCODER in topics:
                state.follow_encoder(self._server.shared.grid())
            others = {name: topics[name] for name in AS_TOLD if name in topics}
            others |= {name: getattr(state, name) + 1 for name in (Topic.CLUSTERS, Topic.OPENINGS) if name in topics}
            state.follow(labels=Topic.LABELS in topics, fit=Topic.FITTED in topics, **others)
            if (Topic.EXPOSURE, state.analyst) in topics:
                self._follow_exposure(topics[Topic.EXPOSURE, state.analyst])
            for topic in topics:
                if topic in (Topic.SAID, Topic.MESSAGE) or (
                    isinstance(topic, tuple) and topic[:2] == (Topic.SAID, state.analyst)
                ):
                    self.say(topics[topic], error=topic == Topic.MESSAGE)

    # -- exposure --

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

    def _draw_gold(self, *_: Any) -> None:
        column = self.state.gold_column

        def show(found: list[NamedCurve]) -> None:
            if self.state.gold_column == column:
                self.state.curves = found

        self.fetch(partial(self.state.shared.curves, column), show)

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

    # -- labels --

    def label(self, class_name: str | None) -> None:
        """Give the class to the picked pictures, or to the whole selection; many images need a spot check first."""
        rows = self.state.targets()
        wanted = self._with_copies(rows)
        if self.state.spot_check is not None:
            self.say(
                f"First end the spot check of '{self.state.spot_check.class_name}': label, or cancel with Escape.", error=True
            )
        elif class_name is not None and len(wanted) > BULK:
            self._bulk_origin = self._origin()
            self.start_spot_check(wanted, class_name)
        else:
            source, criterion = self._origin()
            self.label_rows(rows, class_name, source=source, criterion=criterion, done=self._unpick)

    def _unpick(self) -> None:
        """Clear the picks and start a new turn, so that pressing the key again does not label the whole selection."""
        if self.state.picked:
            self.state.picked = []
            self.state.next_turn()

    def _origin(self) -> tuple[Source, Criterion]:
        """Return the source and the criterion of a label given now."""
        if self.state.picked or len(self.state.selected) <= 1:
            return Source.SINGLE, NO_CRITERION
        if self.state.cluster:
            return Source.CLUSTER, Criterion(cluster=self.state.cluster)
        return Source.LASSO, Criterion(polygon=self.state.last_polygon)

    def _with_copies(self, rows: np.ndarray) -> np.ndarray:
        return copies_of(self.workspace, rows) if self.state.copies and len(rows) else rows

    def label_rows(
        self,
        rows: np.ndarray,
        class_name: str | None,
        *,
        source: Source,
        criterion: Criterion = NO_CRITERION,
        done: Callable[[], None] = lambda: None,
        failed: Callable[[], None] = lambda: None,
    ) -> None:
        """Give the class to these rows, and to their near-duplicates if that is on; readings never include near-duplicates."""
        wanted = rows if source in EVIDENCE_SOURCES else self._with_copies(rows)
        n_copies = len(wanted) - len(rows)
        if n_copies:
            criterion |= Criterion(copies=n_copies)
        verb = partial(
            label, self.workspace, wanted, class_name, analyst=self.state.analyst, source=source, criterion=criterion
        )

        def labelled(result: LabelResult) -> None:
            self._labelled(result, n_copies=n_copies)
            done()

        self.run(verb, labelled, failed=failed)

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

    def start_spot_check(self, rows: np.ndarray, class_name: str) -> None:
        """Spot-check some of these images before they are labelled."""
        verb = partial(bulk.first_spot_check, self.workspace, rows, class_name)
        self.run(verb, lambda started: self.state.param.update(spot_check=started, bulk=None), on=self._server.slow_pool)

    def spot_check_more(self, token: str) -> None:
        """Spot-check more images of a bulk label."""
        verb = partial(bulk.further_spot_check, self.workspace, token, rng=np.random.default_rng())
        self.run(verb, lambda started: self.state.param.update(spot_check=started, bulk=None, page=PageName.MAP))

    def end_spot_check(self, result: SpotCheckResult, *, left_out: np.ndarray) -> None:
        """End the spot check: give the bulk label, or add the spot check to the one given before.

        Args:
            left_out: rows to leave out of the label.
        """
        spot_check, analyst = self.state.spot_check, self.state.analyst
        if spot_check is None:
            return
        self.state.spot_check = None
        if spot_check.token:
            self.run(
                partial(bulk.save_spot_check, self.workspace, spot_check.token, result=result, analyst=analyst),
                self._spot_checked,
            )
            return
        source, criterion = self._bulk_origin
        verb = partial(
            bulk.label_bulk,
            self.workspace,
            np.setdiff1d(spot_check.rows, left_out),
            spot_check.class_name,
            analyst=analyst,
            source=source,
            criterion=criterion,
            result=result,
        )
        self.run(verb, self._bulk_labelled)

    def cancel_spot_check(self) -> None:
        """Cancel the spot check; nothing is labelled."""
        self.state.spot_check = None

    def _bulk_labelled(self, result: tuple[LabelResult, BulkLabel]) -> None:
        self.state.bulk = result[1]
        self._labelled(result[0])

    def _spot_checked(self, found: BulkLabel) -> None:
        self.state.bulk = found
        self._changed(f"Spot-checked {counted(len(found.spot_checked), 'image')} of this label: {found.purity.sentence}")

    def _labelled(self, result: LabelResult, *, n_copies: int = 0) -> None:
        self._changed(result.sentence + (f" Included {counted(n_copies, 'near-duplicate')}." if n_copies else ""))
        for before in result.replaced:  # tell the analyst whose labels were replaced
            words = f"{self.state.analyst} has changed {before.n:,} of your '{before.class_name}' labels: "
            words += f"now '{result.action.class_name}'." if result.action.class_name else "now without a label."
            self._server.hub.publish((Topic.SAID, before.analyst, result.action.seq), words, but=self._document)

    def more_like(self, rows: np.ndarray) -> None:
        """Select the images most similar to these."""

        def show(found: np.ndarray) -> None:
            self.state.param.update(selected=np.sort(found), last_polygon=None)
            these = "this one" if len(rows) == 1 else f"these {len(rows):,}"
            self.say(f"Selected the {counted(len(found), 'image')} most like {these}.")

        self.run(partial(more_like, self.workspace, rows, MORE), show, on=self._server.slow_pool)

    def undo(self, seq: int | None = None) -> None:
        """Undo this analyst's newest action, or any by its number; a queue shows its picture again."""
        verb = partial(undo, self.workspace, seq, analyst=self.state.analyst)

        def undone(reversal: Reversal) -> None:
            self._changed(reversal.sentence)
            self.state.undone = ()
            self.state.undone = tuple(reversal.rows.tolist())

        self.run(verb, undone)

    def redo(self, seq: int) -> None:
        """Redo an undone action."""
        verb = partial(redo, self.workspace, seq, analyst=self.state.analyst)
        self.run(verb, lambda reversal: self._changed(reversal.sentence))

    def _changed(self, sentence: str) -> None:
        """Show the current labels: here at once, in other windows soon."""
        self.say(sentence)
        self.state.follow(labels=True)
        self._server.hub.publish(Topic.LABELS, but=self._document)
        self._server.refits.request()

    # -- encoders --

    def use_encoder(self, name: str) -> None:
        """Switch every window to another encoder: map, probe and suggestions change, labels stay."""

        def switch() -> str:
            use_encoder(self.workspace, name)
            shared = self._server.shared
            for work_out in (shared.grid, shared.encoders, shared.refresh_curves):  # here, off the event loop
                work_out()
            return f"All windows now use {name}; the labels stay."

        self.run(switch, self._switched, on=self._server.slow_pool)

    def _switched(self, sentence: str) -> None:
        self._server.hub.publish(Topic.ENCODER)
        self._server.refits.request()
        self.say(sentence)

    def load_offers(self, done: Callable[[list["Offer"]], None], *, failed: Callable[[], None]) -> None:
        """Measure what the encoders on this machine cost."""

        def measure() -> list["Offer"]:
            from core.encoders.offers import offers_here

            return list(offers_here(self.workspace, device=self.workspace.device))

        self.run(measure, done, on=self._server.slow_pool, failed=failed)

    def ask_for_public(self, done: Callable[["Offer"], None], *, failed: Callable[[], None]) -> None:
        """Ask the hub for the public weights, and measure what they would cost here."""

        def ask() -> "Offer":
            from core.encoders.offers import public_offer

            return public_offer(device=self.workspace.device)

        self.run(ask, done, on=self._server.slow_pool, failed=failed)

    def start_embedding(self, encoder: str | None, *, failed: Callable[[], None]) -> None:
        """Embed all images, with the current encoder for None, and lay out the map; windows follow the progress."""
        self.run(partial(self._server.embedding.start, encoder), lambda _: None, failed=failed)

    def compare_encoders(self, done: Callable[[list[Comparison]], None], *, failed: Callable[[], None]) -> None:
        """Judge every encoder's probe on the same labels."""
        verb = partial(compare_encoders, self.workspace)
        self.run(verb, done, on=self._server.slow_pool, failed=failed)

    # -- studies --

    def start_experiment(self, config: Callable[[], ExperimentConfig]) -> None:
        """Start the study described by the form; windows follow it through its files."""
        self.run(lambda: self._server.experiments.start(config()), lambda _: self.say("The study has started."))

    def follow_runs(self, topic: Topic, on: bool) -> None:
        """Keep the training runs, or the studies, in step with their files while a page shows them."""
        runs = self._server.training if topic == Topic.TRAINING else self._server.studies
        if not on:
            runs.leave(self._document)
            return
        if runs.newest is not None:
            self.state.param.update(**{topic: runs.newest})
        runs.watch(self._document)

    def leave(self) -> None:
        """Let go of what outlives the tab."""
        self._server.hub.unsubscribe(self._document)
        self._server.handout.release(self._document)
        self._server.training.leave(self._document)
        self._server.studies.leave(self._document)
        self._server.tidier.request()

    # -- clusters --

    def find_clusters(self) -> None:
        """Find the clusters of the map at every grain, read those rich in text, and collect the copyright notices."""
        self.run(self._server.clusters.start, lambda _: None)

    def load_clusters(
        self, grain: str, done: Callable[[ClusterView], None], *, failed: Callable[[], None] = lambda: None
    ) -> None:
        """Load the clusters of a grain with a summary of each, and the copyright notices."""

        def load() -> ClusterView:
            found = clusters.clustering(self.workspace, grain)
            rows = [] if found is None else clusters.summaries(self.workspace, found)
            return ClusterView(found, rows, notices(self.workspace))

        self.run(load, done, on=self._server.slow_pool, failed=failed)

    def find_words(self, words: str) -> None:
        """Select the images that contain these words."""

        def show(rows: np.ndarray) -> None:
            if not len(rows):
                self.say(f"No picture that was read contains '{words}'. Finding clusters reads those with much text on dark.")
                return
            self.state.param.update(selected=rows, last_polygon=None)
            self.say(
                f"Selected {counted(len(rows), 'image')} with the words '{words}', in the picture or in its cluster's title."
            )

        self.run(partial(search_words, self.workspace, words), show, on=self._server.slow_pool)

    # -- queues --

    def suggest(self, n: int, strategy: str, done: Callable[[list[Any]], None]) -> None:
        """Get the next round of suggestions, without pictures that other windows are asked for."""

        def choose() -> list[Any]:
            others = self._server.handout.elsewhere(self._document)
            found = suggest(self.workspace, n, strategy=strategy, without=others)
            self.hold([suggestion.row for suggestion in found])
            return found

        self.run(choose, done, on=self._server.asks)

    def hold(self, rows: list[int]) -> None:
        """Reserve these rows for this window; an empty list releases its rows."""
        if rows:
            self._server.handout.hold(self._document, rows)
        else:
            self._server.handout.release(self._document)

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

    # -- the check half --

    def read_again(self, row: int, class_name: str, *, done: Callable[[], None]) -> None:
        """Save this analyst's second reading."""
        verb = partial(second_reading.read_again, self.workspace, row, class_name, analyst=self.state.analyst)

        def kept(_: object) -> None:
            self.say(f"Second reading saved: '{class_name}'.")
            done()

        self.run(verb, kept)

    def load_opening(self, number: int | None, subject: Subject, done: Callable[[OpeningView], None]) -> None:
        """Load what the Operating point page shows of a policy and scorer."""
        self.run(partial(self._server.openings.view, number, subject), done, on=self._server.slow_pool)

    def open_check_set(self, subject: Subject, done: Callable[[int], None]) -> None:
        """Open the check set for the newest model; this counts as a look."""

        def opened(found: Opening) -> None:
            about = f" for '{found.policy}'" if found.policy else ""
            about += f" by '{found.scorer}'" if found.scorer != PROBE else ""
            labels = counted(found.n, "check label")
            self._announce(f"Opened check set {found.check_set}{about}: look {found.look}, with {labels}.")
            done(found.number)

        self.run(partial(check_sets.open_check_set, self.workspace, subject, analyst=self.state.analyst), opened)

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
        threshold: float | None = None,
        opened: Opening | None = None,
    ) -> None:
        """Write a bundle as a ZIP file inside the workspace.

        Args:
            done: called with the file and a description of the bundle.
            threshold, opened: an unnamed threshold; None for the point in force, else the newest promise.
        """

        def export() -> tuple[Path, str]:
            from core.delivery.bundle import export_zip

            file, manifest = export_zip(self.workspace, self.workspace.folder / "exports", threshold=threshold, opened=opened)
            several = len(manifest.rules) > 1
            told = [f"{rule.policy}: {_rule_words(rule)}" if several else _rule_words(rule) for rule in manifest.rules]
            return file, "; ".join(told)

        self.run(export, lambda found: done(*found), on=self._server.slow_pool, failed=failed)

    def _announce(self, sentence: str) -> None:
        if sentence:
            self.say(sentence)
        self._server.hub.publish(Topic.OPENINGS)

    def adjudicate(self, row: int, class_name: str, *, done: Callable[[], None]) -> None:
        """Decide between two readings."""
        verb = partial(second_reading.adjudicate, self.workspace, row, class_name, analyst=self.state.analyst)

        def decided(result: LabelResult) -> None:
            self._labelled(result)
            done()

        self.run(verb, decided)


def _rule_words(rule: "Rule") -> str:
    """Say what a bundle's threshold is, and whether its promise covers it."""
    from core.delivery.model_card import exactly

    held = rule.promise
    covered = "" if held is None or held.covers_this_threshold else "; its promise does not cover this threshold"
    return f"{rule.chosen}, score ≥ {exactly(rule.threshold)}{covered}"
