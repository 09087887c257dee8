"""Snapshots: what is opened from them equals what the catalog says, and one that does not fit is passed over."""

import numpy as np
import pytest

from core.catalog import images, snapshots
from core.catalog.criterion import NO_CRITERION
from core.catalog.images import Images
from core.catalog.labels import Labels
from core.catalog.records import ImageRecord
from core.labels.actions import history, label, read_together, undo
from core.labels.classes import parse_classes, set_classes
from core.workspace import Workspace

N = 40


@pytest.fixture(autouse=True)
def always(monkeypatch):
    monkeypatch.setattr(snapshots, "WORTH_KEEPING", 1)


@pytest.fixture
def folder(tmp_path):
    with Workspace.create(tmp_path / "w", salt="s") as space:
        add(space, 0, N)
        space.reload()
        label(space, np.arange(5), "neutral", analyst="ann")
        label(space, np.array([3]), "explicit", analyst="bob")
        label(space, np.array([4]), None, analyst="bob", source="unsure")
        check = np.flatnonzero(space.is_check)[:4]
        read_together(space, {"neutral": check[:2], "explicit": check[2:]}, analyst="cem", criterion=NO_CRITERION)
        undo(space, 2, analyst="bob")
    return tmp_path / "w"


def add(space, start, stop):
    images = [
        ImageRecord(f"{i:032x}", f"/d/{i}.png", 9, 9, 9, "PNG", "0" * 64, f"{i - i % 2:032x}") for i in range(start, stop)
    ]
    space.catalog.images.add_batch(images, [], [])


def seen(space):
    book = space.book
    return {
        "ids": space.ids.tolist(),
        "halves": space.is_check.tolist(),
        "order": space.check_order.tolist(),
        "groups": space.groups.tolist(),
        "codes": space.labels.codes.tolist(),
        "givers": space.labels.actions.tolist(),
        "by_class": space.labels.by_class,
        "version": space.labels.version,
        "evidence": space.evidence().tolist(),
        "unsure": book.is_unsure().tolist(),
        "labelled_on": book.labelled_on(),
        "newest": [book.newest_active(who) for who in (None, "ann", "bob", "cem")],
        "decided": book.decided_by(np.arange(space.n_images)).tolist(),
        "together": [book.together(action.seq) for action, _ in history(space)],
        "history": [(action.seq, action.kind, action.rows.tolist(), stands) for action, stands in history(space)],
    }


def opened(folder):
    with Workspace(folder) as space:
        return seen(space)


def from_catalog(folder, monkeypatch):
    """Open it as if there were no snapshots."""
    with monkeypatch.context() as without:
        without.setattr(snapshots, "_read", lambda path, wanted: None)
        without.setattr(snapshots, "_write", lambda path, arrays, stamp: None)
        return opened(folder)


def is_read(folder, monkeypatch, name):
    """Tell whether an opening takes what it needs from a snapshot."""
    topic = {"images": Images, "labels": Labels}[name]
    columns, from_start = topic.columns, []

    def watching(self, **told):
        from_start.append(told.get("after", 0) == 0)
        return columns(self, **told)

    with monkeypatch.context() as watched:
        watched.setattr(topic, "columns", watching)
        opened(folder)
    return not any(from_start)


def test_an_opening_from_snapshots_equals_one_from_the_catalog(folder, monkeypatch):
    opened(folder)  # writes them
    assert is_read(folder, monkeypatch, "images")
    assert is_read(folder, monkeypatch, "labels")
    assert opened(folder) == from_catalog(folder, monkeypatch)


def test_labels_given_after_the_snapshot_are_folded_onto_it(folder, monkeypatch):
    opened(folder)
    with Workspace(folder) as space:
        monkeypatch.setattr(snapshots, "WORTH_KEEPING", 1_000)  # this one writes none, as if it were killed
        undo(space, analyst="cem")
        label(space, np.array([4, 7]), "explicit", analyst="ann")
        undo(space, 1, analyst="ann")
    assert is_read(folder, monkeypatch, "labels")
    assert opened(folder) == from_catalog(folder, monkeypatch)


def test_new_images_and_joined_groups_make_another_snapshot(folder, monkeypatch):
    opened(folder)
    with Workspace(folder) as space:
        add(space, N, N + 10)
    assert is_read(folder, monkeypatch, "images")  # of those before; the others are added
    assert is_read(folder, monkeypatch, "labels")  # there are more images now, and the labels stay
    assert opened(folder) == from_catalog(folder, monkeypatch)
    with Workspace(folder) as space:
        space.catalog.images.join_groups({9: 2, 8: 2}, {2: True}, copies={})
    assert not is_read(folder, monkeypatch, "images")
    found = opened(folder)
    assert found == from_catalog(folder, monkeypatch)
    assert found["groups"][9] == 2


def test_another_class_list_is_taken_into_the_labels_of_the_snapshot(folder, monkeypatch):
    opened(folder)
    with Workspace(folder) as space:
        set_classes(space, parse_classes("spam,explicit*,neutral"))
        assert seen(space)["by_class"][0] == 0
    assert is_read(folder, monkeypatch, "labels")
    assert opened(folder) == from_catalog(folder, monkeypatch)


@pytest.mark.parametrize("name", ["images", "labels"])
@pytest.mark.parametrize("harm", ["empty", "torn", "flipped", "no archive", "other arrays", "other history"])
def test_a_snapshot_that_does_not_fit_is_ignored_and_rewritten(folder, monkeypatch, name, harm):
    whole = opened(folder)
    path = folder / "snapshots" / f"{name}.npz"
    content = path.read_bytes()
    if harm == "empty":
        path.write_bytes(b"")
    elif harm == "torn":
        path.write_bytes(content[: len(content) // 2])
    elif harm == "flipped":
        place = content.index(b"NUMPY") + 200
        path.write_bytes(content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :])
    elif harm == "no archive":
        path.write_bytes(b"<html>" * 100)
    elif harm == "other arrays":
        with np.load(path) as file:
            arrays = {key: file[key] for key in file.files}
        np.savez(path, stamp=arrays["stamp"])
    else:  # of another workspace
        with Workspace.create(folder.parent / "other", salt="t") as other:
            add(other, 0, N)
            other.reload()
            label(other, np.array([1]), "explicit", analyst="eve")
            for _ in range(6):
                label(other, np.array([2]), "explicit", analyst="eve")
        path.write_bytes((folder.parent / "other" / "snapshots" / f"{name}.npz").read_bytes())
    assert not is_read(folder, monkeypatch, name)
    assert opened(folder) == whole
    assert is_read(folder, monkeypatch, name)


def test_a_restored_older_catalog_goes_before_newer_snapshots(folder, monkeypatch):
    opened(folder)
    before = (folder / "catalog.sqlite").read_bytes()
    whole = opened(folder)
    with Workspace(folder) as space:
        add(space, N, N + 10)
        space.reload()
        label(space, np.arange(10), "explicit", analyst="ann")
    (folder / "catalog.sqlite").write_bytes(before)
    assert opened(folder) == whole


def test_a_restored_older_catalog_that_got_other_images_goes_before_a_snapshot(folder, monkeypatch):
    monkeypatch.setattr(images, "now", lambda: "2026-11-01T10:00:00+00:00")
    opened(folder)
    before, write = (folder / "catalog.sqlite").read_bytes(), snapshots._write
    with Workspace(folder) as space:
        add(space, N, N + 10)
    opened(folder)  # keeps a snapshot of these
    (folder / "catalog.sqlite").write_bytes(before)
    monkeypatch.setattr(snapshots, "_write", lambda *_: None)
    monkeypatch.setattr(images, "now", lambda: "2026-11-02T10:00:00+00:00")
    with Workspace(folder) as space:
        add(space, N + 5, N + 25)
    monkeypatch.setattr(snapshots, "_write", write)
    assert not is_read(folder, monkeypatch, "images")
    assert opened(folder) == from_catalog(folder, monkeypatch)


def test_a_search_for_copies_that_finds_none_leaves_the_snapshot_good(folder, monkeypatch):
    opened(folder)
    with Workspace(folder) as space:
        space.catalog.images.join_groups({}, {}, copies={"e": N})
    assert is_read(folder, monkeypatch, "images")


def test_a_snapshot_of_few_of_the_images_is_passed_over(folder, monkeypatch):
    opened(folder)
    monkeypatch.setattr(snapshots, "WORTH_KEEPING", 1_000)
    with Workspace(folder) as space:
        add(space, N, 2 * N)
    assert not is_read(folder, monkeypatch, "images")
    assert opened(folder) == from_catalog(folder, monkeypatch)


def test_a_snapshot_is_kept_anew_once_many_images_have_come(folder, monkeypatch):
    monkeypatch.setattr(snapshots, "WORTH_KEEPING", 10)
    path, stamps = folder / "snapshots" / "images.npz", []
    for first in (N, N + 4, N + 8):
        with Workspace(folder) as space:
            add(space, first, first + 4)
        opened(folder)
        stamps.append(len(np.load(path)["ids"]))
    assert stamps == [N, N, N + 12]


def test_reading_writes_no_snapshot(folder):
    for file in (folder / "snapshots").iterdir():
        file.unlink()
    with Workspace(folder, read_only=True) as space:
        assert space.labels.n_labelled
    assert not list((folder / "snapshots").iterdir())


def test_a_snapshot_that_cannot_be_written_is_reported_and_nothing_else_fails(folder, caplog):
    for file in (folder / "snapshots").iterdir():
        file.unlink()
    (folder / "snapshots").rmdir()
    (folder / "snapshots").write_text("in the way")
    with Workspace(folder) as space:
        assert space.n_images == N
    assert "the next opening takes longer" in caplog.text
