"""The Jobs drawer of the header: what the server does and has done, in every window."""

import os
from functools import partial
from pathlib import Path
from typing import Any

import panel as pn
import param

from core.catalog.jobs import JobRecord, JobState
from core.jobs.inboxes import InboxState
from core.jobs.kinds import KINDS
from core.store.files import shown
from core.wording import counted, verb
from dashboard.actions import Actions
from dashboard.state import SessionState
from dashboard.times import minute
from dashboard.views.components.jobs_drawer import InboxItem, JobItem, JobsDrawer, Press, Watch
from dashboard.webhook import Trouble

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
    can_retry = known is not None and known.again and job.state in (JobState.FAILED, JobState.CANCELLED)
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


def inbox_item(inbox: InboxState, root: str = "") -> InboxItem:
    """Return a watched folder as the drawer shows it.

    Args:
        root: the folder below which the page may change what is watched; "" for none.
    """
    needs_help = bool(inbox.problem) or not inbox.is_here
    can_stop = bool(root) and Path(inbox.folder).is_relative_to(os.path.realpath(root))
    return InboxItem(folder=shown(inbox.folder), said=inbox.sentence, needs_help=needs_help, can_stop=can_stop)


def webhook_words(trouble: Trouble | None, zone: str) -> str:
    """Say in one line why decisions do not reach their receiver, since when, and how it goes on; "" while they do."""
    if trouble is None:
        return ""
    n = trouble.waiting
    wait = f"{counted(n, 'decision')}{' or more' if trouble.more_wait else ''} {verb(n, 'waits', 'wait')}"
    since, again = (minute(at, zone, seconds=True) for at in (trouble.since, trouble.again))
    return f"The webhook at {shown(trouble.receiver)} fails since {since}: {trouble.reason}. {wait}; next try at {again}."


class JobsPane(pn.viewable.Viewer):
    """The button and its drawer."""

    state = param.ClassSelector(class_=SessionState)
    actions = param.ClassSelector(class_=Actions)

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self._root = self.actions.intake_root
        self._drawer = JobsDrawer(
            on_press=self._on_press, on_watch=self._on_watch, root=self._root, align="center", margin=(0, 4)
        )
        self.state.param.watch(self._draw, ["jobs", "zone"])
        self.state.param.watch(self._draw_inboxes, "inboxes")
        self.state.param.watch(self._draw_webhook, ["webhook", "zone"])
        self._draw()
        self._draw_inboxes()
        self._draw_webhook()

    def _draw(self, *_: Any) -> None:
        self._drawer.jobs = [item(job, self.state.zone) for job in self.state.jobs]

    def _draw_inboxes(self, *_: Any) -> None:
        self._drawer.inboxes = [inbox_item(inbox, self._root) for inbox in self.state.inboxes]

    def _draw_webhook(self, *_: Any) -> None:
        self._drawer.webhook = webhook_words(self.state.webhook, self.state.zone)

    def _on_press(self, press: Press) -> None:
        verb = self.actions.cancel_job if press.verb == "cancel" else self.actions.retry_job
        self.actions.soon(lambda: verb(press.number))

    def _on_watch(self, asked: Watch) -> None:
        """Watch a folder that was named, or stop watching one of those shown."""
        if asked.verb == "watch":
            self.actions.soon(lambda: self._set_inbox(asked.folder, watched=True))
            return
        known = [inbox.folder for inbox in self.state.inboxes if inbox_item(inbox, self._root)["can_stop"]]
        for folder in known:
            if shown(folder) == asked.folder:
                self.actions.soon(partial(self._set_inbox, folder, watched=False))

    def _set_inbox(self, folder: str, *, watched: bool) -> None:
        self._drawer.told = ""
        self.actions.set_inbox(folder, self._tell, watched=watched)

    def _tell(self, sentence: str) -> None:
        self._drawer.told = sentence

    def __panel__(self) -> pn.viewable.Viewable:
        return self._drawer
