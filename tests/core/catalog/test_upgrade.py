"""Tables of any version become today's, whole or not at all; newer ones are refused; reading changes nothing."""

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from core.catalog import upgrade as module
from core.catalog.catalog import Catalog
from core.catalog.migrations import entities
from core.catalog.records import ImageClass
from core.catalog.schema import METADATA, VERSION
from core.errors import DamageError, WorkspaceError

DRAW = {
    "check_set": 2,
    "after": 0.25,
    "until": 0.5,
    "probe": 1,
    "encoder": "e",
    "n_asked": 3,
    "n_frame": 9,
    "rows": [4, 7],
    "analyst": "ann",
    "at": "2026-01-01",
}
FIRST = {  # what version 1 kept of entities
    "schema": 1,
    "name": "n",
    "salt": "s",
    "check_set": {"number": 2, "after": 0.25, "size": 120},
    "in_force": {"name": "p", "analyst": "ann", "at": "2026-01-01"},
    "focus": [DRAW, DRAW | {"at": "2026-01-02"}],
    "sources": ["/b", "/a"],
    "copies": {"e": 10},
    "gone_classes": [{"name": "old", "colour": "#ffffff", "key": "9", "flagged": True}],
    "clusters": {"file": "clusters/x.npy", "projection": 3, "names": {"fine": ["a"]}, "next": {"fine": 2}},
    "notices": {"singles": [5], "read": True},
    "guide_dismissed_by": ["bob"],
    "limits": {"ann": {"clear_budget": 5, "break_minutes": 7}, "bob": {"clear_budget": 1, "break_minutes": 0}},
}


def to_version(engine, version):
    config = Config()
    config.set_main_option("script_location", str(module.MIGRATIONS))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, version)


@pytest.fixture
def first(engine):
    """A database as version 1 left it: without a version, and with settings."""
    to_version(engine, "0001")
    settings = METADATA.tables["settings"]
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE alembic_version")
        connection.execute(sa.insert(settings), [{"key": key, "value": value} for key, value in FIRST.items()])
    return engine


def differences(engine):
    with engine.connect() as connection:
        return compare_metadata(MigrationContext.configure(connection), METADATA)


def test_the_newest_migration_is_the_version_that_this_program_has():
    assert ScriptDirectory(str(module.MIGRATIONS)).get_heads() == [VERSION]


def test_tables_made_now_and_tables_upgraded_are_the_same(engine, first):
    Catalog(first, where="x")
    assert differences(first) == []


def test_a_new_database_has_the_tables_and_the_version(engine):
    Catalog(engine, where="x")
    assert differences(engine) == []
    with engine.connect() as connection:
        assert module.version_of(connection) == VERSION


def test_entities_move_out_of_the_settings_once(first):
    for _ in range(2):
        catalog = Catalog(first, where="x")
    assert catalog.settings.get("name") == "n"
    assert all(catalog.settings.get(key) is None for key in FIRST.keys() - {"name", "salt"})
    assert catalog.evidence.check_set() == {
        "number": 2,
        "after": 0.25,
        "size": 120,
        "recall": 0.9,
        "confidence": 0.95,
        "live": False,
        "started_by": "",
        "started_at": "",
    }
    assert catalog.evidence.in_force() == FIRST["in_force"]
    assert catalog.evidence.focus_draws() == FIRST["focus"]
    assert catalog.images.sources() == ["/b", "/a"]
    assert catalog.images.searched_for_copies() == {"e": 10}
    assert catalog.labels.gone_classes() == [ImageClass("old", "#ffffff", "9", flagged=True)]
    clusters = catalog.models.clusters()
    assert (clusters["file"], clusters["projection"]) == ("clusters/x.npy", 3)
    assert clusters["record"] == {"names": {"fine": ["a"]}, "next": {"fine": 2}}
    assert catalog.models.notices() == FIRST["notices"]
    assert [catalog.people.wants_no_guide(name) for name in ("ann", "bob", "eve")] == [False, True, False]
    assert catalog.people.limits("ann") == {"clear_budget": 5, "break_minutes": 7}
    assert catalog.people.limits("eve") == {}


def test_openings_and_points_of_version_2_are_about_all_flagged_classes_by_the_probe(engine):
    to_version(engine, "0002")
    with engine.begin() as connection:
        for statement in (
            "INSERT INTO probes VALUES (1, 'e', 0, '{}', '', '2026')",
            "INSERT INTO reveals VALUES (1, 1, 2, 'k', 1, 'ann', '2026', '{\"n\": 3}')",
            "INSERT INTO operating_points VALUES ('p', 1, 0.5, 'ann', '2026')",
            "INSERT INTO points_in_force VALUES (1, 'p', 'eve', '2026')",
        ):
            connection.exec_driver_sql(statement)
    catalog = Catalog(engine, where="x")
    (opening,), (point,) = catalog.evidence.openings(), catalog.evidence.points()
    assert (opening["look"], opening["record"]) == (2, {"n": 3})
    assert [opening[name] for name in ("policy", "scorer", "family", "share")] == ["", "probe", [["", "probe"]], 1.0]
    assert (point["policy"], point["scorer"]) == ("", "probe")
    assert catalog.evidence.in_force()["name"] == "p"
    assert catalog.labels.policies() == []


def test_a_newer_version_is_refused_in_a_sentence(engine):
    Catalog(engine, where="x")
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(WorkspaceError, match=r"written by a newer Lassoscope .*version 9999.*update Lassoscope"):
        Catalog(engine, where="x")


def test_an_upgrade_that_fails_changes_nothing(tmp_path, monkeypatch):
    path = tmp_path / "catalog.sqlite"
    older(path)
    before = dump(path)
    monkeypatch.setattr(entities, "MOVES", [*entities.MOVES, ("sources", lambda kept: 1 / 0, {"limits"})])
    with pytest.raises(ZeroDivisionError):
        Catalog.of_file(path)
    assert dump(path) == before
    monkeypatch.undo()
    Catalog.of_file(path).close()
    assert dump(path) != before


def test_reading_an_older_catalog_shows_it_upgraded_and_writes_nothing(tmp_path):
    path = tmp_path / "catalog.sqlite"
    older(path)
    content = path.read_bytes()
    catalog = Catalog.of_file(path, read_only=True)
    assert catalog.evidence.in_force() == FIRST["in_force"]
    assert catalog.labels.gone_classes()[0].name == "old"
    catalog.close()
    assert path.read_bytes() == content
    assert [file.name for file in tmp_path.iterdir()] == ["catalog.sqlite"]


@pytest.mark.parametrize(("key", "value"), [("check_set", [1]), ("focus", {"a": 1}), ("limits", {"ann": 3}), ("copies", 7)])
def test_an_older_catalog_that_holds_what_it_cannot_is_damaged(tmp_path, key, value):
    path = tmp_path / "catalog.sqlite"
    older(path, {key: value})
    with pytest.raises(DamageError, match="is damaged"):
        Catalog.of_file(path)


def older(path, settings=()):
    engine = sa.create_engine(f"sqlite:///{path}")
    to_version(engine, "0001")
    values = [{"key": key, "value": value} for key, value in (FIRST | dict(settings)).items()]
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE alembic_version")
        connection.execute(sa.insert(METADATA.tables["settings"]), values)
    engine.dispose()


def dump(path):
    engine = sa.create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        found = "\n".join(connection.connection.driver_connection.iterdump())
    engine.dispose()
    return found
