"""Background work: the refit worker, and jobs that run one at a time."""

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable

from bokeh.document import Document

from core.probe.curves import NamedCurve
from core.probe.learning_curve import LearningCurve
from core.probe.live import refit
from core.probe.live_curves import learning
from core.probe.random_curves import Work, random_work
from core.store.troubles import sentence_of
from core.workspace import Workspace
from dashboard.hub import Topic
from dashboard.shared import Shared

LOG = logging.getLogger("lassoscope.jobs")
GATHER_SECONDS = 0.05  # labels that arrive within this time are fitted together
LONG_SECONDS = 0.5  # after a refit that took this long, the next one is announced
JUDGE_SECONDS = 2.0  # s after a refit until the learning curve, which reads every past probe

Publish = Callable[[Hashable, object], None]


class RandomQueue:
    """The curves of random labels that are to be worked out, fit by fit; what has begun is finished before it begins anew."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._works: deque[tuple[str | None, Work]] = deque()
        self._found: dict[str | None, NamedCurve] = {}
        self._done: dict[str | None, Hashable] = {}  # the inputs of each curve that is found or has begun
        self._bases: list[str | None] = []  # wanted as soon as what has begun is finished
        self._took = 0.0  # s, the last fit
        self._encoder = ""

    @property
    def rest(self) -> float | None:
        """Return how long to rest before the next fit, so that half of the time is for others; None if nothing is left."""
        return self._took if self._works else None

    def plan(self, bases: Callable[[], list[str | None]]) -> None:
        """Work out the curves of the newest probe once what has begun is finished."""
        try:
            self._bases = bases()
            self._begin()
        except Exception:
            LOG.exception("random curves failed")

    def _begin(self) -> None:
        encoder = self._workspace.encoder_name or ""
        if encoder != self._encoder:  # what has begun is about another encoder
            self._works.clear()
            self._encoder = encoder
            self._done.clear()
        if self._works:
            return
        for base in self._bases:
            inputs = self._inputs(base)
            if self._done.get(base) != inputs:
                self._done[base] = inputs
                self._works.append((base, random_work(self._workspace, base)))
        self._bases = []

    def _inputs(self, base: str | None) -> Hashable:
        space = self._workspace
        fitted = space.fitted
        probe = (
            None if fitted is None else (fitted.version, fitted.labels_version if base is None else 0, fitted.probe.n_labels)
        )
        return probe, int(space.sealed.sum())

    def step(self) -> dict[str | None, NamedCurve] | None:
        """Do one fit; return all curves if that has finished one of them."""
        if not self._works:
            return None
        base, work = self._works[0]
        start, changed = time.monotonic(), True
        try:
            next(work)
            changed = False
        except StopIteration as end:
            self._take(base, end.value)
        except Exception:
            LOG.exception("a random curve failed")
            self._take(base, None)
        self._took = time.monotonic() - start
        if not self._works and self._bases:
            self.plan(lambda: self._bases)
        return dict(self._found) if changed else None

    def _take(self, base: str | None, found: NamedCurve | None) -> None:
        self._works.popleft()
        self._found.pop(base, None)
        if found is not None:
            self._found[base] = found


class RefitWorker:
    """Refits the probe after label actions, off the event loop; requests during a refit are served by one more refit."""

    def __init__(
        self, workspace: Workspace, shared: Shared, publish: Publish, hasten: Callable[[set[Document]], None] = lambda _: None
    ) -> None:
        """Start the thread.

        Args:
            hasten: called with the windows that have asked for a fit, once it is published.
        """
        self._workspace, self._shared, self._publish, self._hasten = workspace, shared, publish, hasten
        self._asking: set[Document] = set()
        self._asked = threading.Lock()
        self.learning: LearningCurve | None = None  # the newest, for windows opened later
        self.random_curves: dict[str | None, NamedCurve] = {}  # the newest, by gold column; replaced, never changed
        self._random = RandomQueue(workspace)
        self._took = 0.0  # s, the last refit
        self._fitted_at = 0.0  # s by the monotonic clock, its end
        self._wanted, self._stopping = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="refit", daemon=True)
        self._thread.start()

    def request(self, document: Document | None = None) -> None:
        """Request a refit, for a window that is shown it first; it uses the labels at its start."""
        if document is not None:
            with self._asked:
                self._asking.add(document)
        self._wanted.set()

    def stop(self) -> None:
        """Stop the worker after the current fit."""
        self._stopping.set()
        self._wanted.set()
        self._thread.join()

    def _run(self) -> None:
        judge_at = math.inf
        while True:
            asked = self._wanted.wait(self._idle(judge_at))
            if self._stopping.is_set():
                return
            if asked:
                # Refits take at most half of the time: under a stream of labels the rest is for the page.
                rested = time.monotonic() - self._fitted_at
                if self._stopping.wait(max(GATHER_SECONDS, self._took - rested)):
                    return
                self._wanted.clear()
                with self._workspace.steady():
                    self._refit()
                judge_at = min(judge_at, time.monotonic() + JUDGE_SECONDS)
            if time.monotonic() >= judge_at:
                judge_at = math.inf
                with self._workspace.steady():
                    self._judge()
            elif not asked:
                with self._workspace.steady():
                    self._fit_random()

    def _idle(self, judge_at: float) -> float | None:
        """Return how long to wait for labels before the next thing to do; None for ever."""
        rest = self._random.rest
        if judge_at == math.inf:
            return rest
        until = max(0.0, judge_at - time.monotonic())
        return until if rest is None else min(until, rest)

    def _refit(self) -> None:
        with self._asked:
            asking, self._asking = self._asking, set()
        start, says = time.monotonic(), self._took > LONG_SECONDS
        if says:
            self._publish(Topic.FITTING, True)
        try:
            refit(self._workspace)
            self._shared.refresh_curves()  # computed here, off the event loop
        except Exception as error:  # the worker must survive a failed fit
            said = sentence_of(error)
            if said is None:
                LOG.exception("refit failed")
            self._publish(Topic.MESSAGE, said or "The refit failed; the labels are safe. The server's log has the details.")
        self._fitted_at = time.monotonic()
        self._took = self._fitted_at - start
        if says:
            self._publish(Topic.FITTING, False)
        self._publish(Topic.FITTED, None)
        self._hasten(asking)

    def _judge(self) -> None:
        """Compute the learning curve, and compare score columns with the probe: later than scores, for which people wait."""
        try:
            self._shared.refresh_curves(paired=True)
            self.learning = learning(self._workspace)
            self._publish(Topic.LEARNING, self.learning)
        except Exception:
            LOG.exception("learning curve failed")
        self._random.plan(self._shared.bases)

    def _fit_random(self) -> None:
        """Fit one more probe of random labels, while no label waits; tell the windows of every finished curve."""
        found = self._random.step()
        if found is not None:
            self.random_curves = found
            self._publish(Topic.RANDOM, found)
