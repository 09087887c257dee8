"""Troubles of the machine are one sentence; bugs are not."""

import errno
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

from core.errors import DamageError, InputError, WorkspaceError
from core.store.troubles import OS_SENTENCES, sentence_of, translated

ROOT = Path(__file__).resolve().parents[3]


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


def test_a_link_that_leads_back_to_itself_is_said(tmp_path):
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
        (sqlite3.OperationalError("attempt to write a readonly database"), WorkspaceError, "may not be written"),
        (sqlite3.OperationalError("database or disk is full"), WorkspaceError, "disk is full"),
        (sqlite3.OperationalError("unable to open database file"), WorkspaceError, "cannot be opened"),
    ],
)
def test_databases_say_what_is_wrong_with_them(error, kind, said):
    with pytest.raises(kind, match=said), translated("/w/catalog.sqlite"):
        raise error


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root to fill a disk of its own")
def test_a_full_disk_is_said_and_labels_can_still_be_taken_out(small, tmp_path):
    script = f"""
set -e
mount -t tmpfs -o size=3m tmpfs {tmp_path}/disk
cp -r {small} {tmp_path}/disk/w
head -c 9000000 /dev/zero > {tmp_path}/disk/filler 2> /dev/null || true
cd {ROOT}
{sys.executable} - <<'END'
from typer.testing import CliRunner
from dashboard.cli import app
export = ["labels", "export"]
for words in (["guideline", "--set", "v9"], [*export, "{tmp_path}/l.csv"], [*export, "{tmp_path}/disk/l.csv"]):
    result = CliRunner().invoke(app, [*words, "-w", "{tmp_path}/disk/w"])
    print(result.exit_code, result.output.strip())
    assert isinstance(result.exception, SystemExit | None), result.exception
END
ls -A {tmp_path}/disk
"""
    (tmp_path / "disk").mkdir()
    done = subprocess.run(["unshare", "-m", "bash", "-c", script], capture_output=True, text=True)
    if "unshare" in done.stderr or "mount" in done.stderr:
        pytest.skip("mounting is not allowed here")
    first, second, third, *left = done.stdout.splitlines()
    assert first.startswith("1 lassoscope: The disk is full"), done.stderr
    assert second == f"0 48 labels written to {tmp_path}/l.csv."
    assert third.startswith("1 lassoscope: The disk is full")
    assert left == ["filler", "w"]
