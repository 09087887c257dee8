"""Ingest of good, odd and hostile files; resumed after a kill; copies in one group."""

import io
import os
import signal
import struct
import subprocess
import sys
import time
import zlib
from concurrent.futures import Future
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from core.catalog.catalog import Catalog
from core.demo.cards import render_card
from core.encoders.embed import embed
from core.errors import InputError
from core.images.decode import decode, load_square, treat
from core.images.hashing import Grouper, perceptual_hash
from core.intake import ingest as ingest_module
from core.intake.ingest import ingest, list_folder
from core.overview import describe
from core.workers import CrashedError, TookTooLongError
from core.workspace import Workspace
from tests.waiting import wait_for


def picture(seed: int, size=(96, 72)) -> Image.Image:
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 255, (7, 9, 3), dtype=np.uint8)
    return Image.fromarray(small).resize(size, Image.Resampling.BICUBIC)


def encoded(image: Image.Image, format_: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format_, **options)
    return buffer.getvalue()


def png_claiming(width: int, height: int) -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 9)) + chunk(b"IEND", b"")


def hostile(folder: Path) -> int:
    """Write more than fifty files none of which is an image we take; return how many."""
    good = {f: encoded(picture(1), f) for f in ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")}
    suffix = {"JPEG": ".jpg", "PNG": ".png", "WEBP": ".webp", "GIF": ".gif", "BMP": ".bmp", "TIFF": ".tif"}
    files: dict[str, bytes] = {}
    for name, content in good.items():
        for share in (0.05, 0.3, 0.6):
            files[f"cut-{share}{suffix[name]}"] = content[: int(len(content) * share)]
        files[f"empty{suffix[name]}"] = b""
        files[f"text-{name}{suffix[name]}"] = b"<html><script>alert(1)</script></html>" * 9
        files[f"noise-{name}{suffix[name]}"] = np.random.default_rng(0).bytes(3_000)
    files["bomb.png"] = png_claiming(60_000, 60_000)
    files["bomb2.png"] = png_claiming(2_000_000_000, 2)
    files["flipped.png"] = good["PNG"][:60] + bytes([good["PNG"][60] ^ 255]) + good["PNG"][61:]
    files["vector.svg"] = b"<svg xmlns='http://www.w3.org/2000/svg'/>"
    files["program.exe"] = b"MZ" + bytes(500)
    files["archive.jpg"] = b"PK\x03\x04" + bytes(300)
    files["notes.txt"] = b"not an image"
    files["film.jpg"] = b"\0\0\0\x18ftypmp42" + bytes(300)
    files["page.jpg"] = b"<!doctype html><html>404</html>"
    files["paper.png"] = b"%PDF-1.7"
    files["stub.png"] = good["PNG"][:33]
    files["stub.jpg"] = good["JPEG"][:4]
    files["stub.gif"] = good["GIF"][:13]
    files["ring.tif"] = b"II*\0\x08\0\0\0\0\0\x08\0\0\0"
    files["line\nbreak.jpg"] = b"x"
    files["<script>.png"] = b"x"
    for name, content in files.items():
        (folder / name).write_bytes(content)
    os.mkfifo(folder / "pipe.png")
    (folder / "leaves.png").symlink_to("/etc/hostname")
    (folder / "nowhere.png").symlink_to(folder / "missing.png")
    (folder / "loop.png").symlink_to(folder / "loop.png")
    Path(os.fsdecode(os.fsencode(folder) + b"/bad\xff.png")).write_bytes(good["PNG"])
    (folder / "folder.png").mkdir()
    (folder / "round").symlink_to(folder)
    return len(files) + 5


def test_fifty_hostile_files_are_rejected_with_a_reason_and_good_ones_get_in(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    n_hostile = hostile(source)
    assert n_hostile >= 50
    for i in range(12):
        (source / f"good-{i}.png").write_bytes(encoded(picture(100 + i), "PNG"))
    with Workspace.create(tmp_path / "w") as space:
        result = ingest(space, source, workers=2)
        assert result.added == 12
        assert len(result.rejected) == n_hostile - 1
        assert result.passed_over == {".txt": 1}  # notes beside pictures are no news
        assert all(reason and "\n" not in reason for _, reason in result.rejected)
        assert all(space.thumbnails.get(i.decode()) for i in space.ids)
        again = ingest(space, source, workers=2)
        assert (again.added, again.already) == (0, 12 + n_hostile)
        assert again.rejected == result.rejected


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "LA", "CMYK", "1", "I;16"])
def test_every_mode_is_decoded_to_rgb(mode):
    base = picture(3)
    if mode == "I;16":
        image = Image.fromarray(np.asarray(base.convert("L")).astype(np.uint16) * 257)
    else:
        image = base.convert("L").convert(mode) if mode == "LA" else base.convert(mode)
    found = decode(encoded(image, "TIFF" if mode in ("CMYK", "I;16") else "PNG"))
    assert found.mode == "RGB"
    if mode in ("L", "LA", "I;16"):
        assert np.abs(np.asarray(found.convert("L"), int) - np.asarray(base.convert("L"), int)).max() <= 1


def test_exif_rotation_and_alpha():
    exif = Image.Exif()
    exif[0x0112] = 6
    assert decode(encoded(picture(1), "JPEG", exif=exif)).size == (72, 96)
    clear = Image.new("RGBA", (8, 8), (255, 0, 0, 0))
    assert decode(encoded(clear, "PNG")).getpixel((4, 4)) == (255, 255, 255)
    assert load_square(encoded(picture(1), "PNG"), 32).shape == (3, 32, 32)


def test_blur_takes_the_content_and_unknown_views_are_reported():
    stripes = Image.fromarray(np.tile(np.array([0, 255] * 32, np.uint8), (64, 1))).convert("RGB")
    assert np.asarray(treat(stripes, "blurred"))[16:-16, 16:-16].std() < 10
    assert np.asarray(treat(stripes, "clear")).std() > 100
    with pytest.raises(InputError, match="no view"):
        treat(stripes, "naked")


@pytest.mark.usefixtures("in_process")
def test_copies_share_a_group_and_the_same_bytes_are_one_image(tmp_path):
    source = tmp_path / "s"
    source.mkdir()
    for i in range(4):
        image = render_card(0, i)
        (source / f"{i}-a.png").write_bytes(encoded(image, "PNG"))
        (source / f"{i}-b.jpg").write_bytes(encoded(image, "JPEG", quality=40))
        (source / f"{i}-c.webp").write_bytes(encoded(image.resize((image.width // 2, image.height // 2)), "WEBP", quality=60))
        (source / f"{i}-d.png").write_bytes(encoded(image, "PNG"))
    with Workspace.create(tmp_path / "w") as space:
        result = ingest(space, source, workers=1)
        assert (result.added, result.duplicates) == (12, 4)
        groups = np.array(space.catalog.images.groups()).reshape(4, 3)
        assert (groups == groups[:, :1]).all()
        assert len(set(groups[:, 0])) == 4
        assert (space.is_check.reshape(4, 3) == space.is_check.reshape(4, 3)[:, :1]).all()


def hashes_with_near_ones(n):
    """Return n hashes, and n that differ from these in up to 39 bits."""
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 256, (n, 32), dtype=np.uint8)
    bits = np.unpackbits(codes, axis=1)
    for row in bits:
        row[rng.choice(256, rng.integers(0, 40), replace=False)] ^= 1
    return [*codes, *np.packbits(bits, axis=1)]


@pytest.mark.parametrize("pays", [10**9, 2_000])
def test_grouper_equals_brute_force(monkeypatch, pays):
    monkeypatch.setattr("core.images.hashing.INDEX_PAYS", pays)
    monkeypatch.setattr("core.images.hashing.COMPARED", 32)
    everything, grouper, leaders = hashes_with_near_ones(100), Grouper(), []
    for i, code in enumerate(everything):
        if i % 10 == 0:  # an ingest asks for a batch before it adds its images
            for asked in everything[i : i + 10]:
                grouper.near(asked.tobytes().hex())
        distances = [int(np.bitwise_count(code ^ everything[j]).sum()) for j in leaders]
        expected = str(leaders[int(np.argmin(distances))]) if distances and min(distances) <= 20 else str(i)
        assert grouper.add(str(i), code.tobytes().hex()) == expected
        if expected == str(i):
            leaders.append(i)
    assert (grouper._index is None) == (pays > 2_000)


def test_a_grouper_forgets_what_the_catalog_did_not_get():
    codes = [code.tobytes().hex() for code in np.random.default_rng(1).integers(0, 256, (4, 32), dtype=np.uint8)]
    kept = [("0", codes[0], None), ("1", codes[0], codes[0]), ("2", codes[2], codes[0])]
    grouper = Grouper()
    grouper.catch_up(lambda first: [kept[first:]])
    assert grouper.near(codes[0]) == ["0"]  # image 1 is within its reach
    assert grouper.near(codes[2]) == ["2"]  # found by its embedding, so it leads, too
    assert grouper.add("3", codes[3]) == "3"
    grouper.settle()
    assert grouper.near(codes[3]) == []
    kept.append(("4", codes[3], None))
    grouper.catch_up(lambda first: [kept[first:]] if first < len(kept) else [])
    assert grouper.near(codes[3]) == ["4"]
    assert grouper.near(codes[0]) == ["0"]


def test_different_pictures_do_not_share_a_hash():
    assert perceptual_hash(picture(1)) != perceptual_hash(picture(2))
    assert len(perceptual_hash(picture(1))) == 64


@pytest.mark.usefixtures("in_process")
def test_manifest_gives_gold_and_keeps_inside(tmp_path):
    (tmp_path / "a.png").write_bytes(encoded(picture(1), "PNG"))
    (tmp_path / "m.csv").write_text("path,label\na.png,cat\nmissing.png,dog\n../../etc/passwd,x\n")
    with Workspace.create(tmp_path / "w") as space:
        result = ingest(space, tmp_path / "m.csv", workers=1)
        assert result.added == 1
        assert {reason for _, reason in result.rejected} == {"there is no such file", "its path leaves the manifest's folder"}
        assert space.catalog.images.gold("label")[1] == ["cat"]
    (tmp_path / "later.csv").write_text("path,label,kind\na.png,lion,wild\n")
    with Workspace(tmp_path / "w") as space:
        assert ingest(space, tmp_path / "later.csv", workers=1).already == 1
        assert [space.catalog.images.gold(column)[1] for column in ("label", "kind")] == [["lion"], ["wild"]]
    (tmp_path / "bad.csv").write_text("name\nx\n")
    with Workspace(tmp_path / "w") as space, pytest.raises(InputError, match="needs a column 'path'"):
        ingest(space, tmp_path / "bad.csv")


def test_an_empty_or_missing_source_is_reported(tmp_path):
    (tmp_path / "empty").mkdir()
    with Workspace.create(tmp_path / "w") as space:
        with pytest.raises(InputError, match="no files"):
            ingest(space, tmp_path / "empty")
        with pytest.raises(InputError, match="There is no file"):
            ingest(space, tmp_path / "nothing")


INGEST = """
import sys
from pathlib import Path
from core.intake.ingest import ingest
from core.workspace import Workspace
with Workspace.create(Path(sys.argv[2])) as space:
    ingest(space, Path(sys.argv[1]), workers=int(sys.argv[3]), on_progress=lambda done, total: print(done, flush=True))
"""


def test_kill_9_at_random_moments_loses_and_doubles_nothing(tmp_path, start, chance):
    source = tmp_path / "s"
    source.mkdir()
    for i in range(900):
        (source / f"{i:04d}.png").write_bytes(encoded(picture(i), "PNG"))
    command = [sys.executable, "-c", INGEST, source, tmp_path / "w", "1"]
    for _ in range(2):
        process = start(command, stdout=subprocess.PIPE, text=True)
        process.stdout.readline()  # a batch is kept, or what an earlier run has kept was found
        time.sleep(chance.uniform(0, 0.3))
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert start(command, stdout=subprocess.DEVNULL).wait() == 0
    catalog = Catalog.of_file(tmp_path / "w" / "catalog.sqlite")
    paths = catalog.images.paths(0, 10_000)
    assert [Path(p).name for p in paths] == [f.name for f in sorted(source.iterdir())]
    catalog.close()
    with Workspace(tmp_path / "w", read_only=True) as space:
        assert space.n_images == len(set(space.ids)) == 900
        assert space.thumbnails.count() >= 900


def children(pid: int) -> list[int]:
    return [int(child) for task in Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split()]


def wait_for_readers(pid: int) -> list[int]:
    readers: list[int] = []

    def find() -> bool:
        readers[:] = [c for c in children(pid) if b"multiprocessing-fork" in Path(f"/proc/{c}/cmdline").read_bytes()]
        return bool(readers)

    wait_for(find, "no worker process was started")
    return readers


def is_running(pid: int) -> bool:
    """Tell whether a process works on; one that has ended may be listed until somebody asks for its end."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="reads /proc")
def test_readers_end_with_a_killed_parent_and_a_killed_reader_ends_nothing(tmp_path, start):
    source = tmp_path / "s"
    source.mkdir()
    for i in range(600):
        (source / f"{i:04d}.png").write_bytes(encoded(picture(i), "PNG"))
    command = [sys.executable, "-c", INGEST, source, tmp_path / "w", "2"]
    killed = start(command, stdout=subprocess.DEVNULL)
    readers = wait_for_readers(killed.pid)
    killed.kill()
    killed.wait()
    wait_for(lambda: not any(map(is_running, readers)), "a reader outlived its parent")
    process = start(command, stdout=subprocess.DEVNULL)
    os.kill(wait_for_readers(process.pid)[0], signal.SIGKILL)
    assert process.wait() == 0
    with Workspace(tmp_path / "w", read_only=True) as space:
        assert space.n_images == 600


@pytest.mark.usefixtures("in_process")
def test_a_hostile_manifest_is_rejected_line_by_line(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "b.png").write_bytes(encoded(picture(2), "PNG"))
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "a.png").write_bytes(encoded(picture(1), "PNG"))
    (inside / "door").symlink_to(outside)
    (inside / "loop").symlink_to(inside / "loop")
    lines = ["path", "a.png", "door/b.png", "nul\0.png", "loop/x.png", "a.png", "x" * 5_000 + ".png", '"line\nbreak.png"']
    (inside / "m.csv").write_text("\n".join(lines) + "\n")
    with Workspace.create(tmp_path / "w") as space:
        result = ingest(space, inside / "m.csv", workers=1)
        assert result.added == 1
        assert len(result.rejected) == 5
        assert any("behind a link" in reason for _, reason in result.rejected)


@pytest.mark.usefixtures("in_process")
def test_an_escaped_name_that_equals_another_file_is_no_crash(tmp_path):
    source = tmp_path / "s"
    source.mkdir()
    raw = os.fsencode(source) + b"/x\xff.png"
    Path(os.fsdecode(raw)).write_bytes(encoded(picture(1), "PNG"))
    (source / "x\\xff.png").write_bytes(encoded(picture(2), "PNG"))
    with Workspace.create(tmp_path / "w") as space:
        assert ingest(space, source, workers=1).added == 1


def test_a_damaged_exif_block_does_not_cost_the_picture():
    whole = encoded(picture(1), "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + bytes(20))
    assert decode(whole).size == (96, 72)


def test_links_inside_are_other_names_and_loops_end(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "a.png").write_bytes(encoded(picture(1), "PNG"))
    (tmp_path / "b.png").symlink_to(tmp_path / "deep" / "a.png")
    (tmp_path / "deep" / "up").symlink_to(tmp_path)
    found = list_folder(tmp_path)
    assert [(Path(f.path).name, f.reason) for f in found] == [("b.png", ""), ("a.png", "")]


@pytest.mark.usefixtures("in_process")
def test_pictures_get_in_whatever_they_are_called(tmp_path):
    source = tmp_path / "s"
    source.mkdir()
    named = {"a.png": "JPEG", "b.jpg": "WEBP", "0a1b2c": "PNG", "d.jpg_large": "JPEG", "e.avif": "AVIF", "f.txt": "GIF"}
    for number, (name, format_) in enumerate(named.items()):
        (source / name).write_bytes(encoded(picture(number), format_))
    with Workspace.create(tmp_path / "w") as space:
        result = ingest(space, source, workers=1)
        assert (result.added, result.rejected, result.passed_over) == (6, [], {})
        formats = {Path(r["path"]).name: r["format"] for r in (space.catalog.images.record(row) for row in range(6))}
        assert formats == named


@pytest.mark.usefixtures("in_process")
def test_companions_of_pictures_are_one_count_but_what_a_manifest_names_is_a_line(tmp_path):
    source = tmp_path / "s"
    source.mkdir()
    for number in range(3):
        (source / f"{number}.png").write_bytes(encoded(picture(number), "PNG"))
        (source / f"{number}.json").write_text("{}")
        (source / f"._{number}.png").write_bytes(b"\0\5\x16\7" + bytes(50))
    (source / ".DS_Store").write_bytes(b"\0\0\0\1Bud1" + bytes(50))
    (source / "film.mp4").write_bytes(b"\0\0\0\x18ftypmp42" + bytes(50))
    with Workspace.create(tmp_path / "w") as space:
        for already in (0, 3):
            result = ingest(space, source, workers=1)
            assert result.passed_over == {"._*": 3, ".json": 3, ".DS_Store": 1}
            assert [Path(path).name for path, _ in result.rejected] == ["film.mp4"]
            assert result.added + already == 3
        assert "7 other files are not pictures (3 ._*, 3 .json, 1 .DS_Store)" in result.sentence
        (source / "m.csv").write_text("path\n0.json\n")
        result = ingest(space, source / "m.csv", workers=1)
        assert [reason for _, reason in result.rejected] == ["it is text, not a picture"]


@pytest.mark.usefixtures("in_process")
def test_a_workspace_in_its_source_takes_none_of_its_own_files(tmp_path):
    (tmp_path / "a.png").write_bytes(encoded(picture(1), "PNG"))
    with Workspace.create(tmp_path / "w") as space:
        (tmp_path / "w" / "exports").mkdir()
        (tmp_path / "w" / "exports" / "x.json").write_text("{}")
        result = ingest(space, tmp_path, workers=1)
        assert (result.added, result.rejected, result.passed_over) == (1, [], {})


@pytest.mark.usefixtures("in_process")
def test_what_a_manifest_names_otherwise_is_found_or_explained(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.png").write_bytes(encoded(picture(1), "PNG"))
    lines = ["File_Name;Label", "sub\\a.png;x", "C:\\b.png;x", "https://e.org/c.png;x"]
    (tmp_path / "m.csv").write_text("\r\n".join(lines))
    with Workspace.create(tmp_path / "w") as space:
        result = ingest(space, tmp_path / "m.csv", workers=1)
        assert result.added == 1
        assert space.catalog.images.gold("label")[1] == ["x"]
        assert [reason.split(";")[0] for _, reason in result.rejected] == [
            "it is a path on a Windows drive",
            "it is a web address",
        ]
        (tmp_path / "bare.csv").write_text("sub/a.png\nsub/b.png\n")
        with pytest.raises(InputError, match="has no line with column names; put one above"):
            ingest(space, tmp_path / "bare.csv")


@pytest.mark.usefixtures("in_process")
def test_of_copies_with_several_answers_the_first_in_the_manifest_counts_and_it_is_reported(tmp_path):
    for name in "abcd":
        (tmp_path / f"{name}.png").write_bytes(encoded(picture(name == "d"), "PNG"))
    (tmp_path / "m.csv").write_text("path,label,kind\na.png,,\nb.png,cat,x\nc.png,dog,x\nd.png,cow,\nd.png,cow,y\n")
    with Workspace.create(tmp_path / "w") as space:
        for _ in range(2):  # also when all are known
            result = ingest(space, tmp_path / "m.csv", workers=2)
            assert space.catalog.images.gold("label")[1] == ["cat", "cow"]
            assert space.catalog.images.gold("kind")[1] == ["x", "y"]
            assert result.contradictions == 1
        assert "more than one answer for 1 image;" in result.sentence
    (tmp_path / "m.csv").write_text("path,label\nd.png,cow\nd.png,hen\n")
    with Workspace(tmp_path / "w") as space:
        assert ingest(space, tmp_path / "m.csv", workers=1).contradictions == 1


def test_a_slow_file_and_one_that_crashes_its_reader_are_rejected_and_the_rest_goes_on(tmp_path, monkeypatch):
    for number in range(4):
        (tmp_path / f"{number}.png").write_bytes(encoded(picture(number), "PNG"))
    ends = {"1.png": TookTooLongError("took more than 60 seconds"), "2.png": CrashedError("ended its process")}

    class Fails(ingest_module.Workers):
        def submit(self, function, *arguments):
            name = Path(arguments[0]).name if isinstance(arguments[0], str) else ""
            if name in ends:
                future = Future()
                future.set_exception(ends[name])
                return future
            return super().submit(function, *arguments)

    monkeypatch.setattr(ingest_module, "Workers", Fails)
    with Workspace.create(tmp_path / "w") as space:
        result = ingest(space, tmp_path, workers=1)
        assert result.added == 2
        assert [(Path(path).name, reason) for path, reason in result.rejected] == [
            ("1.png", "decoding it took more than 60 seconds"),
            ("2.png", "decoding it ended its process"),
        ]
        assert ingest(space, tmp_path, workers=1).already == 4  # and they are not tried again


@pytest.mark.usefixtures("in_process")
def test_moving_pictures_are_counted_and_reported(tmp_path):
    frames = [Image.new("RGB", (40, 30), colour) for colour in ("blue", "red", "green")]
    (tmp_path / "a.gif").write_bytes(encoded(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=50))
    (tmp_path / "b.png").write_bytes(encoded(picture(1), "PNG"))
    with Workspace.create(tmp_path / "w") as space:
        result = ingest(space, tmp_path, workers=1)
        assert result.moving == 1
        assert "1 animated or multi-page picture is shown as a mosaic of up to four frames" in result.sentence
        assert space.catalog.images.frames(0) == (3, 3)
        assert space.catalog.images.frames(1) == (1, 1)
        assert describe(space, 0)["frames"] == 3
        picture_ = Image.open(io.BytesIO(space.picture(space.image_id(0), "clear"))).convert("RGB")
        assert {max(range(3), key=colour.__getitem__) for _, colour in picture_.getcolors(10_000) if min(colour) < 99} == {
            0,
            1,
            2,
        }


@pytest.mark.usefixtures("in_process")
def test_more_plain_and_written_pages_than_a_hash_tells_apart_are_images_of_their_own(tmp_path):
    font = ImageFont.load_default(20)
    words = ["alpha beta", "gamma delta", "page 1", "page 2"]
    for number, line in enumerate(words):
        page = Image.new("RGB", (400, 500), "white")
        ImageDraw.Draw(page).text((40, 200), line, fill="black", font=font)
        (tmp_path / f"page-{number}.png").write_bytes(encoded(page, "PNG"))
        (tmp_path / f"page-{number}.webp").write_bytes(encoded(page.resize((300, 375)), "WEBP", quality=60))
    for colour in ("red", "blue", "white"):
        (tmp_path / f"{colour}.png").write_bytes(encoded(Image.new("RGB", (90, 60), colour), "PNG"))
    for angle in (0, 180):
        slope = Image.linear_gradient("L").rotate(angle)
        (tmp_path / f"slope-{angle}.png").write_bytes(encoded(slope, "PNG"))
    with Workspace.create(tmp_path / "w") as space:
        ingest(space, tmp_path, workers=2)
        names = [Path(path).name for path in space.catalog.images.paths(0, space.n_images)]
        groups = dict(zip(names, space.groups.tolist(), strict=True))
        assert len({group for name, group in groups.items() if not name.startswith("page")}) == 5
        assert len({groups[f"page-{number}.png"] for number in range(4)}) == 4
        assert all(groups[f"page-{number}.png"] == groups[f"page-{number}.webp"] for number in range(4))
        embed(space, "pixels-pca", device="cpu")  # and by their embeddings no more
        assert len(set(space.groups.tolist())) == 9
