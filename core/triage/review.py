"""The queues of the points in force: what waits, what comes next, and how well it goes."""

import datetime as dt
import hashlib
import threading
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from core.arrays import BoolArray, FloatArray
from core.catalog.label_book import UNLABELLED
from core.catalog.records import Policy
from core.errors import AppError, InputError
from core.evidence.openings import Opening, mark, openings
from core.evidence.points import OperatingPoint, in_force, points
from core.evidence.subject import PROBE
from core.labels.policies import codes_of, policies
from core.triage.answers import Answers
from core.triage.drift import Drift, drift_of
from core.triage.figures import RECENT_SECONDS, Figures, Share, pace
from core.triage.queue import Next, Order, Pool, Side, lots, next_rows, waiting
from core.triage.scores import FrozenScores
from core.workspace import Workspace

NO_POINT = (
    "No operating point is in force; save one and put it in force on the Operating point page, and what it flags waits here."
)


@dataclass(frozen=True)
class AtWork:
    """A point in force for a policy."""

    policy: Policy
    point: OperatingPoint
    since: str  # ISO 8601, UTC
    opened: Opening  # that it was chosen from


@dataclass(frozen=True)
class Asked:
    """An image that is asked for in Review."""

    row: int
    score: float
    drawn: str  # the side whose random sample it is of, "" = it waits in the queue


class Review:
    """All queues of a workspace. Safe to call from any thread inside `workspace.steady()`."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self._lock = threading.Lock()  # one image is drawn once
        self._scores, self.answers = FrozenScores(workspace), Answers(workspace)
        self._at_work: tuple[object, list[AtWork]] = (None, [])
        self._figures: tuple[object, Figures | None] = (None, None)
        self._frames: tuple[object, tuple[BoolArray, FloatArray] | None] = (None, None)
        self._drift: dict[object, Drift] = {}

    def at_work(self) -> list[AtWork]:
        """Return the points in force, in the order of their policies; one whose opening cannot be read is left out."""
        space = self.workspace
        key = (mark(space), tuple(policies(space)))
        if self._at_work[0] != key:
            opened = {opening.number: opening for opening in openings(space)}
            force = {point.policy: point for point in points(space) if point.in_force and point.opening in opened}
            found = [
                AtWork(policy, point, in_force(space, policy.name)["at"], opened[point.opening])
                for policy in policies(space)
                if (point := force.get(policy.name)) is not None
            ]
            self._at_work = (key, found)
        return self._at_work[1]

    def of(self, policy: str) -> AtWork:
        """Return the point in force for a policy; for one that has none, the first there is.

        Raises:
            InputError: if no point is in force.
        """
        found = self.at_work()
        if not found:
            raise InputError(NO_POINT)
        return next((work for work in found if work.policy.name == policy), found[0])

    def ask(self, policy: str, n: int, *, order: Order, without: Collection[int] = (), ahead: int = 0) -> list[Asked]:
        """Choose the next images for a person, and keep which of them were drawn at random.

        Args:
            without, ahead: as `core.triage.queue.next_rows` takes them.
        Raises:
            AppError: if no point is in force, or it can decide nothing.
        """
        work = self.of(policy)
        with self._lock:
            pool = self._pool(work)
            found: Next = next_rows(pool, n, order, without=without, ahead=ahead)
            if found.drawn:
                self.workspace.catalog.reviews.add_draws(work.point.name, work.since, found.drawn)
        sides = {draw.row: draw.side for draw in (*pool.draws, *found.drawn)}
        return [Asked(row, float(pool.scores[row]), sides.get(row, "")) for row in found.rows]

    def n_held(self, policy: str, rows: Collection[int]) -> int:
        """Count the images that wait among some rows."""
        return int(np.isin(waiting(self._pool(self.of(policy)), Order.NEWEST), list(rows)).sum())

    def figures(self, policy: str, *, today: str) -> Figures:
        """Work out what waits and what the answers say.

        Args:
            today: when the reader's day began, ISO 8601, UTC.
        Raises:
            AppError: if no point is in force, or it can decide nothing.
        """
        space, work = self.workspace, self.of(policy)
        n_embedded = space.matrix.rows if space.matrix is not None else 0
        key = (work.policy, work.point.name, work.since, today, space.labels.version, space.n_images, space.n_here, n_embedded)
        known, found = self._figures
        if found is None or known != key or work.opened.scorer != PROBE:  # all windows ask after every label
            found = self._count(work, today)
            self._figures = key, found
        return found

    def _count(self, work: AtWork, today: str) -> Figures:
        space, pool = self.workspace, self._pool(work)
        right = np.isin(space.labels.codes, codes_of(space, work.policy))
        marks = {"right": right, "unsure": space.unsure, "open": pool.open}
        flagged = pool.side(Side.FLAGGED)
        given = self.answers.standing(work.point.name, work.since)
        answered = sorted({row for answer in given for row in answer.rows if row < len(flagged) and flagged[row]})
        drawn = {side: [draw.row for draw in pool.draws if draw.side == side] for side in Side}
        now = dt.datetime.now(dt.UTC).timestamp()
        return Figures(
            waiting=len(waiting(pool, Order.NEWEST)),
            today=int(flagged[self._first_row_since(today) :].sum()),
            not_scored=int(np.isnan(pool.scores).sum()) - len(space.columns.removed_rows),
            answered=Share.of(answered, **marks),
            precision=Share.of(drawn[Side.FLAGGED], **marks),
            elusion=Share.of(drawn[Side.LEFT], **marks),
            pace=pace(np.array([answer.at for answer in given]), now),
            analysts=len({answer.analyst for answer in given if answer.at > now - RECENT_SECONDS}),
        )

    def drift(self, policy: str) -> Drift | None:
        """Compare what came since the opening with what its promise covers; None where no point can be judged."""
        return self.drift_since(self.of(policy).opened) if self.at_work() else None

    def drift_since(self, opened: Opening) -> Drift | None:
        """Compare what came since an opening with what its promise covers; None if its scores are lost."""
        space = self.workspace
        try:
            scores = self._scores.of(opened)
        except AppError:
            return None
        key = (opened.number, int((~np.isnan(scores)).sum()))
        found = self._drift.get(key)
        if found is None:
            encoder = opened.encoder
            known = space.current if encoder == space.encoder_name else space.embedded(encoder)
            matrix = known.matrix if opened.scorer == PROBE else None
            found = drift_of(scores, opened.frame, matrix, np.random.default_rng(opened.number))
            self._drift = {key: found}
        return found

    def _pool(self, work: AtWork) -> Pool:
        space = self.workspace
        seed = self._seed(work)
        frame, numbers = self._drawn_from(work, seed)
        kept = space.catalog.reviews.draws(work.point.name, work.since)
        return Pool(
            scores=self._scores.of(work.opened),
            threshold=work.point.threshold,
            open=(space.labels.codes == UNLABELLED) & ~space.unsure & ~space.removed,
            frame=frame,
            lots=numbers,
            draws=[draw for draw in kept if draw.row < space.n_images and not space.removed[draw.row]],
            n_answers=len(self.answers.standing(work.point.name, work.since)),
            seed=seed,
        )

    def _seed(self, work: AtWork) -> int:
        salt = self.workspace.catalog.settings.get("salt", "")
        text = f"{salt}\0{work.point.name}\0{work.since}"
        return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")

    def _drawn_from(self, work: AtWork, seed: int) -> tuple[BoolArray, FloatArray]:
        """Return which images the samples are drawn from, and their random numbers, both (N,).

        Images that an action had named before the point came into force are left out: why they were chosen is not known.
        """
        space = self.workspace
        first = space.catalog.labels.first_since(work.since)
        first = space.book.version + 1 if first is None else first
        key = (seed, first, space.n_images)
        known, found = self._frames
        if found is None or known != key:
            found = ~space.book.named_before(first)[: space.n_images], lots(space.check_order, seed)
            self._frames = key, found
        return found

    def _first_row_since(self, at: str) -> int:
        """Return the first row that was added at or after a time."""
        space = self.workspace
        return next((first for first, added in space.catalog.images.additions() if added >= at), space.n_images)
