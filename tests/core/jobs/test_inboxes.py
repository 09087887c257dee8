"""Images that arrive in an inbox are added by themselves; whatever happens to files, folder, disk or job, all come once."""

import errno
import os
import re
import shutil
import threading
import time

import pytest

from core.catalog.jobs import JobState
from core.images import examine
from core.intake import arrivals
from core.intake.inboxes import add_inbox, remove_inbox
from core.jobs import inboxes
from core.jobs.inboxes import InboxState, InboxWatcher
from core.jobs.runner import MOST_STARTS, JobRunner
from core.workspace import Workspace
from tests.reading import InProcess
from tests.shared import photo
from tests.waiting import wait_for

TIMES = {
    "LOOK_SECONDS": 0.02,
    "IDLE_SECONDS": 0.05,
    "GATHER_SECONDS": 0.1,
    "WALK_SECONDS": 0.1,
    "RETRY_SECONDS": 0.1,
    "LONGEST_RETRY": 0.5,
}


@pytest.fixture
def walked(monkeypatch):
    """The folders that the watchers have walked through, one entry for each walk."""
    walked, end = [], inboxes._Inbox._end_walk
    monkeypatch.setattr(inboxes._Inbox, "_end_walk", lambda inbox, walk: (end(inbox, walk), walked.append(walk.folder)))
    return walked


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr("core.intake.ingest.Workers", InProcess)
    monkeypatch.setattr(arrivals, "SETTLE_SECONDS", 0.1)
    for name, seconds in TIMES.items():
        monkeypatch.setattr(inboxes, name, seconds)


@pytest.fixture
def space(tmp_path):
    with Workspace.create(tmp_path / "w", salt="inbox") as space:
        yield space


@pytest.fixture
def box(tmp_path, space):
    folder = tmp_path / "inbox"
    folder.mkdir()
    add_inbox(space, folder)
    return folder


class Watch:
    """A server's jobs and its watch of the inboxes."""

    def __init__(self, space, walked):
        self.space, self.told, self.walked = space, [], walked
        self.jobs = JobRunner(space)
        self.watcher = InboxWatcher(space, self.jobs, self.told.append)

    @property
    def state(self) -> InboxState:
        return self.watcher.states[0]

    @property
    def said(self) -> str:
        return " ".join(state.sentence for state in self.watcher.states)

    def all(self):
        return [job for job in self.jobs.newest() if job.kind == "inbox"]

    def has(self, n):
        wait_for(lambda: self.space.n_images == n)

    def rests(self):
        """Wait until nothing is under way, and then see that three walks through every inbox find nothing to do."""
        wait_for(lambda: "images that arrive are added" in self.said and not any(job.is_open for job in self.all()))
        before = [(job.number, job.starts) for job in self.all()]
        n = len(self.walked)
        wait_for(lambda: all(self.walked[n:].count(folder) >= 4 for folder in inboxes.inboxes(self.space)))  # one had begun
        assert [(job.number, job.starts) for job in self.all()] == before

    def stop(self):
        self.watcher.stop()
        self.jobs.stop()


@pytest.fixture
def start(space, walked):
    started = []

    def start():
        started.append(Watch(space, walked))
        return started[-1]

    yield start
    for watch in started:
        watch.stop()


def drop(folder, n, first=0):
    folder.mkdir(exist_ok=True)
    for i in range(n):
        photo(first + i).save(folder / f"p{first + i:04d}.png")


def content(folder):
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in sorted(folder.rglob("*")) if path.is_file()}


def test_files_that_arrive_before_and_while_it_is_watched_are_added_once_and_stay_as_they_are(space, box, start, tmp_path):
    drop(box, 5)
    watch = start()
    watch.has(5)
    drop(box, 15, first=5)
    drop(box / "deep", 10, first=20)
    drop(tmp_path / "whole", 10, first=30)
    os.rename(tmp_path / "whole", box / "whole")
    shutil.copy(box / "p0000.png", box / "the same picture.png")
    before = content(box)
    watch.has(40)
    watch.rests()
    assert len(watch.all()) < 20  # batches, not a job for each file
    assert {job.state for job in watch.all()} == {JobState.DONE}
    assert space.catalog.images.count_files() == 41
    assert content(box) == before
    watch.stop()
    drop(box, 1, first=50)
    again = start()
    again.has(41)
    again.rests()
    assert len(set(space.ids.tolist())) == 41
    assert str(box) in space.catalog.images.sources()


def test_a_file_is_read_when_it_is_whole_and_an_empty_one_when_it_has_grown(space, box, start, tmp_path):
    photo(1).save(tmp_path / "whole.png")
    whole = (tmp_path / "whole.png").read_bytes()
    (box / "empty.png").touch()
    watch = start()
    wait_for(lambda: "1 file is empty (0 bytes) and waits until it grows." in watch.said)
    with (box / "slow.png").open("wb") as file:
        for at in range(0, len(whole), len(whole) // 20):
            file.write(whole[at : at + len(whole) // 20])
            file.flush()
            time.sleep(0.03)
    watch.has(1)
    photo(2).save(box / "empty.png")
    watch.has(2)
    watch.rests()
    assert space.catalog.images.rejected() == []


def test_a_broken_file_is_named_and_tried_again_only_when_it_changes(space, box, start):
    (box / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    (box / "list.json").write_text("{}")
    watch = start()
    wait_for(lambda: watch.all() and watch.all()[0].state == JobState.DONE)
    assert "1 file rejected" in watch.all()[0].message
    assert "Rejected: broken.png (" in watch.all()[0].message
    watch.rests()
    photo(3).save(box / "broken.png")
    watch.has(1)
    watch.rests()
    assert [record.path for record in space.catalog.images.rejected()] == [str(box / "list.json")]


def test_a_file_that_may_not_be_read_is_said_and_read_once_it_may(space, box, start, monkeypatch):
    allowed = []
    monkeypatch.setattr("core.intake.arrivals.os.access", lambda *_: bool(allowed))
    drop(box, 1)
    watch = start()
    wait_for(lambda: "The server may not read 1 file or folder: change the permissions, and it is read." in watch.said)
    assert watch.all() == []
    allowed.append(1)
    watch.has(1)


def test_a_file_replaced_while_it_is_read_is_read_again(space, box, start, tmp_path, monkeypatch):
    photo(8).save(tmp_path / "other.png")
    drop(box, 1)
    whole, replaced = examine.read_sound, []

    def read(path):
        found = whole(path)
        if not replaced:
            replaced.append(os.replace(tmp_path / "other.png", path))
        return found

    monkeypatch.setattr(examine, "read_sound", read)
    watch = start()
    watch.has(1)
    watch.rests()
    assert replaced
    assert space.catalog.images.rejected() == []
    assert examine.content_id((box / "p0000.png").read_bytes()) == space.image_id(0)


def test_files_that_vanish_before_or_while_they_are_read_stop_nothing(space, box, start, tmp_path, monkeypatch):
    drop(box, 3)
    whole, gone = examine.read_sound, []

    def read(path):
        if not gone:
            gone.append(path)
            os.rename(path, tmp_path / "away.png")
        return whole(path)

    monkeypatch.setattr(examine, "read_sound", read)
    watch = start()
    watch.has(2)
    watch.rests()
    assert f"{os.path.basename(gone[0])} (it is gone)" in watch.all()[0].message
    os.rename(tmp_path / "away.png", gone[0])
    watch.has(3)
    assert space.catalog.images.rejected() == []
    job = watch.jobs.add("inbox", {"folder": str(box), "names": ["nowhere.png"]}, "ann")
    wait_for(lambda: not watch.jobs.get(job.number).is_open)
    assert watch.jobs.get(job.number).message.startswith("The files have gone from the inbox before they were read")


def test_a_folder_that_vanishes_is_watched_again_once_it_is_back(space, box, start, tmp_path):
    drop(box, 2)
    watch = start()
    watch.has(2)
    os.rename(box, tmp_path / "unmounted")
    wait_for(lambda: "The folder is not there; it is watched again once it is back." in watch.said)
    assert space.n_images == 2
    drop(tmp_path / "unmounted", 2, first=2)
    os.rename(tmp_path / "unmounted", box)
    watch.has(4)
    shutil.rmtree(box)  # another one, as when a disk is mounted: what the system told of the first says nothing of it
    drop(box, 2, first=4)
    watch.has(6)
    watch.rests()
    drop(box, 1, first=6)
    watch.has(7)


def test_walks_find_what_the_system_does_not_tell(space, box, start, monkeypatch, caplog):
    def refuse(*_args, **_options):
        raise OSError(errno.ENOSPC, "inotify watch limit reached")

    monkeypatch.setattr("watchfiles.watch", refuse)
    watch = start()
    drop(box, 2)
    watch.has(2)
    assert "they are looked for now and then" in caplog.text


def test_on_a_full_disk_files_wait_and_are_read_by_the_same_job_when_there_is_room(space, box, start, monkeypatch):
    put, full = space.thumbnails.put_many, [True]

    def refuse(pictures):
        if full[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        return put(pictures)

    monkeypatch.setattr(space.thumbnails, "put_many", refuse)
    drop(box, 3)
    watch = start()
    wait_for(lambda: "failed and is tried again by itself: The disk is full" in watch.said)
    number = watch.all()[0].number
    drop(box, 3, first=3)
    wait_for(lambda: re.search("[3-6] files wait to be read", watch.said))  # a walk counts those of the job, which wait as well
    full[0] = False
    watch.has(6)
    watch.rests()
    assert watch.jobs.get(number).state == JobState.DONE
    assert "failed" not in watch.said


def test_more_free_disk_is_tried_at_once(space, box, start, monkeypatch):
    free, begun, put = [0], threading.Event(), space.thumbnails.put_many

    def refuse(pictures):
        begun.set()
        if not free[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        return put(pictures)

    monkeypatch.setattr(inboxes, "RETRY_SECONDS", 1_000.0)
    monkeypatch.setattr(inboxes._Given, "_free_bytes", lambda _: free[0])
    monkeypatch.setattr(space.thumbnails, "put_many", refuse)
    drop(box, 1)
    watch = start()
    wait_for(lambda: begun.is_set() and "tried again by itself" in watch.said)
    free[0] = inboxes.ROOM
    watch.has(1)


def test_a_catalog_that_cannot_be_written_is_said_and_tried_again(space, box, start, monkeypatch):
    add, full = JobRunner.add, [True]

    def refuse(self, *arguments):
        if full[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        return add(self, *arguments)

    monkeypatch.setattr(JobRunner, "add", refuse)
    drop(box, 2)
    watch = start()
    wait_for(lambda: "The disk is full" in watch.said)
    full[0] = False
    watch.has(2)
    watch.rests()
    assert "full" not in watch.said


def test_a_cancelled_job_is_left_to_people_and_a_file_that_changes_is_read(space, box, start, monkeypatch):
    holds, whole = threading.Event(), examine.read_sound

    def read(path):
        assert holds.wait(60)
        return whole(path)

    monkeypatch.setattr(examine, "read_sound", read)
    drop(box, 2)
    watch = start()
    wait_for(lambda: watch.all() and watch.all()[0].state == JobState.RUNNING)
    [job] = watch.all()
    watch.jobs.cancel(job.number)
    holds.set()
    wait_for(lambda: watch.jobs.get(job.number).state == JobState.CANCELLED)
    n = space.n_images
    watch.rests()
    watch.stop()
    watch = start()  # no restart does what somebody has cancelled
    watch.rests()
    assert (space.n_images, len(watch.all())) == (n, 1)
    photo(77).save(box / "p0000.png")
    wait_for(lambda: len(watch.all()) == 2 and not watch.all()[0].is_open)
    assert space.catalog.images.known_ids([str(box / "p0000.png")])
    watch.jobs.retry(job.number)
    wait_for(lambda: space.catalog.images.count_files() == 2)


def test_a_job_that_ended_the_server_three_times_rests_and_then_goes_on(space, box, start, monkeypatch):
    drop(box, 1)
    number = space.catalog.jobs.add("inbox", {"folder": str(box), "names": ["p0000.png"]}, "inbox")[0].number
    for starts in range(MOST_STARTS):  # and each time the server dies
        if starts:
            space.catalog.jobs.move(number, JobState.QUEUED)
        space.catalog.jobs.move(number, JobState.RUNNING)
    watch = start()
    wait_for(lambda: watch.watcher.states)
    time.sleep(0.5)
    assert watch.jobs.get(number).state == JobState.QUEUED
    assert (space.n_images, len(watch.all())) == (0, 1)
    watch.stop()
    monkeypatch.setattr("core.jobs.runner.REST_SECONDS", 0.05)
    start().has(1)


def test_many_files_at_once_are_read_in_jobs_one_after_the_other(space, box, start, monkeypatch):
    monkeypatch.setattr(inboxes, "MOST", 64)
    monkeypatch.setattr(arrivals, "BLOCK", 50)
    drop(box, 300)
    watch = start()
    open_ = []
    wait_for(lambda: open_.append(sum(job.is_open for job in watch.all())) or space.n_images == 300)
    watch.rests()
    assert max(open_) == 1
    assert all(len(job.arguments["names"]) <= 64 for job in watch.all())
    assert len(watch.all()) <= 12
    assert len(set(space.ids.tolist())) == 300


def test_a_folder_named_or_removed_while_it_runs_is_followed(space, box, start, tmp_path):
    watch = start()
    wait_for(lambda: len(watch.watcher.states) == 1)
    drop(tmp_path / "second", 1, first=200)
    add_inbox(space, tmp_path / "second")
    watch.has(1)
    remove_inbox(space, box)
    wait_for(lambda: [state.folder for state in watch.watcher.states] == [str(tmp_path / "second")])
    drop(box, 1)
    drop(tmp_path / "second", 1, first=201)
    watch.has(2)
    watch.rests()
    assert watch.told[-1] == watch.watcher.states


def test_a_workspace_that_is_only_read_watches_nothing(space, box):
    drop(box, 1)
    with Workspace(space.folder, read_only=True) as read:
        runner = JobRunner(read)
        watcher = InboxWatcher(read, runner, lambda _: None)
        time.sleep(0.3)
        assert (watcher.states, runner.newest()) == ((), [])
        watcher.stop()
        runner.stop()


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (InboxState("/i"), "Watched: images that arrive are added."),
        (InboxState("/i", n_growing=1), "Watched: 1 file is still arriving."),
        (InboxState("/i", n_growing=2, n_ready=1), "Watched: 2 files are still arriving and 1 file waits to be read."),
        (
            InboxState("/i", n_odd=2),
            "Watched: images that arrive are added. 2 files have names that are not valid UTF-8: rename them.",
        ),
        (
            InboxState("/i", is_here=False, problem="It."),
            "The folder is not there; it is watched again once it is back. It.",
        ),
    ],
)
def test_what_is_said_of_an_inbox(state, said):
    assert state.sentence == said
