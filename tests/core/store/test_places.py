"""A workspace is its folder, whatever that is called, and can be read where nothing can be written."""

import hashlib
import os
import shutil
import sqlite3
import threading
from pathlib import Path

import numpy as np
import pytest

from core.caches import provide_caches
from core.catalog.creation import state_of
from core.catalog.schema import METADATA, VERSION
from core.encoders.chosen import use_encoder
from core.encoders.embed import embed
from core.errors import InputError, ReadOnlyError, WorkspaceError
from core.intake.ingest import ingest
from core.labels.actions import history, label, undo
from core.labels.class_edits import set_guideline
from core.labels.classes import set_classes
from core.labels.exchange import export_labels
from core.map.project import project
from core.probe.live import refit
from core.store import sqlite as database
from core.store.files import atomic_path
from core.workspace import Workspace

NAMES = (
    *(
        "100%",
        "%20",
        "%3F",
        "a?b",
        "a?mode=ro",
        "x#y",
        "with spaces ",
        "quo'te\"s",
        "new\nline",
        "-dash",
        "über",
        "日本",
        "a&b=c",
    ),
    *("back\\slash", "semi;colon", ":memory:", "file:x", "~", "$HOME", "[glob]*", "é" * 100),
)


def seen(folder: Path) -> dict[str, tuple[int, str]]:
    """Return what a folder holds: path -> time of change and content."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(f.relative_to(folder)): (f.stat().st_mtime_ns, hashlib.sha256(f.read_bytes()).hexdigest()) for f in files}


@pytest.fixture
def read_only(small, monkeypatch):
    """The small workspace on a place where nothing can be written; root may write anywhere, so the question is answered."""
    monkeypatch.setattr(database.os, "access", lambda path, mode: not mode & os.W_OK)
    return small


@pytest.mark.parametrize("name", NAMES)
def test_a_folder_with_any_name_is_that_folder_and_no_other(tmp_path, name):
    with Workspace.create(tmp_path / name) as space:
        set_guideline(space, "v7")
    with Workspace(tmp_path / name, read_only=True) as space:
        assert space.guideline == "v7"
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert {path.name for path in (tmp_path / name).iterdir()} <= {"catalog.sqlite", "thumbnails.sqlite", "workspace.lock"}


def test_links_and_roundabout_paths_lead_to_the_folder(tmp_path, monkeypatch):
    (tmp_path / "link").symlink_to(tmp_path / "w")
    (tmp_path / "w").mkdir()
    monkeypatch.chdir(tmp_path / "w")
    for path in (Path("../link"), Path("."), Path("../w/../link/")):
        with Workspace.create(path) as space:
            set_guideline(space, str(path))
        with Workspace(tmp_path / "w", read_only=True) as space:
            assert space.guideline == str(path)


def test_reading_changes_no_file_and_adds_none(small, tmp_path):
    before = seen(small)
    with Workspace(small, read_only=True) as space:
        export_labels(space, tmp_path / "l.csv")
        refit(space, save=False)
        assert space.thumbnails.count() == space.n_images
        with pytest.raises(ReadOnlyError, match="read-only here"):
            label(space, np.array([0]), "neutral", analyst="a")
    assert seen(small) == before


def test_a_read_only_place_is_read_served_for_viewing_and_refuses_work_in_a_sentence(read_only, tmp_path):
    before = seen(read_only)
    with Workspace.open(read_only) as space:
        assert not space.writable
        assert "read-only here" in space.notes()[0]
        assert space.labels.n_labelled == space.n_images
        assert refit(space).version == 1  # the kept one
        assert space.thumbnail(space.image_id(0), "clear")
        for work in (
            lambda: label(space, np.array([0]), "neutral", analyst="a"),
            lambda: undo(space, 1, analyst="a"),
            lambda: set_guideline(space, "v2"),
            lambda: embed(space),
            lambda: project(space),
            lambda: ingest(space, tmp_path),
            lambda: set_classes(space, space.classes),
            lambda: use_encoder(space, "made"),
        ):
            with pytest.raises(ReadOnlyError, match="read-only here"):
                work()
    with pytest.raises(ReadOnlyError, match="read-only here"):
        Workspace(read_only)
    assert seen(read_only) == before


def test_a_killed_writers_log_is_read_on_a_read_only_place_too(small, tmp_path, monkeypatch):
    with Workspace(small) as space:
        label(space, np.array([0]), "copyright", analyst="late")
        copy = shutil.copytree(small, tmp_path / "copy", ignore=shutil.ignore_patterns("*-shm", "*.lock"))
    assert database.has_log(copy / "catalog.sqlite")
    monkeypatch.setattr(database.os, "access", lambda path, mode: not mode & os.W_OK)
    monkeypatch.setattr(database, "_uri", _no_index(database._uri))
    before = seen(copy)
    with Workspace(copy, read_only=True) as space:
        assert space.labelled_by(0) == "late"
    assert seen(copy) == before


def _no_index(uri):
    def without(path, mode, *more):  # as SQLite answers where it cannot make the log's index
        if mode == "ro" and not more and path.name == "catalog.sqlite":
            return uri(path.parent / "no-such-file", mode)
        return uri(path, mode, *more)

    return without


def test_an_older_workspace_that_may_not_be_written_lacks_nothing_but_content(read_only):
    connection = sqlite3.connect(read_only / "catalog.sqlite")
    newer = {"second_readings", "operating_points", "text_figures", "image_words", "exposures"}
    for table in newer:
        connection.execute(f"DROP TABLE {table}")
    connection.commit()
    connection.execute("PRAGMA journal_mode=DELETE")
    connection.close()
    with Workspace(read_only, read_only=True) as space:
        evidence = space.catalog.evidence
        assert evidence.points() == evidence.second_readings() == space.catalog.people.exposures() == []
        assert space.catalog.images.words() == {}
        assert np.isnan(space.text).all()
        assert space.labels.n_labelled == space.n_images
    assert newer <= set(METADATA.tables)


def test_reading_goes_on_while_another_writes(small):
    with Workspace(small) as space:

        def label_some():
            for row in range(20):
                label(space, np.array([row]), "copyright", analyst="w")

        writer = threading.Thread(target=label_some)
        writer.start()
        counts = []
        for _ in range(5):
            with Workspace(small, read_only=True) as other:
                counts.append(len(history(other)))
        writer.join()
        assert counts == sorted(counts)
        with Workspace(small, read_only=True) as other:
            assert len(history(other)) == len(history(space))


def test_two_that_create_one_workspace_make_one(tmp_path):
    with Workspace.create(tmp_path / "w", salt="first"), pytest.raises(WorkspaceError, match="Another process"):
        Workspace.create(tmp_path / "w", salt="second")
    with Workspace(tmp_path / "w", read_only=True) as space:
        assert space.catalog.settings.get("salt") == "first"


def test_a_path_too_long_for_a_database_is_reported(tmp_path):
    deep = tmp_path.joinpath(*["x" * 100] * 6)
    with pytest.raises(InputError, match="too long"):
        Workspace.create(deep)


def test_a_failed_opening_keeps_no_lock(small):
    connection = sqlite3.connect(small / "catalog.sqlite")
    connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.commit()
    with pytest.raises(WorkspaceError, match="version 9999"):
        Workspace(small)
    connection.execute(f"UPDATE alembic_version SET version_num = '{VERSION}'")
    connection.commit()
    connection.close()
    Workspace(small).close()
    assert state_of(small) == "complete"


def test_a_file_is_never_written_over_a_folder_or_a_device_and_a_link_is_followed(tmp_path):
    (tmp_path / "target").write_text("old")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    for path in (tmp_path, Path("/dev/null")):
        with pytest.raises(InputError, match=r"path of a file|another path"), atomic_path(path) as aside:
            aside.write_text("x")
    with atomic_path(tmp_path / "link") as aside:
        aside.write_text("new")
    with atomic_path(tmp_path / ("n" * 250)) as aside:
        aside.write_text("long")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_text() == "new"
    assert not Path("/dev/null").is_file()


def test_caches_go_to_a_private_folder_where_there_is_no_home(tmp_path, monkeypatch):
    monkeypatch.setattr("core.caches.tempfile.gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr("core.caches._packages", lambda: tmp_path / "file" / "x")
    (tmp_path / "file").touch()
    environment = {"XDG_CACHE_HOME": str(tmp_path / "home" / ".cache")}
    provide_caches(environment)
    assert list(environment) == ["XDG_CACHE_HOME"]  # it can be made there
    environment = {"XDG_CACHE_HOME": str(tmp_path / "file" / ".cache")}
    provide_caches(environment)
    place = Path(environment["NUMBA_CACHE_DIR"]).parent
    assert place.parent == tmp_path
    assert place.stat().st_mode & 0o077 == 0
