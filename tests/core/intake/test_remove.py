"""Images are removed for good: out of everything at once, erased from all files, refused later; kill -9 leaves no half."""

import io
import shutil
import time
from pathlib import Path

import numpy as np
import pytest

from core.catalog.criterion import Criterion
from core.catalog.label_book import UNLABELLED
from core.errors import InputError
from core.evidence.queues import check_queue
from core.filters.conditions import ClassIs
from core.filters.masks import all_of, mask
from core.filters.offers import filter_offers
from core.intake.remove import Wanted, erase, find, names_in, remove
from core.intake.uploads import add_batch, ingest_batches, keep_picture, standing
from core.labels import bulk
from core.labels.actions import history, label, undo
from core.labels.exchange import export_labels, import_labels
from core.map.clusters import cluster, clustering, summaries
from core.map.place import unplaced
from core.map.project import project
from core.missing import missing_for_map
from core.overview import summary
from core.probe.live import refit
from core.probe.suggest import more_like, suggest
from core.store import thumbnails
from core.workspace import Workspace
from tests.forked import forking
from tests.reading import take_in
from tests.shared import photo

N = 48
GONE = np.array([3, 20, 47])
FORKING = forking()


@pytest.fixture
def space(small):
    with Workspace(small) as space:
        yield space


def ids_of(space, rows):
    return [space.image_id(int(row)) for row in rows]


def traces(space, rows):
    """Return what may be found of images' pictures in files, by what it is."""
    found = {f"thumbnail {row}": space.thumbnails.get(space.image_id(int(row)))[12:76] for row in rows}
    x = space.matrix.take(rows).astype(np.float16)
    found |= {f"embedding {row}": values.tobytes() for row, values in zip(rows, x, strict=True)}
    found |= {f"place {row}": xy.tobytes() for row, xy in zip(rows, space.xy[rows], strict=True)}
    for row in rows.tolist():
        record = space.catalog.images.record(row)
        found |= {f"hash {row}": record["hash"].encode(), f"path {row}": Path(record["path"]).name.encode()}
    return found


def where(folder, found):
    """Return the files of a folder in which something of this is found."""
    return {
        (file.name, what)
        for file in folder.rglob("*")
        if file.is_file()
        for what, content in found.items()
        if content in file.read_bytes()
    }


def test_a_removed_image_is_in_no_file_of_the_workspace(space):
    for row in GONE.tolist():
        space.catalog.images.set_words(row, f"secret words of picture {row}")
    space.catalog.images.set_words(4, "words that stay")
    training = space.folder / "training" / "20260101"
    training.mkdir(parents=True)
    (training / "views.webp").write_bytes(space.thumbnails.get(space.image_id(3)))
    (space.folder / "embeddings" / "made" / "part-00009.npy").write_bytes(space.matrix.take(GONE).astype("f2").tobytes())
    found = traces(space, GONE) | {f"words {row}": b"secret words of picture %d" % row for row in GONE}
    for what in found:
        assert any(what == other for _, other in where(space.folder, found)), f"nothing to find of {what}"
    stays = traces(space, np.array([4])) | {"words": b"words that stay"}
    result = remove(space, Wanted(ids_of(space, GONE)), analyst="ann", reason="request 17")
    assert result.removed == 3
    assert where(space.folder, found) == set()
    space.close()
    assert where(space.folder, found) == set()
    assert {what for _, what in where(space.folder, stays)} == stays.keys()


def test_copies_that_a_split_page_has_left_are_erased_too(space, monkeypatch):
    picture = space.thumbnails.get(space.image_id(3))
    space.thumbnails._file.empty_log()
    assert picture[:64] in (space.folder / "thumbnails.sqlite").read_bytes()
    looked = []
    real = thumbnails.ThumbnailStore._is_in_file
    monkeypatch.setattr(thumbnails.ThumbnailStore, "_is_in_file", lambda store, gone: looked.append(gone) or True)
    compacted = []
    monkeypatch.setattr(type(space.thumbnails._file), "compact", lambda file: compacted.append(file.path.name))
    space.thumbnails.erase([space.image_id(3)])
    assert looked == [{picture[:64]}]
    assert compacted == ["thumbnails.sqlite"]
    assert not real(space.thumbnails, {picture[:64]})
    assert real(space.thumbnails, {space.thumbnails.get(space.image_id(4))[:64]})


def test_a_removed_image_is_in_no_count_map_queue_suggestion_filter_or_export(space, tmp_path):
    gold = space.gold("label")
    before, counts = summary(space), space.labels.by_class
    check = space.is_check.copy()
    gone = np.unique([*GONE, *np.flatnonzero(check)[:2], *np.flatnonzero(~check)[:2]])
    remove(space, Wanted(ids_of(space, gone)), analyst="ann")
    after, here = summary(space), np.setdiff1d(np.arange(N), gone)
    assert space.n_images == N
    assert after["images"] == after["embedded"] == after["projected"] == space.n_here == N - len(gone)
    assert after["labelled"] == before["labelled"] - len(gone)
    for code in range(len(counts)):
        assert space.labels.by_class[code] == counts[code] - (gold[gone] == code).sum()
    assert (space.labels.codes[gone] == UNLABELLED).all()
    assert np.isnan(space.xy[gone]).all()
    assert np.isfinite(space.xy[here]).all()
    assert missing_for_map(space) == ""
    assert len(unplaced(space)) == 0
    for half in (space.is_check, space.is_teach, space.sealed, space.live_part, space.evidence()):
        assert not half[gone].any()
    assert (space.is_check | space.is_teach)[here].all()
    np.testing.assert_array_equal(space.is_check[here], check[here])
    for live in (False, True):
        assert not np.isin(check_queue(space, N, live=live), gone).any()
    assert not all_of(space, [], [], beside_model=False)[gone].any()
    unlabelled = ClassIs(names=("unlabelled",))
    assert not all_of(space, [unlabelled], [mask(space, unlabelled)], beside_model=False)[gone].any()
    offers = {offer["kind"]: offer["choices"] for offer in filter_offers(space) if offer["kind"] in ("class", "half", "copies")}
    for kind in ("half", "copies"):
        assert sum(choice["n"] for choice in offers[kind]) == len(here)
    refit(space)
    assert np.isnan(space.fitted.score[gone]).all()
    assert (space.fitted.predicted[gone] == UNLABELLED).all()
    assert space.fitted.on_device.histogram.sum() == pytest.approx(len(here))
    assert np.isfinite(space.fitted.score[here]).all()
    for row in np.flatnonzero(space.is_teach)[:20].tolist():
        label(space, np.array([row]), None, analyst="ann")
    assert not np.isin([s.row for s in suggest(space, N, strategy="random")], gone).any()
    assert not np.isin(more_like(space, np.array([1]), N), gone).any()
    assert export_labels(space, tmp_path / "l.csv") == space.labels.n_labelled
    text = (tmp_path / "l.csv").read_text()
    assert not any(image_id in text for image_id in ids_of(space, gone))
    for image_id in ids_of(space, gone):
        assert space.row_of(image_id) is None
        with pytest.raises(InputError, match="There is no image"):
            space.picture(image_id, "clear")


def test_labels_stay_in_the_history_and_bring_nothing_back(space):
    seq = label(space, GONE, "neutral", analyst="bob").action.seq
    remove(space, Wanted(ids_of(space, GONE[:2])), analyst="ann")
    assert space.labels.codes[GONE].tolist() == [UNLABELLED, UNLABELLED, space.class_names.index("neutral")]
    undo(space, analyst="bob")
    assert (space.labels.codes[GONE[:2]] == UNLABELLED).all()
    assert next(action for action, _ in history(space) if action.seq == seq).rows.tolist() == GONE.tolist()
    with pytest.raises(InputError, match="removed meanwhile; nothing was labelled"):
        label(space, GONE, "explicit", analyst="bob")
    kept = space.catalog.removals.all()
    assert [(r.row, r.analyst, r.class_name) for r in kept] == [(3, "ann", "neutral"), (20, "ann", "neutral")]
    n = space.labels.n_labelled
    folder = space.folder
    space.close()
    with Workspace(folder) as again:
        assert again.labels.n_labelled == n
        assert (again.labels.codes[GONE[:2]] == UNLABELLED).all()


def test_a_label_file_that_names_a_removed_image_is_refused_as_of_a_stranger(space, tmp_path):
    names = ids_of(space, [3, 4])
    remove(space, Wanted(names[:1]), analyst="ann")
    (tmp_path / "l.csv").write_text("".join(["image,class\n", *(f"{name},copyright\n" for name in names)]))
    with pytest.raises(InputError, match="names an image that is not in this workspace"):
        import_labels(space, tmp_path / "l.csv", analyst="eve")
    assert space.labels.codes[3] == UNLABELLED


def test_the_same_bytes_are_refused_for_good_and_other_images_taken(space, tmp_path):
    more = tmp_path / "more"
    more.mkdir()
    photo(3).save(more / "again.png")
    photo(700).save(more / "new.png")
    own = Path(space.catalog.images.record(3)["path"])
    remove(space, Wanted(ids_of(space, GONE)), analyst="ann")
    for source in (more, own.parent):
        result = take_in(space, source)
        reasons = {Path(path).name: reason for path, reason in result.rejected}
        name = "again.png" if source == more else own.name
        assert reasons[name].startswith("this image was removed from the workspace on 20")
        assert reasons[name].endswith("and is not taken again")
    assert space.n_here == N - 3 + 1
    assert space.thumbnails.count() == space.n_here
    assert len(unplaced(space)) == 0  # the new one has no embedding yet


def test_a_near_duplicate_whose_first_image_was_removed_keeps_its_half_and_its_part(space):
    first, second, third = 5, 9, 30
    with space.lock:
        joined = {second: first, third: first}
        space.catalog.images.join_groups(joined, {first: bool(space.is_check[first])}, copies={})
        space.reload_groups()
    before = space.is_check[[second, third]].tolist(), space.live_part[[second, third]].tolist()
    sealed = space.sealed.copy()
    result = remove(space, Wanted(ids_of(space, [first])), analyst="ann")
    assert "2 near-duplicates of them stay." in result.sentence
    assert (space.is_check[[second, third]].tolist(), space.live_part[[second, third]].tolist()) == before
    np.testing.assert_array_equal(np.delete(space.sealed, first), np.delete(sealed, first))
    assert space.groups[[first, second, third]].tolist() == [first, second, second]
    assert space.columns.with_copies.tolist() == [second, third]
    assert space.n_copies == 1
    with space.lock:  # another one joins the group that is left
        space.catalog.images.join_groups({40: second}, {second: before[0][0]}, copies={})
        space.reload_groups()
    assert space.groups[[second, third, 40]].tolist() == [second] * 3
    folder = space.folder
    groups, live = space.groups.copy(), space.live_part.copy()
    space.close()
    with Workspace(folder) as again:
        np.testing.assert_array_equal(again.groups, groups)
        np.testing.assert_array_equal(again.live_part, live)
        assert again.groups[first] == first
        found = find(again, Wanted(ids_of(again, [third]), near_duplicates=True))
        assert found.rows.tolist() == [second, third, 40]


def test_a_source_goes_but_for_images_with_a_file_elsewhere(space, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    for folder, seeds in ((first, (800, 801, 802)), (second, (802,))):
        folder.mkdir()
        for seed in seeds:
            photo(seed).save(folder / f"s{seed}.png")
        take_in(space, folder)
    (tmp_path / "first-other").mkdir()  # begins with the same letters
    photo(803).save(tmp_path / "first-other" / "s803.png")
    take_in(space, tmp_path / "first-other")
    assert space.n_images == N + 4
    result = remove(space, Wanted(below=str(first)), analyst="ann")
    assert result.removed == 2
    assert "1 image stays, for it has a file elsewhere." in result.sentence
    assert space.n_here == N + 2


def test_images_whose_files_are_gone_are_found_and_a_file_of_names_is_read(space, tmp_path):
    moved = tmp_path / "moved"
    moved.mkdir()
    for seed in (810, 811):
        photo(seed).save(moved / f"g{seed}.png")
    take_in(space, moved)
    (moved / "g810.png").unlink()
    wanted = find(space, Wanted(gone=True))
    assert wanted.rows.tolist() == [N]
    (tmp_path / "names.txt").write_text(f"moved/g811.png\n\n{space.image_id(1)}\nmoved/none.png\n")
    found = find(space, Wanted(names_in(tmp_path / "names.txt")))
    assert found.rows.tolist() == [1, N + 1]
    assert found.unknown == (str(moved / "none.png"),)
    with pytest.raises(InputError, match=r"no image to remove \(/none\.png is of no image here\)"):
        remove(space, Wanted(["/none.png"]), analyst="ann")
    with pytest.raises(InputError, match="give a text file with an id or a path a line"):
        names_in(tmp_path / "missing.txt")


def test_maps_clusters_and_embeddings_go_on_without_removed_images(demo_400, tmp_path):
    from core.encoders.embed import embed

    with Workspace(shutil.copytree(demo_400, tmp_path / "w")) as space:
        project(space)
        cluster(space)
        found = clustering(space, "coarse")
        gone = np.unique([*found.rows(found.names[0])[:40].tolist(), *found.pictures[0].tolist()])
        mean = space.current.standardisation.mean.copy()
        remove(space, Wanted(ids_of(space, gone)), analyst="ann")
        here = np.setdiff1d(np.arange(400), gone)
        x = space.matrix.take(here)
        np.testing.assert_allclose(space.current.standardisation.mean, x.mean(axis=0), rtol=1e-3, atol=1e-4)
        assert np.abs(space.current.standardisation.mean - mean).max() > 0
        np.testing.assert_allclose(space.current.standardisation.scale, x.std(axis=0), rtol=1e-2)
        left = clustering(space, "coarse")
        assert not np.isin(gone, np.concatenate([left.rows(name) for name in left.names])).any()
        assert not np.isin(gone, np.concatenate(left.pictures)).any()
        assert sum(row.size for row in summaries(space, left)) == (left.codes >= 0).sum()
        result = project(space)
        assert result["images"] == len(here)
        assert np.isnan(space.xy[gone]).all()
        assert np.isfinite(space.xy[here]).all()
        neighbours = np.load(space.folder / result["neighbours"])
        assert neighbours.shape[0] == 400
        assert not np.isin(neighbours[here], gone).any()
        assert (neighbours[gone] == -1).all()
        found = embed(space, "random", device="cpu")
        assert found["images"] == len(here)
        assert not space.matrix.take(gone).any()
        assert space.matrix.take(here).any(axis=1).all()


def take_out_and_wait(folder: Path, names, stop, say) -> None:
    def step(done, total):
        say(done)
        if done == stop:
            say("waiting")
            time.sleep(600)

    with Workspace(folder) as space:
        remove(space, Wanted(names), analyst="ann", on_out=lambda: say("out"), on_progress=step)


@pytest.mark.parametrize("stop", [0, 1, 2])
def test_a_removal_that_is_killed_goes_on_and_is_never_half(small, stop):
    with Workspace(small) as space:
        found, names = traces(space, GONE), ids_of(space, GONE)
    here, there = FORKING.Pipe(duplex=False)
    process = FORKING.Process(target=take_out_and_wait, args=(small, names, stop, there.send))
    process.start()
    said = []
    while not said or said[-1] != "waiting":
        assert here.poll(120)
        said.append(here.recv())
    process.kill()
    process.join()
    assert said[0] == "out"
    with Workspace(small) as space:
        assert space.n_here == N - 3
        assert (space.labels.codes[GONE] == UNLABELLED).all()
        assert space.catalog.removals.to_erase().tolist() == GONE.tolist()
        result = remove(space, Wanted(), analyst="ann")
        assert result.removed == 3
        assert len(space.catalog.removals.to_erase()) == 0
        assert where(small, found) == set()
        erase(space)  # again changes nothing
        with pytest.raises(InputError, match="There is no image to remove"):
            remove(space, Wanted(names), analyst="ann")


def test_a_bulk_label_and_its_spot_checks_pass_over_removed_images(space):
    rows = np.flatnonzero(space.is_teach)[:20]
    shown = bulk.first_spot_check(space, rows, "neutral").shown
    result = bulk.SpotCheckResult(shown, np.array([], np.int64), None)
    how = {"analyst": "ann", "source": "lasso", "criterion": Criterion()}
    remove(space, Wanted(ids_of(space, rows[:2])), analyst="ann")
    given, label_ = bulk.label_bulk(space, rows, "neutral", result=result, **how)
    assert not np.isin(rows[:2], given.action.rows).any()
    left = np.setdiff1d(label_.rows, label_.spot_checked)
    remove(space, Wanted(ids_of(space, left[:1])), analyst="ann")
    more = bulk.further_spot_check(space, label_.token, rng=np.random.default_rng(0))
    assert sorted(more.shown) == sorted(left[1:])


def test_a_posted_picture_that_is_removed_leaves_no_file_and_posting_it_again_none(space, in_process):
    content = io.BytesIO()
    photo(901).save(content, "PNG")
    for again in (False, True):
        image_id, file = keep_picture(space.folder, content.getvalue(), "p.png")
        add_batch(space.folder, [file])
        ingest_batches(space, workers=1)
        if not again:
            assert space.row_of(image_id) == N
            remove(space, Wanted([image_id]), analyst="ann")
        assert not file.exists()
        assert standing(space, image_id).reason.startswith("this image was removed from the workspace on 20")
    assert space.n_images == N + 1
