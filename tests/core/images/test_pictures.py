"""What a browser shows is what is taken and seen: by content, in its colours, upright, on white, all frames, bounded."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms, PngImagePlugin

from core.errors import InputError
from core.images.containers import lean_png, orientation_of
from core.images.decode import decode, decode_details
from core.images.frames import SHOWN
from core.images.kinds import PICTURES, beside, kind_of

RED, GREEN, BLUE = (220, 20, 20), (20, 200, 20), (20, 20, 220)


def picture(seed=0, size=(96, 72)):
    rng = np.random.default_rng(seed)
    return Image.fromarray(rng.integers(0, 255, (6, 8, 3), np.uint8)).resize(size, Image.Resampling.BICUBIC)


def encoded(image, format_, **options):
    if format_ == "HEIF":
        from pillow_heif import register_heif_opener

        register_heif_opener()
    buffer = io.BytesIO()
    image.save(buffer, format_, **options)
    return buffer.getvalue()


def plain(*colours, size=(60, 40)):
    return [Image.new("RGB", size, colour) for colour in colours]


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def inserted(png, *chunks):
    """Put chunks behind the header."""
    return png[:33] + b"".join(chunks) + png[33:]


def near(image, colour, at=None, off=12):
    found = image.getpixel(at or (image.width // 2, image.height // 2))
    return all(abs(a - b) <= off for a, b in zip(found, colour, strict=True))


# -- what is taken --


@pytest.mark.parametrize("format_", PICTURES)
def test_every_kind_is_known_by_its_content_and_decoded(format_):
    content = encoded(picture(), format_)
    assert kind_of(content) == format_
    seen = decode_details(content)
    size = (64, 48) if format_ == "ICO" else (96, 72)  # Pillow writes icons of certain sizes
    assert (seen.format, seen.width, seen.height, seen.frames) == (format_, *size, 1)
    if format_ == "ICO":
        return
    assert np.abs(np.asarray(seen.image, int) - np.asarray(picture(), int)).mean() < 12


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"%PDF-1.7\n%\xe2\xe3", "PDF"),
        (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>', "SVG"),
        (b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom", "video"),
        (b"\x1aE\xdf\xa3" + bytes(40), "video"),
        (b"<!DOCTYPE html><html>", "web page"),
        (b'{"a": 1}', "text"),
        (b"PK\3\4" + bytes(40), "ZIP"),
        (b"\0\0\0\x0cJXL \r\n", "JPEG XL"),
        (np.random.default_rng(0).bytes(300), "not a picture"),
    ],
)
def test_what_is_no_picture_is_refused_with_a_short_reason(content, said):
    with pytest.raises(InputError, match=said) as refused:
        decode_details(content)
    assert len(str(refused.value)) < 150


def test_companions_of_pictures_are_known_by_their_names():
    assert [beside(f"/x/{name}") for name in (".DS_Store", "a.json", "._a.jpg", "Thumbs.db", ".hidden.jpg")] == [
        ".DS_Store",
        ".json",
        "._*",
        "Thumbs.db",
        "hidden",
    ]
    assert not any(beside(f"/x/{name}") for name in ("a.jpg", "a.jpg_large", "0a1b2c", "film.mp4", "a.pdf"))


def test_a_png_loses_what_nobody_needs_and_no_more():
    whole = encoded(picture(), "PNG")
    wrong_comment = bytearray(chunk(b"tEXt", b"Comment\0hello"))
    wrong_comment[-1] ^= 1
    bomb = chunk(b"zTXt", b"workflow\0\0" + zlib.compress(b"A" * 3_000_000))
    profile = chunk(b"iCCP", b"x\0\0" + zlib.compress(bytes(5_000_000)))
    for extra in (bytes(wrong_comment), bomb, profile):
        assert decode(inserted(whole, extra)).tobytes() == decode(whole).tobytes()
    assert decode(whole[:-12]).tobytes() == decode(whole).tobytes()  # without its end marker
    assert decode(whole + b"trailing").tobytes() == decode(whole).tobytes()


@pytest.mark.parametrize("name", [b"IHDR", b"IDAT"])
def test_a_wrong_checksum_where_it_matters_is_damage(name):
    content = bytearray(encoded(picture(), "PNG"))
    content[content.find(name) + 5] ^= 1
    with pytest.raises(InputError, match=f"checksum of its part {name.decode()} is wrong"):
        decode_details(bytes(content))


def test_a_palette_s_wrong_checksum_is_damage_and_an_unknown_part_that_matters_too():
    content = bytearray(encoded(picture().quantize(16), "PNG"))
    content[content.find(b"PLTE") + 5] ^= 1
    with pytest.raises(InputError, match="PLTE"):
        decode_details(bytes(content))
    with pytest.raises(InputError, match="unknown part"):
        decode_details(inserted(encoded(picture(), "PNG"), chunk(b"CgBI", b"1234")))


def test_a_file_that_lacks_little_is_taken_and_one_that_lacks_much_is_not():
    noisy = Image.fromarray(np.random.default_rng(0).integers(0, 255, (200, 200, 3), np.uint8))
    for format_, options in (("JPEG", {}), ("PNG", {}), ("JPEG", {"progressive": True})):
        content = encoded(noisy, format_, **options)
        missing_little = decode(content[: int(len(content) * 0.97)])
        assert missing_little.size == (200, 200)
        assert np.abs(np.asarray(missing_little, int)[:150] - np.asarray(decode(content), int)[:150]).mean() < 25
    for format_ in ("JPEG", "PNG"):
        content = encoded(noisy, format_)
        with pytest.raises(InputError, match="cut off"):
            decode_details(content[: int(len(content) * 0.8)])


def test_a_jpeg_of_two_eyes_or_a_gain_map_is_its_first_picture():
    content = encoded(picture(1), "MPO", save_all=True, append_images=[picture(2)])
    seen = decode_details(content)
    assert (seen.frames, seen.format) == (1, "JPEG")
    assert np.abs(np.asarray(seen.image, int) - np.asarray(picture(1), int)).mean() < 8


# -- colours --


def wide_gamut():
    """Return a profile in which (255, 0, 0) is no sRGB red: its red and green are swapped."""
    srgb = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    tags = {bytes(srgb[p : p + 4]): p for p in range(132, 132 + 12 * struct.unpack_from(">I", srgb, 128)[0], 12)}
    red, green = (struct.unpack_from(">I", srgb, tags[name] + 4)[0] for name in (b"rXYZ", b"gXYZ"))
    srgb[red + 8 : red + 20], srgb[green + 8 : green + 20] = srgb[green + 8 : green + 20], srgb[red + 8 : red + 20]
    description = struct.unpack_from(">I", srgb, tags[b"desc"] + 4)[0]
    srgb[description + 28 : description + 32] = "Xx".encode("utf-16-be")
    return bytes(srgb)


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_the_colour_profile_of_a_file_counts(format_):
    (red,) = plain((255, 0, 0))
    assert near(decode(encoded(red, format_, icc_profile=wide_gamut())), (0, 255, 0), off=30)
    assert near(decode(encoded(red, format_, icc_profile=b"no profile at all")), (255, 0, 0))
    assert near(decode(encoded(red, format_)), (255, 0, 0))


def test_cmyk_and_its_inversion_by_adobe_come_out_right():
    cyan = Image.new("CMYK", (40, 40), (255, 0, 0, 0))
    assert near(decode(encoded(cyan, "JPEG")), (0, 255, 255))
    assert near(decode(encoded(cyan, "TIFF")), (0, 255, 255))


def test_transparency_lies_on_white_in_every_mode():
    clear = Image.new("RGBA", (8, 8), (255, 0, 0, 0))
    for format_ in ("PNG", "WEBP", "GIF", "AVIF", "ICO", "TIFF"):
        assert near(decode(encoded(clear, format_)), (255, 255, 255)), format_
    palette = Image.new("P", (8, 8), 1)
    palette.putpalette([0, 0, 0, 10, 20, 30])
    assert near(decode(encoded(palette, "PNG", transparency=1)), (255, 255, 255))
    for mode, value in (("L", 77), ("I;16", 30_000), ("RGB", (1, 2, 3)), ("1", 0)):
        assert near(decode(encoded(Image.new(mode, (8, 8), value), "PNG", transparency=value)), (255, 255, 255)), mode
        other = (9, 9, 9) if mode == "RGB" else 255 if mode == "1" else 5
        assert not near(decode(encoded(Image.new(mode, (8, 8), value), "PNG", transparency=other)), (255, 255, 255)), mode


def grey_png(depth, rows, *chunks):
    header = struct.pack(">IIBBBBB", 8, len(rows), depth, 0, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + row for row in rows))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + b"".join(chunks) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def test_greys_of_two_and_four_bits_have_their_own_transparency():
    two = grey_png(2, [b"\x55\x55"] * 8, chunk(b"tRNS", struct.pack(">H", 1)))  # level 1 of 3 everywhere, and it is clear
    assert near(decode(two), (255, 255, 255))
    four = grey_png(4, [b"\x33" * 4] * 8, chunk(b"tRNS", struct.pack(">H", 9)))
    assert near(decode(four), (51, 51, 51))


def test_a_gamma_of_one_is_brightened_as_browsers_do():
    linear = inserted(encoded(Image.new("L", (8, 8), 55), "PNG"), chunk(b"gAMA", struct.pack(">I", 100_000)))
    assert near(decode(linear), (127, 127, 127))
    usual = inserted(encoded(Image.new("L", (8, 8), 55), "PNG"), chunk(b"gAMA", struct.pack(">I", 45_455)))
    assert near(decode(usual), (55, 55, 55), off=0)


# -- upright --


def turned(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF"])
@pytest.mark.parametrize("orientation", [3, 6])
def test_every_kind_is_turned_once(format_, orientation):
    base = Image.new("RGB", (64, 32), BLUE)
    base.paste(RED, (0, 0, 32, 32))  # the left half is red
    seen = decode_details(encoded(base, format_, exif=turned(orientation).tobytes()))
    if orientation == 3:
        assert seen.image.size == (seen.width, seen.height) == (64, 32)
        assert near(seen.image, RED, (56, 16), off=40)
    else:  # a quarter clockwise: left comes on top
        assert seen.image.size == (seen.width, seen.height) == (32, 64)
        assert near(seen.image, RED, (16, 8), off=40)
        assert near(seen.image, BLUE, (16, 56), off=40)


def test_a_damaged_or_endless_exif_block_says_nothing():
    many = b"MM\0*\0\0\0\x08\xff\xff" + struct.pack(">HHII", 0x9999, 7, 2**31, 0) * 4_000
    for block in (b"", b"Exif\0\0", b"MM\0*", b"II*\0\xff\xff\xff\xff", many):
        assert orientation_of(block) == 1


# -- frames --


def moving(format_, frames, **options):
    return encoded(frames[0], format_, save_all=True, append_images=frames[1:], **options)


@pytest.mark.parametrize("format_", ["GIF", "WEBP", "PNG", "TIFF", "AVIF"])
def test_a_frame_behind_a_harmless_start_is_seen(format_):
    options = {} if format_ == "TIFF" else {"duration": 100}
    frames = plain(BLUE, BLUE, BLUE, RED, BLUE, BLUE, BLUE)
    for number, frame in enumerate(frames):  # encoders join equal frames
        frame.putpixel((number, 0), (255, 255, 255))
    seen = decode_details(moving(format_, frames, **options))
    assert (seen.frames, seen.frames_shown, seen.width, seen.height) == (7, 2, 60, 40)
    pixels = np.asarray(seen.image, int)
    assert (np.abs(pixels - RED).max(axis=2) < 40).mean() > 0.3
    assert (np.abs(pixels - BLUE).max(axis=2) < 40).mean() > 0.3


def test_of_many_frames_those_that_differ_most_are_shown_the_first_among_them():
    greys = [Image.new("L", (30, 30), 100 + number) for number in range(60)]
    greys[41].paste(255, (0, 0, 30, 30))
    greys[57].paste(0, (0, 0, 30, 30))
    seen = decode_details(moving("GIF", greys, duration=50))
    assert (seen.frames, seen.frames_shown) == (60, SHOWN)
    assert near(seen.image, (100, 100, 100), (2, 2))
    levels = {int(level) for level in np.unique(np.asarray(seen.image.convert("L")))}
    assert {0, 255} <= levels


def test_frames_without_a_difference_are_a_still_and_small_pages_of_a_tiff_are_none():
    still = plain(BLUE, BLUE)
    still[1].putpixel((0, 0), (21, 21, 221))
    seen = decode_details(moving("GIF", still, duration=50))
    assert (seen.frames_shown, seen.image.size) == (1, (60, 40))
    page, thumbnail = plain(BLUE, RED)
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    tags = ImageFileDirectory_v2()
    tags[254] = 1  # a reduced picture of another page
    thumbnail.encoderinfo = {"tiffinfo": tags}
    assert decode_details(moving("TIFF", [page, thumbnail])).frames_shown == 1


def test_of_very_many_pages_a_spread_is_compared_and_it_is_known():
    pages = [Image.new("L", (8, 8), number % 250) for number in range(200)]
    seen = decode_details(moving("TIFF", pages))
    assert (seen.frames, seen.frames_shown, seen.all_frames_seen) == (200, SHOWN, False)
    assert decode_details(moving("TIFF", pages[:30])).all_frames_seen


def test_a_moving_picture_whose_end_is_missing_shows_what_is_there():
    content = moving("GIF", [picture(n) for n in range(6)], duration=50)
    seen = decode_details(content[: int(len(content) * 0.7)])
    assert 2 <= seen.frames < 6


# -- cost --


def tiff_with(*tags):
    """Return a TIFF of one page with tags (number, type, count, value)."""
    body = b"".join(struct.pack("<HHII", *tag) for tag in sorted(tags))
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(tags)) + body + bytes(4)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (tiff_with((256, 4, 1, 9), (257, 4, 1, 9), *((40_000 + n, 7, 60_000, 8) for n in range(900))), "claim more"),
        (tiff_with((256, 4, 1, 9), (257, 4, 1, 9), (273, 4, 2**30, 8)), "claims"),
        (tiff_with((256, 4, 1, 60_000), (257, 4, 1, 60_000)), "megapixels|damaged"),
        (b"II*\0\x08\0\0\0\0\0\x08\0\0\0", "circular"),
    ],
)
def test_a_tiff_that_claims_more_than_it_holds_is_refused_before_it_is_read(content, said):
    with pytest.raises(InputError, match=said):
        decode_details(content)


def test_a_claim_of_too_many_pixels_or_too_much_memory_is_refused():
    def claiming(width, height, *, end):
        header = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
        data = chunk(b"IDAT", zlib.compress(bytes(1_000_000)))
        return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + data + chunk(b"IEND", b"") * end

    for end in (True, False):
        with pytest.raises(InputError, match="megapixels"):
            decode_details(claiming(60_000, 60_000, end=end))
    with pytest.raises(InputError, match="MB of memory"):
        decode_details(claiming(15_000, 16_000, end=True))
    webp = bytearray(encoded(picture(), "WEBP", lossless=True))
    webp[21:25] = struct.pack("<I", (16_000 - 1) | (16_000 - 1) << 14)  # of a VP8L header
    with pytest.raises(InputError, match=r"MB of memory|megapixels|damaged"):
        decode_details(bytes(webp))


def test_many_comments_of_a_jpeg_are_left_out():
    exif = b"Exif\0\0MM\0*\0\0\0\x08" + struct.pack(">H", 5_000) + struct.pack(">HHII", 0x9999, 7, 60_000, 8) * 5_000
    whole = encoded(picture(), "JPEG")
    segment = b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif
    assert decode(whole[:2] + segment * 20 + whole[2:]).tobytes() == decode(whole).tobytes()


def test_a_large_picture_is_shrunk_while_it_is_converted():
    seen = decode_details(encoded(Image.new("L", (9_000, 6_000), 77), "PNG"))
    assert (seen.width, seen.height) == (9_000, 6_000)
    assert seen.image.width * seen.image.height <= 16_000_000
    assert near(seen.image, (77, 77, 77), off=0)


def test_the_text_of_a_png_may_be_large_and_its_picture_is_the_same():
    info = PngImagePlugin.PngInfo()
    info.add_text("prompt", "x" * 200_000)
    lean, orientation = lean_png(encoded(picture(), "PNG", pnginfo=info))
    assert len(lean) < 50_000
    assert orientation == 1
