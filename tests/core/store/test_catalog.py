"""The catalog alone: rows in order, one verdict per path, actions append-only and whole."""

import numpy as np
import pytest
import sqlalchemy as sa

from core.errors import WorkspaceError
from core.store.catalog import ActionDraft, Catalog, ImageRecord, PathRecord, Rejected
from core.store.class_names import DEFAULT_CLASSES


@pytest.fixture()
def catalog(tmp_path):
    catalog = Catalog.in_folder(tmp_path)
    catalog.initialise({"salt": "s"}, DEFAULT_CLASSES)
    yield catalog
    catalog.close()


def image(name, group=None, **gold):
    return ImageRecord(name * 32, f"/x/{name}.png", 4, 3, 9, "PNG", "00", (group or name) * 32, gold)


def path(name, image_name):
    return PathRecord(f"/x/{name}.png", image_name * 32, 9, 1)


def test_rows_go_on_where_they_stopped_and_groups_share_a_half(catalog):
    catalog.add_batch([image("a"), image("b", "a")], [path("a", "a"), path("b", "b")], [])
    catalog.add_batch([image("c", label="x")], [path("c", "c"), path("c2", "c")], [Rejected("/x/bad", "empty", 0, 1)])
    columns = catalog.image_columns()
    assert [i.decode()[0] for i in columns.ids] == ["a", "b", "c"]
    assert columns.is_check[0] == columns.is_check[1]
    assert catalog.n_images() == 3
    assert catalog.n_paths() == 4
    assert catalog.gold_columns() == ["label"]
    rows, values = catalog.gold("label")
    assert rows.tolist() == [2]
    assert values == ["x"]
    assert catalog.known_hashes()[1] == ("b" * 32, "00", "a" * 32)
    assert catalog.rows_by_name()["/x/c2.png"] == 2
    assert catalog.known_paths()["/x/bad"] == (0, 1)


def test_a_file_that_was_repaired_is_no_longer_rejected(catalog):
    catalog.add_batch([], [], [Rejected("/x/a.png", "truncated", 5, 1)])
    catalog.add_batch([image("a")], [path("a", "a")], [])
    assert catalog.rejected() == []
    assert catalog.n_images() == 1


def test_a_batch_is_all_or_nothing(catalog):
    catalog.add_batch([image("a")], [path("a", "a")], [])
    with pytest.raises(sa.exc.IntegrityError):
        catalog.add_batch([image("b"), image("a")], [path("b", "b")], [])
    assert catalog.n_images() == 1
    assert "/x/b.png" not in catalog.known_paths()


def test_actions_come_back_as_they_were_appended(catalog):
    drafts = [
        ActionDraft("label", "ann", "lasso", np.array([0, 5]), "neutral", {"polygon": [[0, 1]]}),
        ActionDraft("undo", "bob", "single", np.array([], np.int64), target=1),
    ]
    appended = catalog.append_actions(drafts)
    found = catalog.actions()
    assert [(a.seq, a.kind, a.rows.tolist(), a.criterion, a.target) for a in found] == [
        (1, "label", [0, 5], {"polygon": [[0, 1]]}, None),
        (2, "undo", [], None, 1),
    ]
    assert [a.at for a in appended] == [a.at for a in found]


def test_parts_and_versions(catalog):
    catalog.add_encoder("e", 8, {"x": 1})
    catalog.add_encoder("e", 8, {"x": 2})
    assert [(e["name"], e["record"]) for e in catalog.encoders()] == [("e", {"x": 1})]
    catalog.add_part("e", 0, 0, 10, "f")
    assert catalog.parts("e") == [(0, 10, "f")]
    assert catalog.latest_projection("e") is None
    catalog.add_projection("e", 9, "p0", {})
    assert catalog.add_projection("e", 10, "p", {}) == 2
    assert catalog.latest_projection("e")["n_rows"] == 10
    assert catalog.add_probe("e", 3, {}, b"w") == 1
    assert catalog.latest_probe("e")["weights"] == b"w"
    assert catalog.image_paths(0, 5) == []


def test_a_broken_file_and_another_schema_are_said(tmp_path, catalog):
    catalog.set_setting("schema", 99)
    with pytest.raises(WorkspaceError, match="schema 99"):
        Catalog.in_folder(tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    (other / "catalog.sqlite").write_bytes(b"no database, just text" * 100)
    with pytest.raises(WorkspaceError, match="cannot be read"):
        Catalog.in_folder(other)


def test_labels_survive_power_cuts_by_full_synchronous_wal(catalog):
    with catalog.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
