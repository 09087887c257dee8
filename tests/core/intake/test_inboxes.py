"""When a file of an inbox has arrived whole, what of a folder is looked at, and which folders may be watched."""

import os

import pytest

from core.errors import InputError, ReadOnlyError
from core.images import examine
from core.images.examine import CHANGED, GONE, FileRead, read_file
from core.intake.arrivals import SETTLE_SECONDS, Arrivals, Walk, look_at, may_hold
from core.intake.inboxes import add_inbox, inboxes, remove_inbox
from core.workspace import Workspace
from tests.shared import photo


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def arrivals(clock):
    return Arrivals(clock)


@pytest.fixture
def pass_(clock, arrivals):
    def pass_(seconds=SETTLE_SECONDS):
        clock.now += seconds
        arrivals.settle()

    return pass_


def see(arrivals, file):
    arrivals.see(str(file), look_at(str(file)))


# -- when a file is whole --


def test_a_file_is_ready_once_it_has_not_grown_for_some_seconds(tmp_path, arrivals, pass_):
    file = tmp_path / "a.png"
    for length in range(1, 6):  # written on and on, with pauses shorter than that
        file.write_bytes(b"x" * length)
        see(arrivals, file)
        pass_(0.9 * SETTLE_SECONDS)
        assert not arrivals.ready
        assert arrivals.n_growing == 1
    pass_(0.2 * SETTLE_SECONDS)
    assert list(arrivals.ready) == [str(file)]
    assert arrivals.n_waiting == 0


def test_a_file_that_grew_unseen_is_not_ready(tmp_path, arrivals, pass_):
    file = tmp_path / "a.png"
    file.write_bytes(b"half")
    see(arrivals, file)
    file.write_bytes(b"half and half")  # and no event tells of it
    pass_()
    assert not arrivals.ready
    pass_()
    assert arrivals.ready[str(file)].n_bytes == 13


def test_a_file_written_again_with_the_same_size_is_another(tmp_path, arrivals, pass_):
    file = tmp_path / "a.png"
    file.write_bytes(b"one")
    see(arrivals, file)
    pass_()
    os.utime(file, ns=(1, 1))
    see(arrivals, file)
    assert not arrivals.ready
    pass_()
    assert arrivals.ready[str(file)].mtime_ns == 1


def test_an_empty_file_is_waited_for_until_it_grows(tmp_path, arrivals, pass_):
    file = tmp_path / "a.png"
    file.touch()
    see(arrivals, file)
    for _ in range(5):
        pass_()
        assert (arrivals.empty, arrivals.ready) == ({str(file)}, {})
    file.write_bytes(b"x")
    pass_()
    assert not arrivals.empty
    pass_()
    assert list(arrivals.ready) == [str(file)]


def test_a_file_that_may_not_be_read_waits_for_permission(tmp_path, arrivals, pass_, monkeypatch):
    file = tmp_path / "a.png"
    file.write_bytes(b"x")
    allowed = []
    monkeypatch.setattr("core.intake.arrivals.os.access", lambda *_: bool(allowed))  # tests may run as root
    see(arrivals, file)
    pass_()
    assert arrivals.unreadable == {str(file)}
    allowed.append(1)
    pass_()
    assert (arrivals.unreadable, list(arrivals.ready)) == (set(), [str(file)])


def test_a_file_that_vanishes_is_forgotten_wherever_it_stands(tmp_path, arrivals, pass_):
    files = [tmp_path / name for name in ("ready", "growing", "empty")]
    files[0].write_bytes(b"x")
    see(arrivals, files[0])
    pass_()
    files[1].write_bytes(b"x")
    files[2].touch()
    for file in files[1:]:
        see(arrivals, file)
    for file in files:
        file.unlink()
    see(arrivals, files[0])
    pass_()
    assert (arrivals.ready, arrivals.n_waiting, arrivals.empty) == ({}, 0, set())


# -- what is looked at --


def test_a_walk_sees_regular_files_whose_names_are_final(tmp_path):
    for name in ("a.png", "deep/er/b.JPG", ".c.png", "d.png.part", "e.TMP", ".sync/f.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "link.png").symlink_to(tmp_path / "a.png")
    (tmp_path / "round").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / os.fsdecode(b"\xff.png")).write_bytes(b"x")
    walk = Walk(tmp_path)
    found = {path: state for block in walk for path, state in block.items()}
    assert sorted(found) == [str(tmp_path / "a.png"), str(tmp_path / "deep/er/b.JPG")]
    assert all(may_hold(tmp_path, path) for path in found)
    assert walk.n_odd == 1
    for name in (".c.png", "d.png.part", ".sync/f.png", os.fsdecode(b"\xff.png"), ""):
        assert not may_hold(tmp_path, str(tmp_path / name))


def test_a_walk_of_many_files_comes_in_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr("core.intake.arrivals.BLOCK", 3)
    for i in range(8):
        (tmp_path / f"{i}.png").write_bytes(b"x")
    blocks = list(Walk(tmp_path))
    assert [len(block) for block in blocks] == [3, 3, 2]
    assert len({path for block in blocks for path in block}) == 8


# -- a file that changes under the reader's hands --


def test_a_file_that_changes_while_it_is_read_is_read_again_and_never_half(tmp_path, monkeypatch):
    file, whole = tmp_path / "a.png", examine.read_sound
    photo(1).save(file)
    photo(2).save(tmp_path / "b.png")
    assert read_file(str(file)).reason == ""

    def and_then(does):
        def read(path):
            found = whole(path)
            does()
            return found

        monkeypatch.setattr(examine, "read_sound", read)
        return read_file(str(file))

    def write_on():
        with file.open("ab") as opened:
            opened.write(b"more")

    before = look_at(str(file))
    written = and_then(write_on)
    assert (written.reason, written.id) == (CHANGED, "")
    assert (written.n_bytes, written.mtime_ns) == before  # so that it is another file for the next ingest
    assert and_then(lambda: os.replace(tmp_path / "b.png", file)).reason == CHANGED
    assert and_then(lambda: None).reason == ""
    monkeypatch.setattr(examine, "read_sound", lambda path: os.unlink(path) or whole(path))
    assert read_file(str(file)) == FileRead(str(file), reason=GONE)
    photo(1).save(file)
    gone = and_then(file.unlink)
    assert (gone.reason, gone.n_bytes, gone.mtime_ns) == (GONE, 0, 0)  # it may come back as it was


# -- which folders --


@pytest.fixture
def space(tmp_path):
    with Workspace.create(tmp_path / "w") as space:
        yield space


def test_inboxes_are_kept_and_removed_in_order(space, tmp_path):
    for name in "ab":
        (tmp_path / name).mkdir()
        add_inbox(space, tmp_path / name)
    (tmp_path / "to-a").symlink_to(tmp_path / "a")
    with pytest.raises(InputError, match="is watched already"):
        add_inbox(space, tmp_path / "to-a")
    with Workspace(space.folder, read_only=True) as read:
        assert inboxes(read) == [tmp_path / "a", tmp_path / "b"]
        with pytest.raises(ReadOnlyError):
            add_inbox(read, tmp_path)
    os.rmdir(tmp_path / "b")  # one that is gone can be removed, too
    assert remove_inbox(space, tmp_path / "b") == tmp_path / "b"
    with pytest.raises(InputError, match=r"b is not watched; watched folders: .*/a\."):
        remove_inbox(space, tmp_path / "b")
    remove_inbox(space, tmp_path / "to-a")
    assert inboxes(space) == []


def test_folders_that_cannot_be_inboxes_are_refused_in_a_sentence(space, tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (space.folder / "uploads").mkdir()
    (space.folder / "inbox").mkdir()
    for folder, said in (
        (tmp_path / "nowhere", "There is no folder .*nowhere; make it"),
        (tmp_path, "The workspace is in"),
        (space.folder, "The workspace is in"),
        (space.folder / "uploads", "one of the workspace's own folders"),
    ):
        with pytest.raises(InputError, match=said):
            add_inbox(space, folder)
    add_inbox(space, space.folder / "inbox")
    add_inbox(space, tmp_path / "a")
    with pytest.raises(InputError, match="one inside the other"):
        add_inbox(space, tmp_path / "a" / "b")
