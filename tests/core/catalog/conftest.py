"""Databases of both kinds, empty for each test: an SQLite file, and a PostgreSQL database where that is installed."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

import pytest
import sqlalchemy as sa

from core.catalog.catalog import Catalog
from core.catalog.class_names import DEFAULT_CLASSES


def as_postgres(*command):
    """Run a program of PostgreSQL; as root it would refuse to."""
    user = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.getuid() == 0 else {}
    subprocess.run(command, check=True, capture_output=True, cwd="/", **user)


@pytest.fixture(scope="session")
def postgres():
    """A PostgreSQL server of its own, on a socket in a folder that goes with it; returns a URL without a database."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not programs:
        assert os.environ.get("CI_NEEDS_POSTGRES") != "1", "install postgresql"
        pytest.skip("PostgreSQL is not installed")
    folder = Path(tempfile.mkdtemp(prefix="lassoscope-pg-", dir=os.environ.get("PYTEST_DEBUG_TEMPROOT", "/tmp")))
    if os.getuid() == 0:
        os.chown(folder, pwd.getpwnam("postgres").pw_uid, -1)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    data, initdb, pg_ctl = str(folder / "data"), str(programs[-1] / "initdb"), str(programs[-1] / "pg_ctl")
    options = f"-k {folder} -p {port} -c listen_addresses= -c fsync=off"
    as_postgres(initdb, "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
    as_postgres(pg_ctl, "-D", data, "-o", options, "-l", str(folder / "log"), "-w", "start")
    try:
        yield sa.URL.create("postgresql+psycopg", "postgres", host=str(folder), port=port, database="postgres")
    finally:
        as_postgres(pg_ctl, "-D", data, "-m", "immediate", "stop")
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request, tmp_path):
    """An empty database."""
    if request.param == "sqlite":
        engine = sa.create_engine(f"sqlite:///{tmp_path / 'catalog.sqlite'}")
        yield engine
    else:
        server = request.getfixturevalue("postgres")
        engine = sa.create_engine(server)
        with engine.begin() as connection:  # a database for each test would take a third of a second
            connection.exec_driver_sql("DROP SCHEMA public CASCADE")
            connection.exec_driver_sql("CREATE SCHEMA public")
        yield engine
    engine.dispose()


@pytest.fixture
def catalog(engine):
    catalog = Catalog(engine, where="the database")
    catalog.initialise({"salt": "s"}, DEFAULT_CLASSES)
    yield catalog
    catalog.close()
