"""A path is not an image: replaced, moved, gone and touched files; which picture is shown, embedded and labelled."""

import io
import os
import shutil
import sqlite3
from contextlib import closing

import numpy as np
import pytest
from PIL import Image

from core.catalog.originals import count_files, thumbnails_sentence
from core.demo.cards import render_card
from core.doctor.health import workspace_report
from core.duplicates.search import find_copies
from core.encoders.embed import embed
from core.images.decode import WEBP_SIDE
from core.overview import describe
from core.workers import TookTooLongError
from core.workspace import Workspace
from tests.reading import take_in

pytestmark = pytest.mark.usefixtures("in_process")


def picture(seed, size=(320, 240)):
    rng = np.random.default_rng(seed)
    return Image.fromarray(rng.integers(0, 255, (6, 8, 3), np.uint8)).resize(size, Image.Resampling.BICUBIC)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder of four pictures and a workspace of it."""
    folder = tmp_path_factory.mktemp("identity")
    (folder / "in").mkdir()
    for number in range(4):
        picture(number).save(folder / "in" / f"{number}.png")
    with Workspace.create(folder / "w") as space:
        take_in(space, folder / "in")
    return folder


@pytest.fixture
def placed(made, tmp_path):
    """The pictures, and a workspace that has seen them where they lie now."""
    source, folder = tmp_path / "in", tmp_path / "w"
    shutil.copytree(made / "in", source)
    shutil.copytree(made / "w", folder)
    connection = sqlite3.connect(folder / "catalog.sqlite")
    for table in ("images", "paths"):
        connection.execute(f"UPDATE {table} SET path = replace(path, ?, ?)", (str(made), str(tmp_path)))
    connection.commit()
    connection.close()
    with Workspace(folder) as space:
        yield source, space


def mean(webp):
    return np.asarray(Image.open(io.BytesIO(webp)).convert("RGB"), float).mean(axis=(0, 1))


def size(webp):
    return Image.open(io.BytesIO(webp)).size


def shows(space, row, seed):
    """Tell whether the large picture and the pixels to embed of a row are a picture's, in full size or small."""
    wanted = np.asarray(picture(seed).resize((32, 24)), float)
    shown = np.asarray(
        Image.open(io.BytesIO(space.picture(space.image_id(row), "clear"))).convert("RGB").resize((32, 24)), float
    )
    square = space.originals(np.array([row])).load([0], 24)[0].astype(float)
    middle = np.asarray(picture(seed).resize((32, 24)).crop((4, 0, 28, 24)), float).transpose(2, 0, 1)
    return np.abs(shown - wanted).mean() < 12 and np.abs(square - middle).mean() < 16


def test_a_replaced_file_is_a_new_image_and_the_old_one_shows_its_thumbnail(placed):
    source, space = placed
    picture(9).save(source / "0.png")
    assert shows(space, 0, 0)  # before it was looked at again
    result = take_in(space, source)
    assert (result.added, result.already, result.lost) == (1, 3, 1)
    assert "The files of 1 image have been replaced by other pictures" in result.sentence
    assert shows(space, 0, 0)
    assert shows(space, 4, 9)
    assert size(space.picture(space.image_id(0), "clear"))[0] <= 128
    assert describe(space, 0)["file"] == "its file is gone"
    assert space.catalog.images.rows_by_name()[str(source / "0.png")] == 4  # imports by path mean what lies there
    picture(0).save(source / "0.png")  # put back
    result = take_in(space, source)
    assert (result.added, result.duplicates, result.followed, result.lost) == (0, 1, 1, 1)
    assert size(space.picture(space.image_id(0), "clear")) == (320, 240)
    assert describe(space, 0)["file"] == "0.png"
    assert space.catalog.images.rows_by_name()[str(source / "0.png")] == 0


def test_a_picture_comes_large_enough_to_read_or_with_every_pixel(placed):
    source, space = placed
    picture(7).resize((2_000, 1_500)).save(source / "large.png")
    take_in(space, source)
    large = space.image_id(4)
    assert size(space.picture(large, "blurred")) == (1_200, 900)
    assert size(space.picture(large, "blurred", max_side=WEBP_SIDE)) == (2_000, 1_500)


def test_a_replaced_file_whose_image_lies_elsewhere_too_is_shown_from_there(placed):
    source, space = placed
    shutil.copy(source / "1.png", source / "copy.png")
    assert take_in(space, source).duplicates == 1
    picture(9).save(source / "1.png")
    assert take_in(space, source).lost == 0
    assert size(space.picture(space.image_id(1), "clear")) == (320, 240)
    assert space.catalog.images.record(1)["path"].endswith("copy.png")


def test_a_file_replaced_by_what_is_no_picture_leaves_the_thumbnail(placed):
    source, space = placed
    (source / "2.png").write_bytes(b"gone")
    result = take_in(space, source)
    assert (len(result.rejected), result.lost) == (1, 1)
    assert shows(space, 2, 2)


def test_a_touched_file_is_the_same_image_and_so_is_a_copied_folder(placed):
    source, space = placed
    os.utime(source / "1.png", (1, 1))
    assert size(space.picture(space.image_id(1), "clear")) == (320, 240)
    assert count_files(space.catalog, space.n_images) == {"here": 4, "changed": 0, "gone": 0}
    result = take_in(space, source)
    assert (result.added, result.already, result.lost) == (0, 3, 0)


def test_a_file_of_the_same_size_and_another_time_is_judged_by_its_content(placed):
    source, space = placed
    found = os.stat(source / "1.png")
    content = bytearray((source / "1.png").read_bytes())
    content[-20] ^= 1
    (source / "1.png").write_bytes(content)
    os.utime(source / "1.png", ns=(1, found.st_mtime_ns + 1))
    assert size(space.picture(space.image_id(1), "clear"))[0] <= 128
    assert count_files(space.catalog, space.n_images)["changed"] == 1


def test_a_moved_folder_is_found_again_at_its_new_place(placed):
    source, space = placed
    moved = source.with_name("moved")
    source.rename(moved)
    assert count_files(space.catalog, space.n_images)["gone"] == 4
    result = take_in(space, moved)
    assert (result.added, result.duplicates, result.followed) == (0, 4, 4)
    assert "4 exact copies of known images (4 of them found again at a new path)" in result.sentence
    assert space.catalog.images.paths(0, 4) == [str(moved / f"{n}.png") for n in range(4)]
    assert size(space.picture(space.image_id(3), "clear")) == (320, 240)
    moved.rename(source)  # and back, without a further ingest
    assert size(space.picture(space.image_id(3), "clear")) == (320, 240)
    assert workspace_report(space)[0].startswith("4 images have no embedding")


def test_embedding_says_how_many_it_took_from_thumbnails_and_so_does_doctor(placed):
    source, space = placed
    (source / "0.png").unlink()
    picture(9).save(source / "1.png")
    result = embed(space, "pixels-pca", device="cpu")
    assert result["from_thumbnails"] == 2
    assert "2 of 4 images were read from a 128 px thumbnail" in thumbnails_sentence(2, 4)
    assert thumbnails_sentence(0, 4) == ""
    assert any("The files of 1 image are gone, and those of 1 have changed" in p for p in workspace_report(space))


def test_a_lost_thumbnail_that_no_file_can_replace_is_counted_and_reported(placed):
    source, space = placed
    with closing(sqlite3.connect(space.folder / "thumbnails.sqlite")) as connection, connection:
        connection.execute("DELETE FROM thumbnails WHERE id IN (?, ?)", (space.image_id(0), space.image_id(1)))
    (source / "0.png").unlink()
    result = take_in(space, source)
    assert result.thumbnails_lost == 1  # the other one is rebuilt from its file
    assert "1 thumbnail is missing, and no file can replace it" in result.sentence


def test_near_duplicates_that_could_not_be_compared_are_counted_and_reported(placed, monkeypatch):
    source, space = placed

    class Failing:
        def result(self):
            raise TookTooLongError("took more than 60 seconds")

    monkeypatch.setattr("core.intake.ingest._Copies._ask", lambda *_: Failing())
    for number in (0, 1):
        for suffix in ("png", "webp"):
            render_card(5, number).save(source / f"card-{number}.{suffix}")
    result = take_in(space, source)
    assert (result.added, result.uncompared) == (4, 2)
    assert "2 pairs of images that may be near-duplicates could not be compared and are treated as" in result.sentence
    assert space.n_copies == 0


def test_near_duplicates_compared_by_thumbnails_are_counted_in_one_warning_without_names(placed, caplog):
    source, space = placed
    picture(0).crop((4, 4, 316, 236)).save(source / "crop.png")
    take_in(space, source)
    embed(space, "pixels-pca", device="cpu")
    assert "compared by thumbnails" not in caplog.text
    with space.catalog.database.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM copy_searches")
        connection.exec_driver_sql('UPDATE images SET "group" = id')
    space.reload()
    (source / "crop.png").unlink()
    find_copies(space)
    (warning,) = [record for record in caplog.records if "compared by thumbnails" in record.message]
    assert warning.levelname == "WARNING"
    assert warning.pairs == 1
    assert "crop" not in str(vars(warning))


def test_gold_of_a_replaced_file_goes_to_the_new_image(placed):
    source, space = placed
    picture(9).save(source / "0.png")
    (source / "m.csv").write_text("path,label\n0.png,new\n1.png,old\n")
    take_in(space, source / "m.csv")
    rows, values = space.catalog.images.gold("label")
    assert dict(zip(rows.tolist(), values, strict=True)) == {1: "old", 4: "new"}


def test_a_link_shows_what_it_leads_to_now(placed):
    source, space = placed
    (source / "link.png").symlink_to(source / "1.png")
    take_in(space, source)
    assert space.catalog.images.rows_by_name()[str(source / "link.png")] == 1
    (source / "link.png").unlink()
    (source / "link.png").symlink_to(source / "2.png")
    take_in(space, source)
    assert space.catalog.images.rows_by_name()[str(source / "link.png")] == 2


def test_plain_embed_goes_on_with_the_encoder_of_an_older_workspace(placed):
    source, space = placed
    first = embed(space, "pixels-pca", device="cpu")["encoder"]
    with closing(sqlite3.connect(space.folder / "catalog.sqlite")) as connection, connection:  # as versions before kept it
        connection.execute("UPDATE encoders SET record = json_remove(record, '$.source', '$.asked_size')")
    picture(9).save(source / "9.png")
    take_in(space, source)
    again = embed(space, device="cpu")
    assert (again["encoder"], again["embedded"]) == (first, 1)


def test_plain_embed_refuses_weights_that_have_changed(placed):
    from core.encoders.encoder import load_encoder
    from core.errors import EncoderError

    _, space = placed
    weights = space.folder / "models" / "mine.safetensors"
    weights.parent.mkdir()
    load_encoder("random", device="cpu").save(weights)
    name = embed(space, str(weights), device="cpu")["encoder"]
    load_encoder("msn-demo", device="cpu").save(weights)  # trained again
    with pytest.raises(EncoderError, match="moved or changed"):
        embed(space, device="cpu")
    assert space.encoder_name == name
