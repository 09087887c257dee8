"""ZIP archives are unpacked safely: no path leaves, no bomb goes off, and what is refused is named with the reason."""

import io
import stat
import struct
import zipfile
import zlib

import pytest

from core.errors import InputError
from core.images.visits import content_id
from core.intake import archives, uploads
from core.intake.archives import keep_piece, unpack, whole_archive
from tests.shared import photo

KEY = "0" * 32


def picture(seed=1):
    file = io.BytesIO()
    photo(seed).save(file, "PNG")
    return file.getvalue()


def zipped(file, members, method=zipfile.ZIP_DEFLATED):
    """Write a ZIP archive of (name or ZipInfo, content)."""
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return file


def member(name, mode=0):
    found = zipfile.ZipInfo(name)
    found.external_attr = mode << 16
    return found


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "w").mkdir()
    return tmp_path / "w"


def unpacked(folder, tmp_path, members, **options):
    return unpack(folder, zipped(tmp_path / "a.zip", members, **options), "a.zip")


def kept(folder):
    """Return the kept pictures: ids by the name under which each is kept."""
    files = [file for file in (folder / uploads.FOLDER).rglob("*") if file.is_file() and file.suffix != ".json"]
    return {uploads.posted_name(folder, str(file)): content_id(file.read_bytes()) for file in files}


def test_pictures_are_kept_under_their_names_and_other_files_are_counted(folder, tmp_path):
    members = [("cats/1.png", picture(1)), ("cats/2.png", picture(2)), ("a.txt", b"hello"), ("b.TXT", b"hello"), ("c", b"\1\2")]
    found = unpacked(folder, tmp_path, [*members, ("empty/", b"")])
    assert kept(folder) == {"a/cats/1.png": content_id(picture(1)), "a/cats/2.png": content_id(picture(2))}
    assert found.sentence == "2 pictures unpacked. 3 other files in it are not pictures (2 .txt, 1 other)."
    assert len(list((folder / uploads.FOLDER / uploads.WAITING).iterdir())) == 1
    again = unpack(folder, tmp_path / "a.zip", "a.zip")
    assert (again.n_pictures, len(kept(folder))) == (2, 2)


@pytest.mark.parametrize("name", ["../out.png", "a/../../out.png", "/out.png", "..\\out.png", "C:\\out.png", "C:/out.png"])
def test_no_path_leaves_the_archive(folder, tmp_path, name):
    found = unpacked(folder, tmp_path, [(name, picture())])
    assert found.refused == [(name, "its path leaves the archive")]
    assert sorted(path.name for path in tmp_path.rglob("*.png")) == []


@pytest.mark.parametrize(
    "name", ["../out.png", "/etc/out.png", "a\0b/\x1b[31m.png", "..", "/", "é" * 300 + ".png", "a/" * 90 + "b.png"]
)
def test_a_posted_name_stays_inside_and_fits_every_disk(folder, name):
    image_id, file = uploads.keep_picture(folder, picture(), name)
    assert file.resolve().is_relative_to(folder / uploads.FOLDER / image_id[:2] / image_id)
    assert uploads.kept_file(folder, image_id) == file
    assert file.name.isprintable()
    uploads.forget_picture(folder, image_id)
    assert uploads.kept_file(folder, image_id) is None


def test_links_and_devices_are_refused(folder, tmp_path):
    modes = {"link.png": stat.S_IFLNK | 0o777, "pipe.png": stat.S_IFIFO | 0o644, "fine.png": stat.S_IFREG | 0o644}
    found = unpacked(
        folder,
        tmp_path,
        [(member(name, mode), b"/etc/passwd" if "fine" not in name else picture()) for name, mode in modes.items()],
    )
    assert [name for name, _ in found.refused] == ["link.png", "pipe.png"]
    assert found.n_pictures == 1


def patched(file, *changes):
    """Change bytes of an archive's members, in both places that name each: (offset in the local header, in the list, bytes)."""
    content = bytearray(file.read_bytes())
    for local, listed, new in changes:
        for sign, offset in ((b"PK\3\4", local), (b"PK\1\2", listed)):
            at = content.index(sign) + offset
            content[at : at + len(new)] = new
    file.write_bytes(content)
    return file


def test_encrypted_members_are_refused(folder, tmp_path):
    file = patched(zipped(tmp_path / "a.zip", [("a.png", picture(1)), ("b.png", picture(2))]), (6, 8, b"\1\0"))
    found = unpack(folder, file, "a.zip")
    assert found.refused == [("a.png", "it is encrypted; pack it without a password")]
    assert found.n_pictures == 1


def test_an_archive_in_the_archive_is_refused(folder, tmp_path):
    inner = zipped(tmp_path / "b.zip", [("b.png", picture())]).read_bytes()
    found = unpacked(folder, tmp_path, [("b.zip", inner), ("c.png", inner)])
    assert found.refused == [(name, "it is an archive in the archive; unpack it first") for name in ("b.zip", "c.png")]


def test_a_method_that_chooses_its_memory_is_refused(folder, tmp_path):
    found = unpacked(folder, tmp_path, [("a.png", picture())], method=zipfile.ZIP_LZMA)
    assert found.refused[0][1].startswith("it is packed by an unusual method")


def test_a_bomb_is_refused_by_its_ratio_before_anything_is_unpacked(folder, tmp_path):
    head = picture()
    with pytest.raises(
        InputError, match=r"a\.zip is not unpacked\. It would unpack to 60 MB, more than 100 times its own size"
    ):
        unpacked(folder, tmp_path, [(f"{i}.png", head + bytes(20 * 2**20)) for i in range(3)])
    assert kept(folder) == {}


def test_one_member_that_is_a_bomb_is_refused_by_ratio_or_size_and_the_rest_is_taken(folder, tmp_path, monkeypatch):
    noise = zipfile.ZipInfo("noise.bin"), photo(0, (600, 600)).tobytes()
    found = unpacked(folder, tmp_path, [("bomb.png", picture() + bytes(8 * 2**20)), ("a.png", picture()), noise])
    assert found.refused == [("bomb.png", "it would unpack to more than 100 times its packed size")]
    assert (found.n_pictures, found.passed_over) == (1, {".bin": 1})
    monkeypatch.setattr(archives, "LARGEST", 1_000)
    found = unpack(folder, zipped(tmp_path / "b.zip", [("a.png", picture() + bytes(1_000))]), "b.zip")
    assert "are accepted" in found.refused[0][1]


def test_a_member_that_lies_about_its_size_unpacks_to_no_more_than_it_says(folder, tmp_path):
    content = picture() + bytes(4 * 2**20)
    file = zipped(tmp_path / "a.zip", [("a.png", content)])
    patched(file, (22, 24, struct.pack("<I", len(picture()))))
    found = unpack(folder, file, "a.zip")
    assert found.refused == [("a.png", "it is damaged in the archive")]  # its checksum is that of the whole


def test_a_damaged_member_is_named_and_the_rest_is_taken(folder, tmp_path):
    content = picture(1)
    file = zipped(tmp_path / "a.zip", [("a.png", content), ("b.png", picture(2))], method=zipfile.ZIP_STORED)
    whole = file.read_bytes()
    file.write_bytes(whole.replace(content, content[:-9] + b"\0" * 9, 1))
    assert zlib.crc32(content) != zlib.crc32(content[:-9] + b"\0" * 9)
    found = unpack(folder, file, "a.zip")
    assert (found.refused, found.n_pictures) == ([("a.png", "it is damaged in the archive")], 1)


@pytest.mark.parametrize("content", [b"", b"PK", b"hello" * 100, None], ids=["empty", "two bytes", "text", "cut off"])
def test_what_is_no_archive_is_told_so(folder, tmp_path, content):
    file = zipped(tmp_path / "a.zip", [("a.png", picture())])
    file.write_bytes(file.read_bytes()[:-30] if content is None else content)
    with pytest.raises(InputError, match=r"^a\.zip is not unpacked: it is damaged, or not a ZIP archive; pack it again\.$"):
        unpack(folder, file, "a.zip")


def test_a_list_of_members_that_is_too_long_is_never_read(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "MOST_LISTED", 2_000)
    with pytest.raises(InputError, match=r"a\.zip is not unpacked\. It lists too many files"):
        unpacked(folder, tmp_path, [(f"{i}.png", b"") for i in range(50)])


def test_a_full_disk_stops_before_it_is_full(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(uploads, "SPARE", 2**62)
    with pytest.raises(OSError, match="No space left"):
        unpacked(folder, tmp_path, [("a.png", picture())])
    with pytest.raises(OSError, match="No space left"):
        keep_piece(folder, KEY, b"PK", at=0, of=4)


# -- pieces --


def test_pieces_make_a_whole_in_which_repeats_do_no_harm(folder):
    whole = bytes(range(100))
    assert keep_piece(folder, KEY, whole[:40], at=0, of=100) == 40
    assert keep_piece(folder, KEY, whole[:40], at=0, of=100) == 40  # its answer was lost
    assert keep_piece(folder, KEY, whole[80:], at=80, of=100) == 40  # what comes before is missing: send from there
    assert not whole_archive(folder, KEY).exists()
    assert keep_piece(folder, KEY, whole[40:], at=40, of=100) == 100
    assert whole_archive(folder, KEY).read_bytes() == whole
    assert keep_piece(folder, KEY, whole[40:], at=40, of=100) == 100
    assert [file.name for file in whole_archive(folder, KEY).parent.iterdir()] == [f"{KEY}.zip"]


@pytest.mark.parametrize(("at", "of", "n"), [(0, 0, 1), (-1, 9, 1), (8, 9, 2), (0, 2**50, 1), (0, 9, 0)])
def test_what_is_no_piece_is_refused(folder, at, of, n):
    with pytest.raises(InputError, match=r"ZIP archive of up to 100 GB"):
        keep_piece(folder, KEY, bytes(n), at=at, of=of)
    assert not (folder / uploads.FOLDER).exists()
