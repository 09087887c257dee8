"""Troubles of the machine are one sentence; bugs are not."""

import errno
import os
import sqlite3

import pytest
import sqlalchemy as sa

from core.errors import DamageError, InputError, WorkspaceError
from core.store.troubles import OS_SENTENCES, sentence_of, translated


@pytest.mark.parametrize("number", sorted({*OS_SENTENCES, errno.EXDEV, errno.EBUSY}))
def test_every_os_error_is_a_sentence_with_the_name_and_what_to_do(number):
    said = sentence_of(OSError(number, os.strerror(number), "/a/b"))
    assert said.endswith(".")
    assert ";" in said
    assert "/a/b" in said or "{name}" not in OS_SENTENCES.get(number, "{name}")


def test_what_libraries_say_of_a_full_disk_is_understood():
    for error in (
        OSError("1000 requested and 512 written"),  # numpy
        RuntimeError("I/O error: No space left on device (os error 28)"),  # safetensors
        OSError(errno.ENOSPC, "No space left on device"),
    ):
        assert "disk is full" in sentence_of(error)


def test_a_link_that_leads_back_to_itself_is_reported(tmp_path):
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises((OSError, RuntimeError)) as caught:
        (tmp_path / "loop").resolve(strict=True)
    assert "leads back to itself" in sentence_of(caught.value)


def test_our_errors_speak_for_themselves_and_bugs_are_none():
    assert sentence_of(InputError("what to do")) == "what to do"
    for bug in (ValueError("x"), KeyError("x"), sa.exc.ArgumentError("x"), sqlite3.ProgrammingError("x")):
        assert sentence_of(bug) is None


def test_a_constraint_that_is_broken_stays_a_bug():
    engine = sa.create_engine("sqlite://")
    with engine.connect() as connection:
        connection.exec_driver_sql("CREATE TABLE t (a INTEGER PRIMARY KEY)")
        connection.exec_driver_sql("INSERT INTO t VALUES (1)")
        with pytest.raises(sa.exc.IntegrityError), translated("x"):
            connection.exec_driver_sql("INSERT INTO t VALUES (1)")
    engine.dispose()


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (sqlite3.DatabaseError("database disk image is malformed"), DamageError, "doctor --repair"),
        (sqlite3.DatabaseError("file is not a database"), DamageError, "restore a copy"),
        (sqlite3.OperationalError("database is locked"), WorkspaceError, "try again"),
        (sqlite3.OperationalError("attempt to write a readonly database"), WorkspaceError, "cannot be written"),
        (sqlite3.OperationalError("database or disk is full"), WorkspaceError, "disk is full"),
        (sqlite3.OperationalError("unable to open database file"), WorkspaceError, "cannot be opened"),
    ],
)
def test_databases_say_what_is_wrong_with_them(error, kind, said):
    with pytest.raises(kind, match=said), translated("/w/catalog.sqlite"):
        raise error
