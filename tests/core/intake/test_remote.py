"""Pictures of stores and web servers: ingested once, fetched again for large views and embeddings, archives unpacked safely."""

import datetime
import io
import zipfile

import numpy as np
import pytest
from PIL import Image

from core.encoders.embed import embed
from core.errors import InputError
from core.images.visits import FileState, state_of
from core.intake.ingest import ingest
from core.intake.remote import ingest_remote
from core.intake.remove import Wanted, remove
from core.intake.sources import job_of
from core.labels.exchange import import_labels
from core.remote.troubles import RemoteError, Trouble
from core.store.files import shown
from core.workspace import Workspace
from tests.elsewhere import THEN, elsewhere, web  # noqa: F401
from tests.shared import photo

LATER = THEN + datetime.timedelta(hours=1)
pytestmark = pytest.mark.usefixtures("in_process")


def encoded(seed, size=(320, 240)):
    file = io.BytesIO()
    photo(seed, size).save(file, "PNG")
    return file.getvalue()


def zipped(members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def take(space, address):
    stages = []
    said, result = ingest_remote(space, address, on_stage=lambda name: lambda done, total: stages.append((name, done, total)))
    take.stages = stages
    return said, result


def size(content):
    return Image.open(io.BytesIO(content)).size


@pytest.fixture
def space(tmp_path):
    with Workspace.create(tmp_path / "w", salt="s") as made:
        yield made


@pytest.fixture
def bucket(elsewhere):  # noqa: F811
    """A store with five pictures and a text below `a/`."""
    for i in range(5):
        elsewhere.put(f"pictures/a/{i}.png", encoded(i))
    elsewhere.put("pictures/a/readme.txt", b"Hello, these are pictures.")
    return elsewhere


@pytest.mark.parametrize("scheme", ["s3", "gs", "az"])
def test_a_folder_of_a_bucket_is_ingested_and_later_only_what_is_new(bucket, space, scheme):
    _, result = take(space, f"{scheme}://pictures/a/")
    assert (result.added, len(result.rejected), result.passed_over) == (5, 0, {".txt": 1})
    assert take.stages[-1] == ("Reading pictures", 6, 6)
    assert space.catalog.images.paths(0, 5) == [f"{scheme}://pictures/a/{i}.png" for i in range(5)]
    bucket.fetched()
    assert take(space, f"{scheme}://pictures/a")[1].already == 6
    assert bucket.fetched() == []  # a listing tells that nothing has changed
    bucket.put("pictures/a/5.png", encoded(5))
    bucket.put("pictures/a/0.png", encoded(100), LATER)
    result = take(space, f"{scheme}://pictures/a")[1]
    assert (result.added, result.already, result.lost) == (2, 5, 1)
    assert sorted(bucket.fetched()) == ["pictures/a/0.png", "pictures/a/5.png"]
    assert space.n_images == 7


def test_what_cannot_be_taken_is_listed_with_the_reason(bucket, space, monkeypatch):
    monkeypatch.setattr("core.intake.fetching.LARGEST", 300_000)
    bucket.put("pictures/a/broken.png", encoded(9)[:300])
    bucket.put("pictures/a/empty.png", b"")
    bucket.put("pictures/a/film.mp4", b"\0\0\0\x18ftypisom" + bytes(400_000))
    bucket.put("pictures/a/large.png", encoded(8) + bytes(400_000))
    bucket.put("pictures/a/private.png", encoded(7))
    bucket.refused.add("pictures/a/private.png")
    _, result = take(space, "s3://pictures/a")
    reasons = {path.rpartition("/")[2]: reason for path, reason in result.rejected}
    assert result.added == 5
    assert reasons["private.png"] == "you may not read it"
    assert reasons["film.mp4"].startswith("it is a video")
    assert "pictures of up to 0 MB are fetched" in reasons["large.png"]
    assert set(reasons) == {"private.png", "film.mp4", "large.png", "broken.png", "empty.png"}
    bucket.refused.clear()
    bucket.fetched()
    assert take(space, "s3://pictures/a")[1].added == 1  # what was refused is tried again, broken files are not
    assert bucket.fetched() == ["pictures/a/private.png"]


def test_an_ingest_whose_store_fails_keeps_what_it_has_and_goes_on(bucket, space):
    bucket.busy.add("pictures/a/3.png")
    with pytest.raises(RemoteError, match="run the same command again, which goes on from there"):
        take(space, "s3://pictures/a")
    assert space.catalog.images.count() == 3
    bucket.busy.clear()
    bucket.fetched()
    _, result = take(space, "s3://pictures/a")
    assert (result.added, result.already) == (2, 3)
    assert sorted(bucket.fetched()) == ["pictures/a/3.png", "pictures/a/4.png", "pictures/a/readme.txt"]
    assert space.n_images == 5


def test_an_object_that_changes_between_listing_and_reading_is_left_for_the_next_time(bucket, space):
    longer = [encoded(50, (400, 400))]
    bucket.on_get = lambda name: longer and name.endswith("/2.png") and bucket.put(name, longer.pop(), LATER)
    _, result = take(space, "s3://pictures/a")
    assert [reason for _, reason in result.rejected] == ["it changed while it was read; the next ingest reads it again"]
    assert take(space, "s3://pictures/a")[1].added == 1
    assert space.n_images == 5


def test_a_large_view_fetches_the_original_and_says_if_it_is_gone(bucket, space):
    take(space, "s3://pictures/a")
    bucket.fetched()
    name, files = space.image_id(0), space.catalog.images.files_of([0])[0]
    assert size(space.picture(name, "clear")) == size(space.picture(name, "blurred")) == (320, 240)
    assert bucket.fetched() == ["pictures/a/0.png"]  # once for both
    assert space.looks.note(files) == ""
    assert space.looks.last(name)
    del bucket.objects["pictures/a/1.png"]
    assert max(size(space.picture(space.image_id(1), "clear"))) <= 128
    assert space.looks.note(space.catalog.images.files_of([1])[0]) == "its original is gone or changed: this is its thumbnail"
    assert not space.looks.last(space.image_id(1))  # no browser keeps the thumbnail in its place
    bucket.put("pictures/a/2.png", encoded(77))  # the same size, time and name, but another picture
    assert max(size(space.picture(space.image_id(2), "clear"))) <= 128
    bucket.busy.add("pictures/a/3.png")
    assert max(size(space.picture(space.image_id(3), "clear"))) <= 128
    assert "cannot be fetched now" in space.looks.note(space.catalog.images.files_of([3])[0])
    bucket.fetched()
    space.picture(space.image_id(3), "clear")
    assert bucket.fetched() == []  # a failure counts for a while: many looks do not wait for it one by one


def test_looks_keep_little_and_a_failure_not_for_long(bucket, space, monkeypatch):
    take(space, "s3://pictures/a")
    bucket.fetched()
    monkeypatch.setattr("core.catalog.originals.KEPT_BYTES", sum(len(encoded(i)) for i in range(3)) - 1)
    for row in (0, 1, 2, 1, 0):
        space.picture(space.image_id(row), "clear")
    assert [name[-5] for name in bucket.fetched()] == ["0", "1", "2", "0"]
    monkeypatch.setattr("core.catalog.originals.KEPT_SECONDS", 0.0)
    bucket.busy.add("pictures/a/3.png")
    assert max(size(space.picture(space.image_id(3), "clear"))) <= 128
    bucket.busy.clear()
    assert size(space.picture(space.image_id(3), "clear")) == (320, 240)


def test_embedding_fetches_originals_and_waits_for_a_store_that_fails(bucket, space, tmp_path):
    take(space, "s3://pictures/a")
    for i in range(5):
        (tmp_path / f"{i}.png").write_bytes(encoded(i))
    bucket.busy.add("pictures/a/3.png")
    with pytest.raises(RemoteError, match="goes on from there"):
        embed(space, "pixels-pca")
    bucket.busy.clear()
    del bucket.objects["pictures/a/4.png"]
    bucket.fetched()
    result = embed(space, "pixels-pca")
    assert (result["embedded"], result["from_thumbnails"]) == (5, 1)
    assert {"pictures/a/0.png", "pictures/a/3.png"} <= set(bucket.fetched())
    with Workspace.create(tmp_path / "here", salt="s") as here:
        ingest(here, tmp_path, workers=1)
        local = here.originals().load(range(4), 32)
        assert np.array_equal(space.originals().load(range(4), 32), local)


def test_copies_are_found_among_originals_elsewhere(bucket, space):
    image = Image.open(io.BytesIO(encoded(3, (640, 480))))
    file = io.BytesIO()
    image.resize((600, 450)).save(file, "JPEG", quality=90)
    bucket.put("pictures/a/smaller.jpg", file.getvalue())
    bucket.put("pictures/a/3.png", encoded(3, (640, 480)))
    take(space, "s3://pictures/a")
    assert space.n_copies == 1


def test_images_are_gone_only_if_the_store_says_so(bucket, space):
    take(space, "s3://pictures/a")
    del bucket.objects["pictures/a/0.png"]
    bucket.busy.add("pictures/a/1.png")
    assert state_of(space.catalog.images.files_of([1])[0]) == FileState.UNKNOWN
    assert remove(space, Wanted(gone=True), analyst="ann").removed == 1
    bucket.busy.clear()
    bucket.put("pictures/a/1.png", encoded(1), LATER)  # written again, the same bytes
    bucket.put("pictures/a/2.png", encoded(70), LATER)
    states = [state_of(files) for files in space.catalog.images.files_of(range(1, 5))]
    assert states == [FileState.HERE, FileState.CHANGED, FileState.HERE, FileState.HERE]
    result = remove(space, Wanted(["s3://pictures/a/3.png"]), analyst="ann")
    assert result.removed == 1
    assert remove(space, Wanted(below="s3://pictures/a"), analyst="ann").removed == 3
    assert take(space, "s3://pictures/a")[1].rejected[0][1].startswith("this image was removed")


def test_a_file_on_this_computer_is_read_rather_than_fetched(bucket, space, tmp_path):
    take(space, "s3://pictures/a")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "0.png").write_bytes(encoded(0))
    result = ingest(space, tmp_path / "in", workers=1)
    assert (result.duplicates, result.followed) == (1, 1)
    bucket.fetched()
    assert size(space.picture(space.image_id(0), "clear")) == (320, 240)
    assert bucket.fetched() == []


def test_labels_name_images_by_address_or_below_the_bucket(bucket, space, tmp_path):
    take(space, "s3://pictures/a")
    rows = ["image,class", "s3://pictures/a/0.png,copyright", "1.png,neutral"]
    (tmp_path / "l.csv").write_text("\n".join(rows) + "\n")
    assert import_labels(space, tmp_path / "l.csv", analyst="ann").actions
    assert space.labels.n_labelled == 2


def test_lost_thumbnails_are_made_again_from_the_store(bucket, space):
    take(space, "s3://pictures/a")
    before = space.thumbnails.get(space.image_id(0))
    space.thumbnails.erase([space.image_id(0), space.image_id(1)])
    del bucket.objects["pictures/a/1.png"]
    _, result = take(space, "s3://pictures/a")
    assert result.thumbnails_lost == 1
    assert space.thumbnails.get(space.image_id(0)) == before


def test_a_picture_of_a_web_server_is_ingested_and_fetched_again(bucket, space):
    bucket.put("web/ein bild.png", encoded(20))
    for silent in (False, True):  # some servers do not say how long a file is
        bucket.silent = silent
        _, result = take(space, web(bucket, "web/ein bild.png"))
    assert (space.n_images, result.already) == (1, 1)
    assert size(space.picture(space.image_id(0), "clear")) == (320, 240)


@pytest.mark.parametrize("scheme", ["http", "s3"])
def test_an_archive_is_downloaded_unpacked_and_forgotten(bucket, space, scheme):
    members = {"cats/1.png": encoded(30), "cats/2.png": encoded(31), "../out.png": encoded(32), "a.txt": b"hello"}
    for name in ("web/all.zip", "pictures/all.zip"):
        bucket.put(name, zipped(members))
    bucket.cuts = 2
    said, result = take(space, web(bucket, "web/all.zip") if scheme == "http" else "s3://pictures/all.zip")
    assert said.startswith("2 pictures unpacked. 1 other file in it is not a picture (1 .txt). Refused: ../out.png")
    assert result.added == space.n_images == 2
    assert [*dict.fromkeys(name for name, *_ in take.stages)] == [
        "Listing files",
        "Downloading",
        "Unpacking",
        "Reading pictures",
    ]
    assert not list((space.folder / "uploads" / "archives").iterdir())
    bucket.objects.clear()
    assert size(space.picture(space.image_id(0), "clear")) == (320, 240)  # these originals are kept here


def test_an_archive_or_page_that_is_no_good_is_refused_in_one_sentence(bucket, space):
    bucket.put("web/bomb.zip", zipped({"0.png": bytes(40_000_000)}))
    bucket.put("web/empty.zip", zipped({"a.txt": b"x"}))
    bucket.put("web/page.html", b"<!doctype html><html>Log in</html>")
    bucket.put("web/nothing.zip", b"")
    with pytest.raises(InputError, match="more than 100 times its own size"):
        take(space, web(bucket, "web/bomb.zip"))
    with pytest.raises(InputError, match="is not ingested: it is a web page"):
        take(space, web(bucket, "web/page.html"))
    with pytest.raises(InputError, match="it is empty"):
        take(space, web(bucket, "web/nothing.zip"))
    assert take(space, web(bucket, "web/empty.zip"))[0].startswith("0 pictures unpacked")
    with pytest.raises(RemoteError) as failed:
        take(space, web(bucket, "web/none.zip"))
    assert failed.value.trouble == Trouble.GONE
    assert not list((space.folder / "uploads" / "archives").glob("*"))
    assert space.n_images == 0


def test_pages_and_programs_cannot_make_the_server_fetch(bucket, space, tmp_path):
    bucket.put("web/a.png", encoded(1))
    for address in (web(bucket, "web/a.png"), "s3://pictures/a", "http://user:secret@169.254.169.254/latest"):
        with pytest.raises(InputError, match="only the command line fetches") as refused:
            job_of(space.folder, tmp_path, address)
        assert "secret" not in str(refused.value)
    (tmp_path / "list.csv").write_text(f"path\n{web(bucket, 'web/a.png')}\n")
    result = ingest(space, tmp_path / "list.csv", workers=1)
    assert [shown(reason) for _, reason in result.rejected] == ["it is a web address; download the file and give its path"]
    assert bucket.fetched() == []
