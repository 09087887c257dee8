"""Damaged and half-made workspaces: what can be read is read, what can be made is made again, labels can be taken out."""

import csv
import shutil
import sqlite3

import numpy as np
import pytest

from core.catalog.salvage import REPAIRED, check_catalog, finish_repair, salvage_catalog
from core.doctor.health import workspace_report
from core.doctor.repair import repair
from core.embeddings.embedded import lost_parts
from core.encoders.embed import embed
from core.errors import DamageError, ReadOnlyError, WorkspaceError
from core.evidence.queues import check_queue
from core.labels.actions import label
from core.labels.classes import unknown_classes
from core.labels.exchange import export_labels
from core.map import clusters
from core.map.project import project
from core.overview import label_counts
from core.store.salvage import read_rows
from core.workspace import Workspace

PAGE = 4_096


def catalog_of(folder):
    return sqlite3.connect(folder / "catalog.sqlite")


def change(folder, *statements):
    connection = catalog_of(folder)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


def damage_page(folder, table, content=b"\xff" * PAGE):
    """Overwrite the first page of a table."""
    connection = catalog_of(folder)
    root = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()[0]
    assert connection.execute("PRAGMA page_size").fetchone()[0] == PAGE
    connection.close()
    with (folder / "catalog.sqlite").open("r+b") as file:
        file.seek((root - 1) * PAGE)
        file.write(content)


def exported(folder, tmp_path):
    with Workspace(folder, read_only=True) as space:
        export_labels(space, tmp_path / "labels.csv")
    with (tmp_path / "labels.csv").open(newline="") as file:
        return {line["image"]: line["class"] for line in csv.DictReader(file)}


OLDER = [f"ALTER TABLE reveals DROP COLUMN {name}" for name in ("policy", "scorer", "family", "share")]
DAMAGES = {
    "images": lambda f: damage_page(f, "images"),
    "images zeroed": lambda f: damage_page(f, "images", bytes(PAGE)),
    "action_images": lambda f: damage_page(f, "action_images"),
    "classes": lambda f: damage_page(f, "classes"),
    "settings": lambda f: damage_page(f, "settings"),
    "paths": lambda f: damage_page(f, "paths"),
    "probes": lambda f: damage_page(f, "probes"),
    "an index": lambda f: damage_page(f, "sqlite_autoindex_images_1"),
    "no classes": lambda f: change(f, "DELETE FROM classes"),
    "no settings": lambda f: change(f, "DELETE FROM settings"),
    "no settings table": lambda f: change(f, "DROP TABLE settings"),
    "a setting that is no JSON": lambda f: change(f, "UPDATE settings SET value = '{oops' WHERE key = 'name'"),
    "a setting of another kind": lambda f: change(f, "UPDATE settings SET value = '[1]' WHERE key = 'name'"),
    "terms that cannot be": lambda f: change(f, "INSERT INTO check_sets VALUES (1, 'x', 100, 0.9, 0.95, 0, '', '')"),
    "a focus draw that is no JSON": lambda f: change(
        f, "INSERT INTO focus_draws VALUES (1, 1, 0.0, 0.5, 1, 'e', 3, 9, '{oops', 'a', '2026')"
    ),
    "a policy that is no JSON": lambda f: change(f, "INSERT INTO policies VALUES (0, 'arms', '{oops', 0.9)"),
    "an older catalog": lambda f: (
        change(f, "DROP TABLE policies", *OLDER, "UPDATE alembic_version SET version_num = '0003'"),
        damage_page(f, "classes"),
    ),
    "no version": lambda f: change(f, "DELETE FROM alembic_version", "UPDATE settings SET value = '[1]' WHERE key = 'name'"),
    "an unknown encoder": lambda f: change(f, """UPDATE settings SET value = '"gone"' WHERE key = 'encoder'"""),
    "a criterion that is no JSON": lambda f: change(f, "UPDATE actions SET criterion = '{x'"),
    "values of other kinds": lambda f: change(f, "UPDATE actions SET at = x'00ff', analyst = 5"),
    "text for a number": lambda f: change(f, "UPDATE images SET check_order = 'abc' WHERE row = 3"),
    "an undo of nothing": lambda f: change(
        f, "INSERT INTO actions VALUES (99,'u','undo',NULL,'a','2020','single','null','v1',77)"
    ),
    "a probe that is none": lambda f: change(f, "UPDATE probes SET weights = x'00', record = '[]'"),
    "a map record that is none": lambda f: change(f, "UPDATE projections SET record = '[]', file = '../../etc/passwd'"),
    "a garbage log": lambda f: (f / "catalog.sqlite-wal").write_bytes(b"garbage" * 9_999),
    "thumbnails gone": lambda f: (f / "thumbnails.sqlite").unlink(),
    "thumbnails garbage": lambda f: (f / "thumbnails.sqlite").write_bytes(b"garbage" * 999),
    "thumbnails empty": lambda f: (f / "thumbnails.sqlite").write_bytes(b""),
    "a part gone": lambda f: (f / "embeddings/made/part-00000.npy").unlink(),
    "a part garbage": lambda f: (f / "embeddings/made/part-00000.npy").write_bytes(b"garbage"),
    "a part of another shape": lambda f: np.save(f / "embeddings/made/part-00000.npy", np.zeros((3, 8), np.float16)),
    "a map gone, which takes UMAP to make": lambda f: (f / "projection/map.npy").unlink(),
    "a map of another shape": lambda f: np.save(f / "projection/map.npy", np.zeros(9)),
    "a map with objects": lambda f: np.save(f / "projection/map.npy", np.array([{}], object), allow_pickle=True),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_labels_are_exported_doctor_tells_and_repair_keeps_them(small, tmp_path, damage):
    before = exported(small, tmp_path)
    assert len(before) == 48
    DAMAGES[damage](small)
    assert exported(small, tmp_path) == before
    with Workspace(small, read_only=True) as space:
        told = workspace_report(space)
    assert told or damage in ("a garbage log", "an undo of nothing")
    came = repair(small, device="cpu")
    assert exported(small, tmp_path) == before
    with Workspace(small) as space:
        left = workspace_report(space)
        assert not [said for said in left if "damaged" in said or "thumbnails are missing" in said]
        assert len(left) <= len(came.left) + 2  # what cannot be restored is told: "made" is no encoder
        label(space, np.array([0]), "neutral", analyst="after")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda f: (f / "catalog.sqlite").write_bytes(b""), "is empty"),
        (lambda f: (f / "catalog.sqlite").unlink(), "holds embeddings but no catalog"),
        (lambda f: (f / "catalog.sqlite").write_bytes(b"garbage" * 999), "not a database"),
        (
            lambda f: (f / "catalog.sqlite").write_bytes((f / "catalog.sqlite").read_bytes()[:100]),
            "cannot be read|Nothing in",
        ),
    ],
)
def test_a_catalog_of_which_nothing_is_left_is_reported_and_never_mistaken_for_an_empty_workspace(small, damage, said):
    damage(small)
    for opening in (
        lambda: Workspace(small),
        lambda: Workspace(small, read_only=True),
        lambda: Workspace.create(small),
        lambda: Workspace.open(small),
        lambda: repair(small),
    ):
        with pytest.raises(DamageError, match=said):
            opening()


def test_another_programs_database_is_left_as_it_is(tmp_path):
    change(tmp_path, "CREATE TABLE notes (text)")
    before = (tmp_path / "catalog.sqlite").read_bytes()
    for opening in (Workspace, Workspace.create, repair):
        with pytest.raises(WorkspaceError, match="another database"):
            opening(tmp_path)
    assert (tmp_path / "catalog.sqlite").read_bytes() == before


def half_made(folder, how):
    """Leave what a creation that was killed had left before it was made aside."""
    folder.mkdir()
    if how == "empty":
        (folder / "catalog.sqlite").touch()
        return
    Workspace.create(folder).close()
    (folder / "thumbnails.sqlite").unlink()
    if how == "tables":
        change(folder, "DELETE FROM settings", "DELETE FROM classes")
    elif how == "some tables":
        change(folder, "DROP TABLE settings", "DROP TABLE classes", "DROP TABLE actions")
    elif how == "no salt":
        change(folder, "DELETE FROM settings WHERE key = 'salt'")
    elif how == "no classes":
        change(folder, "DELETE FROM classes")


@pytest.mark.parametrize("how", ["empty", "tables", "some tables", "no salt", "no classes"])
def test_a_half_made_workspace_is_reported_and_completed(tmp_path, how):
    half_made(tmp_path / "w", how)
    with pytest.raises(WorkspaceError, match="creation was interrupted"):
        Workspace(tmp_path / "w", read_only=True)
    with Workspace.create(tmp_path / "w", salt="new") as space:
        assert space.class_names == ["neutral", "explicit", "copyright"]
        assert space.catalog.settings.get("salt") == "new"
    assert check_catalog(tmp_path / "w" / "catalog.sqlite") == ""


def test_rows_are_read_up_to_the_damaged_pages_and_behind_them(tmp_path):
    connection = sqlite3.connect(tmp_path / "x")
    connection.execute("CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT)")
    connection.executemany("INSERT INTO t VALUES (?, ?)", ((i, f"{i:0100d}") for i in range(1, 2_001)))
    connection.commit()
    connection.close()
    content = bytearray((tmp_path / "x").read_bytes())
    for page in (10, 11, 30):
        content[page * PAGE : (page + 1) * PAGE] = b"\xff" * PAGE
    (tmp_path / "x").write_bytes(content)
    connection = sqlite3.connect(tmp_path / "x")
    found = list(read_rows(connection, "t", ["a", "b"]))
    connection.close()
    readable = [row for row in found if row is not None]
    assert all(b == f"{a:0100d}" for a, b in readable)
    assert len(readable) + found.count(None) == 2_000
    assert 3 * 20 < found.count(None) < 3 * 60  # the rows of three pages


def test_a_lost_image_record_keeps_its_id_file_and_half(small, tmp_path):
    with Workspace(small, read_only=True) as space:
        ids, paths, check = space.ids.copy(), space.catalog.images.paths(0, 48), space.is_check.copy()
        order = space.check_order.copy()
    damage_page(small, "images")
    found = salvage_catalog(small / "catalog.sqlite", tmp_path / "sound.sqlite")
    assert found.lost.keys() == {"images"}
    shutil.copyfile(tmp_path / "sound.sqlite", small / "catalog.sqlite")
    with Workspace(small, read_only=True) as space:
        assert (space.ids == ids).all()
        assert space.catalog.images.paths(0, 48) == paths
        assert (space.is_check == check).all()
        assert (space.check_order == order).all()


def test_an_image_that_is_lost_with_its_id_leaves_a_stand_in_so_that_others_keep_their_rows(small, tmp_path):
    before = exported(small, tmp_path)
    with Workspace(small, read_only=True) as space:
        lost = space.image_id(7)
    change(small, "DELETE FROM images WHERE row = 7")
    with pytest.raises(DamageError, match="images are missing"):
        Workspace(small)
    repair(small)
    after = exported(small, tmp_path)
    assert {name: after.get(name) for name in before if name != lost} == {n: c for n, c in before.items() if n != lost}
    assert [name for name in after if name not in before] == [f"lost{7:028d}"]


def test_labels_of_lost_classes_stand_and_repair_puts_them_into_the_list(small, tmp_path):
    change(small, "DELETE FROM classes WHERE name = 'explicit'")
    with Workspace(small, read_only=True) as space:
        assert unknown_classes(space) == ["explicit"]
        assert label_counts(space)["labels"]["explicit"] == 16
    repair(small)
    with Workspace(small, read_only=True) as space:
        assert [c.name for c in space.catalog.labels.classes()] == ["neutral", "copyright", "explicit"]
        assert len({c.key for c in space.classes}) == 3


def test_lost_terms_after_an_opening_begin_a_set_behind_all_that_was_read(small):
    with Workspace(small) as space:
        rows = check_queue(space, 3)
        label(space, rows, "neutral", analyst="a", source="check")
        space.catalog.evidence.add_opening(
            {
                "check_set": 1,
                "look": 1,
                "key": "k",
                "probe": 1,
                "analyst": "a",
                "record": {"x": 1},
            }
        )
        last = float(space.check_order[rows].max())
    repair(small)
    with Workspace(small, read_only=True) as space:
        assert (space.check_set.number, space.check_set.after) == (2, last)
        assert not space.sealed[rows].any()


def test_a_repair_that_was_cut_off_between_two_names_is_finished(small, tmp_path):
    before = exported(small, tmp_path)
    salvage_catalog(small / "catalog.sqlite", small / REPAIRED)
    (small / "catalog.sqlite").write_bytes(b"garbage" * 999)
    (small / "catalog.sqlite-wal").write_bytes(b"of the old one")
    assert exported(small, tmp_path) == before  # read-only: from the new one, where it lies
    finish_repair(small)
    assert not (small / REPAIRED).exists()
    assert exported(small, tmp_path) == before


def test_a_damaged_catalog_is_kept_beside_the_new_one(small):
    damage_page(small, "classes")
    damaged = (small / "catalog.sqlite").read_bytes()
    repair(small)
    assert (small / "catalog.damaged-1.sqlite").read_bytes() == damaged


def test_a_damaged_workspace_is_opened_for_viewing_and_says_what_is_lost_and_why_nothing_can_be_labelled(small):
    damage_page(small, "settings")
    with Workspace.open(small) as space:
        assert not space.writable
        assert "records are lost from: settings" in space.notes()[0]
        assert space.labels.n_labelled == 48
        for work in (lambda: label(space, np.array([0]), "neutral", analyst="a"), lambda: embed(space)):
            with pytest.raises(ReadOnlyError, match="doctor --repair"):
                work()


def test_repair_removes_what_was_never_finished(small):
    for place in ("embeddings/made", "projection", "."):
        (small / place / ".x.12345678.part").write_bytes(b"half")
    came = repair(small)
    assert any("Removed 3 unfinished files" in said for said in came.done)
    assert not list(small.rglob("*.part"))


def test_thumbnails_are_made_again_only_from_files_with_the_same_content(small, small_made, tmp_path):
    with Workspace(small) as space:
        kept = {name.decode(): space.thumbnail(name.decode(), "clear") for name in space.ids}
        moved, replaced = space.catalog.images.paths(0, 2)
    images = shutil.copytree(small_made / "images", tmp_path / "images")
    change(small, f"UPDATE paths SET path = replace(path, '{small_made / 'images'}', '{images}')")
    change(small, f"UPDATE images SET path = replace(path, '{small_made / 'images'}', '{images}')")
    (images / moved.rsplit("/", 1)[1]).unlink()
    shutil.copyfile(images / "p09.png", images / replaced.rsplit("/", 1)[1])
    (small / "thumbnails.sqlite").unlink()
    came = repair(small)
    assert any("2 thumbnails cannot be rebuilt" in said for said in came.left)
    with Workspace(small, read_only=True) as space:
        found = {name.decode(): space.thumbnails.get(name.decode()) for name in space.ids}
    assert [name for name in found if found[name] is None] == [name.decode() for name in space.ids[:2]]
    assert all(found[name] in (None, kept[name]) for name in kept)


def test_readable_thumbnails_of_a_damaged_file_are_kept(small):
    file = small / "thumbnails.sqlite"
    size = file.stat().st_size
    assert size > 3 * 32_768
    with file.open("r+b") as opened:
        opened.seek(size - 32_768)
        opened.write(b"\xff" * 32_768)
    with Workspace(small) as space:
        kept = space.thumbnails.renew()
        assert 0 < kept < 48
        assert space.thumbnails.count() == kept
    assert (small / "thumbnails.damaged-1.sqlite").exists()


def test_embed_makes_lost_parts_again_and_a_map_waits_for_them(small, monkeypatch):
    monkeypatch.setattr("core.encoders.parts.PART_ROWS", 20)
    with Workspace(small) as space:
        embed(space, "random", device="cpu")
        whole = space.matrix.take(np.arange(48))
        files = [small / file for _, _, file in space.catalog.models.parts(space.encoder_name)]
    files[0].unlink()
    files[2].write_bytes(files[2].read_bytes()[:-50])
    with Workspace(small) as space:
        assert lost_parts(small, space.catalog.models.parts(space.encoder_name)) == [0, 2]
        assert space.matrix is None
        with pytest.raises(WorkspaceError, match="embeddings of 28 images are lost"):
            project(space)
        assert embed(space, device="cpu")["embedded"] == 28
        np.testing.assert_allclose(space.matrix.take(np.arange(48)), whole, atol=2e-3)


def test_a_lost_map_is_made_again_as_it_was_and_clusters_get_no_used_name(demo_400, tmp_path):
    folder = shutil.copytree(demo_400, tmp_path / "w")
    with Workspace(folder) as space:
        project(space, seed=5)
        before = space.xy.copy()
        old = {name for found in clusters.cluster(space).values() for name in found.names}
        lost = [folder / space.projection["file"], folder / space.catalog.models.clusters()["file"]]
    for file in lost:
        file.unlink()
    came = repair(folder, device="cpu")
    assert came.left == []
    with Workspace(folder) as space:
        np.testing.assert_allclose(space.xy, before, atol=1e-4)
        found = clusters.cluster(space)
        assert not old & {name for grain in found.values() for name in grain.names}
