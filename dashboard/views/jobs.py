"""The Jobs drawer of the header: what the server does and has done, in every window."""

from typing import Any

import panel as pn
import param

from core.catalog.jobs import JobRecord, JobState
from core.jobs.inboxes import InboxState
from core.jobs.kinds import KINDS
from core.store.files import shown
from dashboard.actions import Actions
from dashboard.state import SessionState
from dashboard.times import minute
from dashboard.views.components.jobs_drawer import InboxItem, JobItem, JobsDrawer, Press

MINUTE, HOUR = 60, 3_600


def time_words(seconds: float) -> str:
    """Say how long something still takes, in whole units."""
    if seconds < MINUTE:
        return f"{max(round(seconds), 1)} s"
    if seconds < HOUR:
        return f"{round(seconds / MINUTE)} min"
    return f"{seconds / HOUR:.1f} h"


def pace_words(job: JobRecord) -> str:
    """Say how fast a job is, and how long it still takes; "" where that is not known."""
    if not job.rate:
        return ""
    rate = f"{job.rate:,.0f}/s" if job.rate >= 1 else f"{job.rate * MINUTE:.1f}/min"
    return rate if job.remaining is None else f"{rate}, {time_words(job.remaining)} left"


def item(job: JobRecord, zone: str) -> JobItem:
    """Return a job as the drawer shows it to a reader in a time zone."""
    known = KINDS.get(job.kind)
    can_retry = known is not None and job.state in (JobState.FAILED, JobState.CANCELLED)
    return JobItem(
        number=job.number,
        title=job.kind if known is None else known.title,
        who=job.analyst,
        when=minute(job.ended_at or job.started_at or job.created_at, zone),
        state=str(job.state),
        stage=job.stage,
        done=job.done,
        total=job.total,
        pace=pace_words(job),
        message=job.message,
        can="cancel" if job.is_open else "retry" if can_retry else "",
    )


def inbox_item(inbox: InboxState) -> InboxItem:
    """Return a watched folder as the drawer shows it."""
    return InboxItem(folder=shown(inbox.folder), said=inbox.sentence, needs_help=bool(inbox.problem) or not inbox.is_here)


class JobsPane(pn.viewable.Viewer):
    """The button and its drawer."""

    state = param.ClassSelector(class_=SessionState)
    actions = param.ClassSelector(class_=Actions)

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self._drawer = JobsDrawer(on_press=self._on_press, align="center", margin=(0, 4))
        self.state.param.watch(self._draw, ["jobs", "zone"])
        self.state.param.watch(self._draw_inboxes, "inboxes")
        self._draw()
        self._draw_inboxes()

    def _draw(self, *_: Any) -> None:
        self._drawer.jobs = [item(job, self.state.zone) for job in self.state.jobs]

    def _draw_inboxes(self, *_: Any) -> None:
        self._drawer.inboxes = [inbox_item(inbox) for inbox in self.state.inboxes]

    def _on_press(self, press: Press) -> None:
        verb = self.actions.cancel_job if press.verb == "cancel" else self.actions.retry_job
        self.actions.soon(lambda: verb(press.number))

    def __panel__(self) -> pn.viewable.Viewable:
        return self._drawer
