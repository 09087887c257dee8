"""The catalog alone: rows in order, one verdict per path, actions append-only and whole."""

from threading import Thread

import numpy as np
import pytest
import sqlalchemy as sa

from core.catalog import rows
from core.catalog.catalog import Catalog
from core.catalog.criterion import NO_CRITERION, Criterion
from core.catalog.label_book import LabelBook
from core.catalog.records import ActionDraft, ActionKind, ImageRecord, PathRecord, Rejected, Removal, Source
from core.catalog.schema import ACTIONS, SETTINGS
from core.catalog.score_columns import NewColumn
from core.errors import WorkspaceError
from core.workspace import Workspace


def image(name, group=None, **gold):
    return ImageRecord(name * 32, f"/x/{name}.png", 4, 3, 9, "PNG", "00", (group or name) * 32, gold)


def path(name, image_name):
    return PathRecord(f"/x/{name}.png", image_name * 32, 9, 1)


def test_rows_go_on_where_they_stopped_and_groups_share_a_half(catalog):
    catalog.images.add_batch([image("a"), image("b", "a")], [path("a", "a"), path("b", "b")], [])
    catalog.images.add_batch([image("c", label="x")], [path("c", "c"), path("c2", "c")], [Rejected("/x/bad", "empty", 0, 1)])
    columns = catalog.images.columns()
    assert [i.decode()[0] for i in columns.ids] == ["a", "b", "c"]
    assert columns.is_check[0] == columns.is_check[1]
    assert catalog.images.count() == 3
    assert catalog.images.count_files() == 4
    assert catalog.images.gold_columns() == ["label"]
    found, values = catalog.images.gold("label")
    assert found.tolist() == [2]
    assert values == ["x"]
    assert next(catalog.images.leaders(1)) == [("b" * 32, "00", "00"), ("c" * 32, "00", None)]
    assert catalog.images.group_of("b" * 32) == "a" * 32
    assert catalog.images.rows_by_name()["/x/c2.png"] == 2
    assert catalog.images.known_states(["/x/bad", "/x/c.png", "/x/never"]) == {"/x/bad": (0, 1), "/x/c.png": (9, 1)}


def test_gold_values_are_counted_and_found_by_value(catalog):
    catalog.images.add_batch([image("a", label="x"), image("b", label="o'k"), image("c", label="x"), image("d")], [], [])
    catalog.images.add_batch([image("e", other="x")], [], [])
    assert catalog.images.gold_counts("label") == {"o'k": 1, "x": 2}
    found = catalog.images.gold_rows("label", ["x", "o'k", "never"])
    assert {value: sorted(rows.tolist()) for value, rows in found.items()} == {"x": [0, 2], "o'k": [1], "never": []}
    assert catalog.images.gold_rows("label", []) == {}


def test_columns_are_the_same_in_blocks_of_any_size(catalog, monkeypatch):
    assert [len(column) for column in vars(catalog.images.columns()).values()] == [0, 0, 0, 0, 0]
    catalog.images.add_batch([image("a"), image("b", "a"), image("c"), image("d"), image("e")], [], [])
    whole = catalog.images.columns()
    for size in (1, 2, 5):
        monkeypatch.setattr(rows, "BLOCK", size)
        for name, column in vars(catalog.images.columns()).items():
            assert column.dtype == getattr(whole, name).dtype
            assert column.tolist() == getattr(whole, name).tolist()


def test_a_file_that_was_repaired_is_no_longer_rejected(catalog):
    catalog.images.add_batch([], [], [Rejected("/x/a.png", "truncated", 5, 1)])
    catalog.images.add_batch([image("a")], [path("a", "a")], [])
    assert catalog.images.rejected() == []
    assert catalog.images.count() == 1


def test_a_batch_is_all_or_nothing(catalog):
    catalog.images.add_batch([image("a")], [path("a", "a")], [])
    with pytest.raises(sa.exc.IntegrityError):
        catalog.images.add_batch([image("b"), image("a")], [path("b", "b")], [])
    assert catalog.images.count() == 1
    assert catalog.images.known_states(["/x/b.png"]) == {}


def test_actions_come_back_as_they_were_appended(catalog):
    drafts = [
        ActionDraft("label", "ann", "lasso", np.array([0, 5]), "neutral", Criterion(polygon=[[0, 1]])),
        ActionDraft("undo", "bob", "single", np.array([], np.int64), target=1),
    ]
    appended = catalog.labels.append(drafts)
    found = catalog.labels.actions()
    assert [(a.seq, a.kind, a.rows.tolist(), a.criterion, a.target) for a in found] == [
        (1, "label", [0, 5], Criterion(polygon=[[0, 1]]), None),
        (2, "undo", [], NO_CRITERION, 1),
    ]
    assert [a.at for a in appended] == [a.at for a in found]
    assert [(type(a.kind), type(a.source)) for a in found] == [(ActionKind, Source)] * 2


def test_a_criterion_is_stored_under_its_old_keys_and_only_what_it_says(catalog):
    criteria = [
        NO_CRITERION,
        Criterion(order="hash", purpose="live", way="grid") | Criterion(together="t"),
        Criterion(bulk="b", wrong=[3]),
    ]
    drafts = [ActionDraft("label", "ann", "lasso", np.array([0]), "neutral", criterion) for criterion in criteria]
    catalog.labels.append(drafts)
    with catalog.database.reading() as connection:
        stored = connection.scalars(sa.select(ACTIONS.c.criterion).order_by(ACTIONS.c.seq)).all()
    assert stored == [
        None,
        {"order": "hash", "for": "live", "read": "grid", "together": "t"},
        {"bulk": "b", "wrong": [3]},
    ]
    assert [a.criterion for a in catalog.labels.actions()] == criteria
    assert [criterion.tie for criterion in criteria] == [None, "t", "b"]


@pytest.mark.parametrize(
    ("stored", "read"),
    [
        ([[0, 1]], {}),
        (5, {}),
        ({}, {}),
        ({"polygon": None}, {}),
        ({"copies": "many", "bulk": "b", "for": 3, "wrong": [1, "x"]}, {"bulk": "b"}),
    ],
)
def test_of_a_criterion_of_another_shape_the_rest_is_read(catalog, stored, read):
    catalog.labels.append([ActionDraft("label", "ann", "lasso", np.array([0]), "neutral")])
    with catalog.database.writing() as connection:
        connection.execute(sa.update(ACTIONS).values(criterion=stored))
    assert catalog.labels.actions()[0].criterion.record() == read


def test_what_a_newer_program_wrote_is_kept_and_its_unknown_words_are_read_as_unknown(catalog):
    catalog.labels.append([ActionDraft("label", "ann", "lasso", np.array([0]), "neutral")])
    with catalog.database.writing() as connection:
        newer = {"kind": "merge", "source": "voice", "criterion": {"copies": 2, "spoken": {"by": 1}}}
        connection.execute(sa.update(ACTIONS).values(newer))
    (action,) = catalog.labels.actions()
    assert (action.kind, action.source) == (ActionKind.UNKNOWN, Source.UNKNOWN)
    assert (action.criterion | Criterion(file="f")).record() == {"copies": 2, "file": "f", "spoken": {"by": 1}}
    book = LabelBook(1, ["neutral"])
    book.fold(catalog.labels.columns(n_images=1))
    assert book.labels.codes.tolist() == [-1]
    assert book.source_of(action.seq) == "voice"  # a label file says it as it was given


def test_parts_and_versions(catalog):
    catalog.models.add_encoder("e", 8, {"x": 1})
    catalog.models.add_encoder("e", 8, {"x": 2})
    assert [(e["name"], e["record"]) for e in catalog.models.encoders()] == [("e", {"x": 1})]
    catalog.models.add_part("e", 0, 0, 10, "f")
    assert catalog.models.parts("e") == [(0, 10, "f")]
    assert catalog.models.latest_projection("e") is None
    catalog.models.add_projection("e", 9, "p0", {})
    assert catalog.models.add_projection("e", 10, "p", {}) == 2
    assert catalog.models.latest_projection("e")["n_rows"] == 10
    assert catalog.models.add_probe("e", 3, {}, b"w") == 1
    assert catalog.models.latest_probe("e")["weights"] == b"w"
    assert catalog.images.paths(0, 5) == []


def test_damaged_records_of_probes_are_none(catalog):
    for number in range(3):
        catalog.models.add_probe("e", number, {"n_labels": number}, b"w")
    with catalog.database.engine.begin() as connection:
        connection.execute(sa.text("UPDATE probes SET record = :text WHERE version = 2"), {"text": "[5]"})
    assert catalog.models.probe_records("e") == [(1, {"n_labels": 0}), (2, None), (3, {"n_labels": 2})]


def test_a_writer_that_reads_first_is_not_refused_because_another_wants_to_write(tmp_path):
    with Workspace.create(tmp_path / "w", salt="two writers") as space:
        catalog = space.catalog
        with catalog.database.writing() as connection:
            assert connection.scalar(sa.select(sa.func.count()).select_from(ACTIONS)) == 0
            other = Thread(target=catalog.settings.set, args=("a", 1))
            other.start()
            other.join(1.0)  # it waits for us; if it did not, what follows would fail
            connection.execute(sa.insert(SETTINGS).values(key="b", value=2))
        other.join()
        assert (catalog.settings.get("a"), catalog.settings.get("b")) == (1, 2)


def test_a_broken_file_is_reported(tmp_path):
    (tmp_path / "catalog.sqlite").write_bytes(b"no database, just text" * 100)
    with pytest.raises(WorkspaceError, match="cannot be read"):
        Catalog.of_file(tmp_path / "catalog.sqlite")


def test_what_is_kept_again_takes_the_place_of_what_was_kept(catalog):
    catalog.images.add_batch([image("a", label="x"), image("b")], [path("a", "a"), path("b", "b")], [])
    catalog.images.add_batch([], [], [], gold=[("a" * 32, "label", "y"), ("a" * 32, "label", "z")])
    assert catalog.images.gold("label")[1] == ["z"]
    catalog.images.set_text_figures({0: 0.5})
    catalog.images.set_text_figures({0: 0.25, 1: 1.0})
    assert catalog.images.text_figures(0, 3).tolist()[:2] == [0.25, 1.0]
    catalog.images.set_words(1, "first")
    catalog.images.set_words(1, "second")
    assert catalog.images.words() == {1: "second"}
    catalog.people.set("ann", clear_budget=3)
    catalog.people.set("ann", guide_dismissed=True)
    assert catalog.people.limits("ann") == {"clear_budget": 3}
    assert catalog.people.wants_no_guide("ann")


def test_what_was_seen_adds_up(catalog):
    for _ in range(2):
        catalog.people.add_exposures("2026-01-01", {"ann": ({"clear": 2}, {"clear": 1.5})})
    assert catalog.people.exposures() == [{"analyst": "ann", "day": "2026-01-01", "level": "clear", "views": 4, "seconds": 3.0}]


def test_images_that_join_a_group_share_its_half(catalog):
    catalog.images.add_batch([image("a"), image("b"), image("c")], [path("a", "a")], [])
    catalog.images.join_groups({2: 0}, {0: True}, copies={"e": 3})
    columns = catalog.images.columns()
    assert columns.groups.tolist() == [0, 1, 0]
    assert columns.is_check[[0, 2]].tolist() == [True, True]
    assert catalog.images.searched_for_copies() == {"e": 3}


def test_a_check_sets_openings_readings_and_points(catalog):
    terms = {"number": 1, "after": -1.0, "size": 5, "recall": 0.9, "confidence": 0.95, "live": False}
    terms |= {"started_by": "ann", "started_at": "now"}
    assert catalog.evidence.check_set() is None
    before = catalog.evidence.mark()
    catalog.evidence.set_check_set(terms)
    catalog.evidence.set_check_set(terms | {"size": 7})
    catalog.evidence.set_check_set(terms | {"number": 2})
    assert catalog.evidence.check_set() == terms | {"number": 2}
    probe = catalog.models.add_probe("e", 0, {}, b"w")
    number = catalog.evidence.add_opening(
        {
            "check_set": 1,
            "look": 1,
            "key": "k",
            "probe": probe,
            "analyst": "ann",
            "record": {"n": 3},
        }
    )
    catalog.evidence.add_second_reading(4, "neutral", "bob", "v1")
    catalog.evidence.add_point("p", number, 0.5, "ann")
    catalog.evidence.put_in_force("p", "ann")
    assert catalog.evidence.openings()[0]["record"] == {"n": 3}
    assert catalog.evidence.second_readings()[0]["class_name"] == "neutral"
    assert catalog.evidence.points()[0]["threshold"] == 0.5
    assert catalog.evidence.in_force()["name"] == "p"
    assert catalog.evidence.mark() != before


def test_labels_survive_power_cuts_by_full_synchronous_wal(tmp_path):
    catalog = Catalog.of_file(tmp_path / "catalog.sqlite")
    with catalog.database.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
    catalog.close()


def test_score_columns_are_stored_alike_in_every_database(catalog):
    values = np.array([0.1, np.nan, 1 - 1e-12])
    catalog.score_columns.put([NewColumn("b", True, "b.csv", values), NewColumn("a", False, "a.csv", values)])
    catalog.score_columns.put([NewColumn("a", False, "c.csv", values[:2])])
    np.testing.assert_array_equal(catalog.score_columns.values("b"), values)
    np.testing.assert_array_equal(catalog.score_columns.values("a"), values[:2])
    assert [(c.name, c.higher_is_safer, c.n_scored, c.file) for c in catalog.score_columns.all()] == [
        ("a", False, 1, "c.csv"),
        ("b", True, 2, "b.csv"),
    ]
    assert len(catalog.score_columns.values("none")) == 0


def test_when_images_were_added_is_kept_once_an_ingest(catalog):
    catalog.images.add_batch([image("a"), image("b")], [path("a", "a"), path("a2", "a")], [], at="2026-01-01")
    catalog.images.add_batch([image("c")], [path("B_c", "c")], [], at="2026-01-01")
    catalog.images.add_batch([], [], [], gold=[("a" * 32, "label", "x")], at="2026-01-02")  # adds no image
    catalog.images.add_batch([image("d")], [], [], at="2026-01-03")
    assert catalog.images.additions() == [(0, "2026-01-01"), (3, "2026-01-03")]
    assert catalog.images.sizes().tolist() == [[4, 3]] * 4
    assert sorted(catalog.images.rows_with_path("%/A%")) == [(0, "/x/a.png"), (0, "/x/a2.png")]
    assert list(catalog.images.rows_with_path("%b!_%")) == [(2, "/x/B_c.png")]
    assert list(catalog.images.rows_with_path("%a!_%")) == []


def test_named_views_are_stored_alike_in_every_database(catalog):
    catalog.views.put("b", "tab=check", "ann")
    catalog.views.put("a", "", "ann")
    catalog.views.put("a", "filter=half:check", "bob")
    assert [(v.name, v.query, v.analyst) for v in catalog.views.all()] == [
        ("a", "filter=half:check", "bob"),
        ("b", "tab=check", "ann"),
    ]
    assert not catalog.views.rename("b", "a")
    assert not catalog.views.rename("none", "c")
    assert catalog.views.rename("b", "c")
    catalog.views.remove("a")
    assert [view.name for view in catalog.views.all()] == ["c"]


def test_a_removed_image_keeps_its_id_group_and_order_and_nothing_else(catalog):
    catalog.images.add_batch([image("a"), image("b", "a"), image("c")], [path("a", "a"), path("b", "b"), path("c", "c")], [])
    catalog.images.set_words(0, "words")
    before = catalog.images.columns()
    assert catalog.removals.rows_below("/x") == ([0, 1, 2], 0)
    catalog.removals.remove([Removal(0, "2026-01-01", "ann", "why", "neutral", 2, erased=False)])
    after, record = catalog.images.columns(), catalog.images.record(0)
    assert after.removed.tolist() == [True, False, False]
    for name in ("ids", "is_check", "check_order", "groups"):
        assert getattr(after, name).tolist() == getattr(before, name).tolist()
    assert after.groups_now.tolist() == [0, 1, 2]
    assert (record["path"], record["hash"], record["n_bytes"]) == ("", "", 0)
    assert catalog.images.words() == {}
    assert catalog.images.row_of_id(before.ids[0].decode()) is None
    assert catalog.images.count_files() == 2
    assert catalog.removals.ids([before.ids[0].decode(), before.ids[1].decode()]) == {before.ids[0].decode(): "2026-01-01"}
    assert catalog.removals.to_erase().tolist() == [0]
    assert [r.row for r in catalog.removals.readings()] == [0]
    catalog.removals.set_erased(np.array([0]))
    assert catalog.removals.to_erase().tolist() == []
    assert catalog.removals.rows_since("2025-12-31").tolist() == [0]
    assert catalog.removals.rows_since("2026-01-01").tolist() == []
    assert catalog.removals.rows_below("/x") == ([1, 2], 0)
