"""Mutated picture files: whatever they claim, a reader answers, keeps to its memory and to its time."""

import io
import struct

import numpy as np
import pytest
from PIL import Image

from core.images.examine import FileRead, prepare, read_file
from core.workers import MEMORY, CrashedError, TookTooLongError, Workers

FORMATS = ("TIFF", "GIF", "WEBP", "PNG", "AVIF", "JPEG", "BMP", "ICO", "HEIF")
NASTY = (0, 1, 0x7F, 0x80, 0xFF)


def good(format_, rng, *, moving):
    """Return a small file, still or moving, of one of the ways its format is written."""
    if format_ == "HEIF":
        from pillow_heif import register_heif_opener

        register_heif_opener()
    frames = [Image.fromarray(rng.integers(0, 255, (24, 30, 3), np.uint8)) for _ in range(3 if moving else 1)]
    options = {"TIFF": {"compression": str(rng.choice(["raw", "tiff_lzw", "tiff_adobe_deflate", "jpeg", "packbits"]))}}
    buffer = io.BytesIO()
    more = (
        {"save_all": True, "append_images": frames[1:]} if moving and format_ in ("GIF", "WEBP", "PNG", "AVIF", "TIFF") else {}
    )
    frames[0].save(buffer, format_, **options.get(format_, {}), **more)
    return buffer.getvalue()


def mutated(content, rng):
    """Change some bytes, mostly in the header, some of them to large numbers; sometimes cut, sometimes repeated."""
    changed = bytearray(content)
    for _ in range(int(rng.integers(1, 6))):
        reach = len(changed) if rng.random() < 0.4 else min(len(changed), 200)
        place = int(rng.integers(0, max(reach - 4, 1)))
        kind = rng.random()
        if kind < 0.5:
            changed[place] = int(rng.choice(NASTY))
        elif kind < 0.8:
            changed[place : place + 4] = struct.pack(
                rng.choice(["<I", ">I"]), int(rng.choice([2**31 - 1, 60_000, 2**16, 15_000]))
            )
        else:
            changed[place] ^= 1 << int(rng.integers(0, 8))
    if rng.random() < 0.1:
        changed = changed[: int(rng.integers(8, len(changed)))]
    return bytes(changed)


def bombs():
    """Return files that claim, or are, far more than they seem."""
    large = Image.new("P", (6_000, 6_000))
    gif = io.BytesIO()
    large.save(gif, "GIF", save_all=True, append_images=[Image.new("P", (6_000, 6_000), n) for n in range(1, 5)])
    webp = io.BytesIO()
    Image.new("RGB", (9_000, 9_000)).save(webp, "WEBP", lossless=True, quality=0, method=0)
    tiff = io.BytesIO()
    Image.new("F", (12_000, 12_000)).save(tiff, "TIFF", compression="tiff_adobe_deflate")
    return {"a.gif": gif.getvalue(), "b.webp": webp.getvalue(), "c.tif": tiff.getvalue()}


def peak_mb():
    """Return the most memory this process has had."""
    with open("/proc/self/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1_024


def read_all(folder, files, *, seconds):
    """Read files in one worker; return its answers and how much memory it took over what it began with."""
    with Workers(1, prepare=prepare, seconds=seconds) as pool:
        before, most, answers = pool.submit(peak_mb).result(), 0.0, []
        for name, content in files.items():
            (folder / name).write_bytes(content)
            try:
                answers.append(pool.submit(read_file, str(folder / name)).result())
            except (TookTooLongError, CrashedError) as error:
                answers.append(FileRead(name, reason=f"decoding it {error}"))
            (folder / name).unlink()
            most = max(most, pool.submit(peak_mb).result() - before)
        return answers, most


def check(answers, most):
    assert all(answer.reason or (answer.id and answer.thumbnail) for answer in answers)
    assert all("\n" not in answer.reason and len(answer.reason) < 200 for answer in answers)
    assert most < MEMORY


@pytest.mark.skipif(not hasattr(__import__("os"), "sched_getaffinity"), reason="reads /proc")
def test_mutated_files_are_answered_in_little_memory(tmp_path):
    rng = np.random.default_rng(0)
    files = {f"{n}.x": mutated(good(FORMATS[n % len(FORMATS)], rng, moving=n % 2), rng) for n in range(180)}
    answers, most = read_all(tmp_path, files, seconds=60)
    check(answers, most)
    assert sum(bool(answer.reason) for answer in answers) > 40  # the mutations bite
    assert sum(not answer.reason for answer in answers) > 20
    assert most < 500


@pytest.mark.slow
def test_bombs_and_thousands_of_mutations_stay_within_memory_and_time(tmp_path):
    answers, most = read_all(tmp_path, bombs(), seconds=60)
    check(answers, most)
    for seed in range(1, 6):
        rng = np.random.default_rng(seed)
        files = {f"{n}.x": mutated(good(FORMATS[n % len(FORMATS)], rng, moving=n % 2), rng) for n in range(600)}
        answers, most = read_all(tmp_path, files, seconds=60)
        check(answers, most)
