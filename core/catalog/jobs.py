"""Jobs: a record of every piece of long work, its state, and the changes of state there are."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import cast

import sqlalchemy as sa

from core.arrays import JsonObject
from core.catalog.database import Database
from core.catalog.records import Known
from core.catalog.rows import inserted_key, now, replace
from core.catalog.schema import JOBS, SETTINGS
from core.errors import InputError


class JobState(Known):
    """How far a job is."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"  # of a newer program; nothing is done with such a job


CHANGES: dict[JobState, frozenset[JobState]] = {
    JobState.QUEUED: frozenset({JobState.RUNNING, JobState.CANCELLED, JobState.FAILED}),
    # Back to queued when the server ends: what it has done so far stays, and it goes on from there.
    JobState.RUNNING: frozenset({JobState.DONE, JobState.FAILED, JobState.CANCELLED, JobState.QUEUED}),
    JobState.FAILED: frozenset({JobState.QUEUED}),
    JobState.CANCELLED: frozenset({JobState.QUEUED}),
    JobState.DONE: frozenset(),
    JobState.UNKNOWN: frozenset(),
}
HANDED_OVER = "handed_over"  # the setting: requests of commands, each with the number of its job
REQUESTS = 100  # of them are kept, the newest
WAITING_OR_AT_WORK = (JobState.QUEUED, JobState.RUNNING)


@dataclass(frozen=True)
class JobRecord:
    """One job."""

    number: int  # stays the same when it is tried again
    kind: str
    arguments: JsonObject  # as its kind checks them
    analyst: str  # who asked for it
    state: JobState
    starts: int  # how often it was begun since it was last asked for
    created_at: str  # ISO 8601, UTC, as the next two
    started_at: str | None = None  # the last time
    ended_at: str | None = None
    stage: str = ""  # what is being done, in words
    done: int = 0  # of the stage
    total: int = 0  # 0 = not known
    rate: float | None = None  # of the stage, per second
    message: str = ""  # what came of it, or why it failed: one sentence or several
    result: JsonObject = field(default_factory=dict)  # what the command prints with --json; {} until it is done

    @property
    def is_open(self) -> bool:
        """Tell whether it waits or is at work."""
        return self.state in WAITING_OR_AT_WORK

    @property
    def remaining(self) -> float | None:
        """Return the seconds that its stage still takes at this rate; None if that is not known."""
        if self.state != JobState.RUNNING or not self.rate or not self.total:
            return None
        return max(self.total - self.done, 0) / self.rate


class Jobs:
    """The jobs. Each method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(
        self, kind: str, arguments: JsonObject, analyst: str, *, unless: Iterable[JobState] = (), request: str = ""
    ) -> tuple[JobRecord, bool]:
        """Add a job, unless one of the same kind and arguments is in one of these states: then that one counts.

        Args:
            request: a name of this request; the same request made again gets the same job, whatever has become of it.
        Returns:
            the job, and whether it is new.
        """
        with self._database.writing() as connection:
            if not request:
                return self._add(connection, kind, arguments, analyst, unless)
            query = sa.select(SETTINGS.c.value).where(SETTINGS.c.key == HANDED_OVER)
            kept = connection.execute(query).scalar()
            known: list[tuple[str, int]] = kept if isinstance(kept, list) else []
            for name, number in known:
                if name == request:
                    return _get(connection, number), False
            job, is_new = self._add(connection, kind, arguments, analyst, unless)
            value = [*known, (request, job.number)][-REQUESTS:]
            replace(connection, SETTINGS, [{"key": HANDED_OVER, "value": value}])
            return job, is_new

    @staticmethod
    def _add(
        connection: sa.Connection, kind: str, arguments: JsonObject, analyst: str, unless: Iterable[JobState]
    ) -> tuple[JobRecord, bool]:
        query = sa.select(JOBS).where(JOBS.c.kind == kind, JOBS.c.state.in_(list(unless))).order_by(JOBS.c.number.desc())
        for found in connection.execute(query).mappings():
            if found["arguments"] == arguments:
                return _record(found), False
        values = {
            "kind": kind,
            "arguments": arguments,
            "analyst": analyst,
            "state": JobState.QUEUED.value,
            "starts": 0,
            "created_at": now(),
            "stage": "",
            "done": 0,
            "total": 0,
            "message": "",
            "result": {},
        }
        number = inserted_key(connection, sa.insert(JOBS).values(**values))
        return _get(connection, number), True

    def get(self, number: int) -> JobRecord:
        """Return a job.

        Raises:
            InputError: if there is none of this number.
        """
        with self._database.reading() as connection:
            return _get(connection, number)

    def newest(self, n: int) -> list[JobRecord]:
        """Return the jobs that wait or are at work, and the newest of the others up to n in all; newest first."""
        with self._database.reading() as connection:
            is_open = JOBS.c.state.in_(list(WAITING_OR_AT_WORK))
            query = sa.select(JOBS).order_by(is_open.desc(), JOBS.c.number.desc())
            known = [_record(found) for found in connection.execute(query.limit(n)).mappings()]
        return sorted(known, key=lambda job: -job.number)

    def in_states(self, states: Sequence[JobState]) -> list[JobRecord]:
        """Return the jobs in some states, oldest first."""
        with self._database.reading() as connection:
            query = sa.select(JOBS).where(JOBS.c.state.in_(list(states))).order_by(JOBS.c.number)
            return [_record(found) for found in connection.execute(query).mappings()]

    def move(
        self, number: int, to: JobState, *, message: str = "", result: JsonObject | None = None, anew: bool = False
    ) -> JobRecord | None:
        """Change a job's state, and what belongs to it: times, the number of starts, and at the end what came of it.

        Args:
            anew: the starts until now do not count.
        Returns:
            the job as it is now; None, and nothing has changed, if it is in a state from which it cannot get there.
        Raises:
            InputError: if there is none of this number.
        """
        from_ = [state.value for state, reached in CHANGES.items() if to in reached]
        values: JsonObject = {"state": to.value}
        if to == JobState.RUNNING:
            values |= {"started_at": now(), "ended_at": None, "starts": JOBS.c.starts + 1, "message": "", "result": {}}
            values |= {"stage": "", "done": 0, "total": 0, "rate": None}
        elif to != JobState.QUEUED:
            values |= {"ended_at": now(), "message": message, "result": result or {}, "rate": None}
        with self._database.writing() as connection:
            before = _get(connection, number)
            if to == JobState.QUEUED:
                values |= {"stage": "", "done": 0, "total": 0, "rate": None, "ended_at": None, "message": message}
                asked = before.state != JobState.RUNNING
                values |= ({"starts": 0} if asked or anew else {}) | ({"created_at": now()} if asked else {})
            mine = (JOBS.c.number == number) & JOBS.c.state.in_(from_)
            changed = connection.execute(sa.update(JOBS).where(mine).values(**values)).rowcount
            return _get(connection, number) if changed else None

    def note(self, number: int, *, stage: str, done: int, total: int, rate: float | None) -> None:
        """Keep how far a running job is; nothing happens if it is not running."""
        kept = rate if rate is not None and math.isfinite(rate) else None
        with self._database.writing() as connection:
            mine = (JOBS.c.number == number) & (JOBS.c.state == JobState.RUNNING.value)
            connection.execute(sa.update(JOBS).where(mine).values(stage=stage, done=done, total=total, rate=kept))


def _get(connection: sa.Connection, number: int) -> JobRecord:
    found = connection.execute(sa.select(JOBS).where(JOBS.c.number == number)).mappings().first()
    if found is None:
        raise InputError(f"There is no job {number}.")
    return _record(found)


def _record(found: sa.RowMapping) -> JobRecord:
    values = dict(found)
    return JobRecord(**cast(JsonObject, values | {"state": JobState(values["state"])}))
