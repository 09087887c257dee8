"""Check picture files before decoding: limit the cost, strip metadata. Bytes in, bytes out.

Without this a decoder allocates whatever a header claims, stores all text and tags, and rejects a picture because of a
comment's checksum.
"""

import struct
import zlib
from collections.abc import Iterator

from core.errors import InputError

MAX_PIXELS = 250_000_000  # phone cameras have up to 200 million; decompression bombs claim billions
MOST_MISSING = 0.05  # maximum share of rows missing at the end: browsers show the rest, but it may not be representative
MOST_PROFILE = 2**22  # bytes of a colour profile
MOST_VALUES = 2**20  # of one TIFF tag: a strip a row is 65,535
MOST_PAGES = 10_000
ORIENTATION = 0x0112

_PNG_START = b"\x89PNG\r\n\x1a\n"
_PNG_CRITICAL = {b"IHDR", b"PLTE", b"IDAT", b"IEND"}
_PNG_MOVING = {b"acTL", b"fcTL", b"fdAT"}
_PNG_KEPT = _PNG_CRITICAL | _PNG_MOVING | {b"tRNS", b"iCCP", b"gAMA", b"sRGB"}
_ADAM7 = ((8, 8, 0, 0), (8, 8, 4, 0), (4, 8, 0, 4), (4, 4, 2, 0), (2, 4, 0, 2), (2, 2, 1, 0), (1, 2, 0, 1))  # dx, dy, x, y
_TIFF_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_TIFF_FURTHER = {34665, 34853, 40965}  # where EXIF, GPS and interoperability tags are
_TIFF_BYTES = {1, 2, 6, 7}  # types that stay bytes; the others become Python numbers


def check_pixels(width: int, height: int) -> None:
    """Refuse a picture that is larger than any camera's.

    Raises:
        InputError: if it has more than `MAX_PIXELS`.
    """
    if width * height > MAX_PIXELS:
        raise InputError(f"it has {width} x {height} px, more than {MAX_PIXELS / 1e6:.0f} megapixels")


def orientation_of(exif: bytes) -> int:
    """Return the EXIF orientation, 1 to 8; 1 if the block has none or is damaged.

    Reads only this tag: a malicious block may claim thousands of large tags.
    """
    block = exif.removeprefix(b"Exif\0\0")
    order = {b"II": "<", b"MM": ">"}.get(block[:2])
    try:
        if order is None:
            return 1
        (start,) = struct.unpack_from(order + "I", block, 4)
        (count,) = struct.unpack_from(order + "H", block, start)
        for number in range(count):
            tag, kind, _, value = struct.unpack_from(order + "HHIH", block, start + 2 + 12 * number)
            if tag == ORIENTATION:
                return value if kind == 3 and 1 <= value <= 8 else 1
    except struct.error:
        pass
    return 1


# -- PNG --


def lean_png(content: bytes) -> tuple[bytes, int]:
    """Return a PNG without comments, completed to its end marker, and its orientation.

    A wrong checksum in a chunk needed for the picture is damage; other wrong chunks are removed.

    Raises:
        InputError: if it is damaged, or if more than `MOST_MISSING` of it is missing.
    """
    kept, orientation, whole = [], 1, False
    data_cut = False
    for name, data, sound in _png_chunks(content):
        if name == b"eXIf" and sound:
            orientation = orientation_of(bytes(data))
        if sound is None:  # the file ends inside
            data_cut = name == b"IDAT"
            kept += [(name, data)] * data_cut
            continue
        if not sound and name in _PNG_CRITICAL | _PNG_MOVING:
            raise InputError(f"it is damaged (the checksum of its part {_name(name)} is wrong)")
        if name[:1].isupper() and name not in _PNG_CRITICAL:
            raise InputError(f"it is damaged (it has the unknown part {_name(name)})")
        if name == b"tRNS" and kept:
            data = _clear_grey(bytes(kept[0][1]), data)
        if sound and name in _PNG_KEPT and not _too_large(name, data):
            kept.append((name, data))
        if name == b"IEND":
            whole = True
            break
    if not kept or kept[0][0] != b"IHDR" or len(kept[0][1]) != 13:
        raise InputError("it is damaged (a PNG without a header)")
    if not whole:
        kept = _completed(kept, data_cut)
    return _PNG_START + b"".join(_chunk(name, data) for name, data in kept), orientation


def _name(chunk: bytes) -> str:
    return chunk.decode("ascii", "backslashreplace")


def _png_chunks(content: bytes) -> Iterator[tuple[bytes, memoryview, bool | None]]:
    """Yield (name, data, sound); sound is False for a wrong checksum, None if the file ends within the chunk."""
    view, start = memoryview(content), len(_PNG_START)
    while start + 8 <= len(content):
        (length,), name = struct.unpack_from(">I", content, start), content[start + 4 : start + 8]
        data = view[start + 8 : start + 8 + length]
        stop = start + 12 + length
        if stop > len(content):
            yield name, data, None
            return
        (claimed,) = struct.unpack_from(">I", content, stop - 4)
        yield name, data, zlib.crc32(view[start + 4 : stop - 4]) == claimed
        start = stop


def _chunk(name: bytes, data: bytes | memoryview) -> bytes:
    checksum = zlib.crc32(data, zlib.crc32(name))
    return b"".join((struct.pack(">I", len(data)), name, data, struct.pack(">I", checksum)))


def _clear_grey(header: bytes, data: memoryview) -> memoryview:
    """Scale the transparent level of a 2-bit or 4-bit grey PNG to 8 bits, as Pillow expects it."""
    if len(header) != 13 or header[9] != 0 or header[8] not in (2, 4) or len(data) != 2:
        return data
    (level,) = struct.unpack(">H", data)
    return memoryview(struct.pack(">H", level * 255 // (2 ** header[8] - 1)))


def _too_large(name: bytes, data: memoryview) -> bool:
    """Tell whether a colour profile decompresses to more than any real profile's size."""
    if name != b"iCCP":
        return False
    packed = bytes(data[:MOST_PROFILE]).partition(b"\0")[2][1:]
    try:
        unpacking = zlib.decompressobj()
        unpacking.decompress(packed, 2**20)  # what Pillow takes
    except zlib.error:
        return True
    return not unpacking.eof


def _completed(chunks: list[tuple[bytes, memoryview]], data_cut: bool) -> list[tuple[bytes, memoryview]]:
    """Complete a PNG whose end is missing; missing last rows become black or transparent."""
    end = (b"IEND", memoryview(b""))
    if any(name == b"acTL" for name, _ in chunks):  # what moves is shown up to where it ends
        return [*chunks, end]
    expected = _png_bytes(bytes(chunks[0][1]))
    unpacking, pieces, room = zlib.decompressobj(), [], expected
    try:
        for name, data in chunks:
            if name == b"IDAT" and room > 0:
                pieces.append(unpacking.decompress(data, room))
                room -= len(pieces[-1])
    except zlib.error as error:
        raise InputError(f"it is damaged ({error})") from None
    if room > MOST_MISSING * expected:
        raise InputError(f"it is cut off: {room / expected:.0%} of it is missing")
    if not data_cut and not room:
        return [*chunks, end]
    packed = memoryview(zlib.compress(b"".join([*pieces, bytes(room)]), 1))
    others = [(name, data) for name, data in chunks if name != b"IDAT"]
    return [*others, (b"IDAT", packed), end]


def _png_bytes(header: bytes) -> int:
    """Return how many bytes a PNG's rows have when they are unpacked.

    Raises:
        InputError: if the header is invalid, or claims too many pixels.
    """
    width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", header)
    check_pixels(width, height)
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}.get(colour, 0)
    if not channels or not width or not height:
        raise InputError("it is damaged (a PNG with an invalid header)")
    passes = [(width, height)]
    if interlaced:
        sizes = [((width - x + dx - 1) // dx, (height - y + dy - 1) // dy) for dx, dy, x, y in _ADAM7]
        passes = [(w, h) for w, h in sizes if w > 0 and h > 0]
    return sum(h * (1 + (w * channels * depth + 7) // 8) for w, h in passes)


# -- JPEG --


def lean_jpeg(content: bytes) -> tuple[bytes, int]:
    """Return a JPEG with only what the decoder needs and the colour profile, and its orientation.

    Further pictures in the file (stereo, gain map) are removed, as browsers show only the first. A missing end marker is added.
    """
    kept, orientation, start = [b"\xff\xd8"], 0, 2
    while start + 4 <= len(content):
        if content[start] != 0xFF:
            start += 1  # fill bytes
            continue
        marker = content[start + 1]
        if marker in (0xFF, 0x00, 0x01) or 0xD0 <= marker <= 0xD8:
            start += 1 if marker == 0xFF else 2
            continue
        if marker in (0xDA, 0xD9):  # the picture itself: from here on all is kept
            break
        (length,) = struct.unpack_from(">H", content, start + 2)
        segment = content[start : start + 2 + length]
        if marker == 0xE1 and segment[4:10] == b"Exif\0\0" and not orientation:
            orientation = orientation_of(segment[4:])
        if not _is_comment(marker, segment):
            kept.append(segment)
        start += 2 + max(length, 2)
    tail = memoryview(content)[start:]
    return b"".join([*kept, tail, b"" if has_end(content) else b"\xff\xd9"]), orientation or 1


def has_end(content: bytes) -> bool:
    """Tell whether a JPEG ends with its end marker, with or without padding behind it."""
    return content[-4_096:].rstrip(b"\0\r\n").endswith(b"\xff\xd9")


def _is_comment(marker: int, segment: bytes) -> bool:
    """Tell whether a segment is neither the decoder's nor a colour profile."""
    if marker == 0xE2:
        return segment[4:16] != b"ICC_PROFILE\0"
    return marker == 0xFE or (0xE1 <= marker <= 0xEF and marker != 0xEE)  # 0xEE: Adobe, says how colours are kept


# -- TIFF --


def check_tiff(content: bytes) -> None:
    """Limit what a decoder has to store of a TIFF's tags, on every page.

    Raises:
        InputError: if its list of pages is circular, or its tags claim more than the file holds.
    """
    order = "<" if content[:2] == b"II" else ">"
    big = content[2:4] in (b"+\0", b"\0+")
    seen: set[int] = set()
    try:
        todo = list(struct.unpack_from(order + ("Q" if big else "I"), content, 8 if big else 4))
        while todo:
            start = todo.pop()
            if start in seen or len(seen) >= MOST_PAGES:
                raise InputError("it is damaged (its list of pages is circular)" if start in seen else "it has too many pages")
            seen.add(start)
            todo += _check_page(content, order, big, start)
    except struct.error:
        if len(seen) < 2:
            raise InputError("it is damaged (a TIFF without a complete page)") from None


def _check_page(content: bytes, order: str, big: bool, start: int) -> list[int]:
    """Check the tags of one page; return where the next page and the page's own further tags are."""
    (count,) = struct.unpack_from(order + ("Q" if big else "H"), content, start)
    first, size = start + (8 if big else 2), 20 if big else 12
    if count > 65_535 or first + count * size > len(content):
        raise InputError("it is damaged (a TIFF page that claims more tags than the file holds)")
    total = 0
    further: list[int] = []
    for number in range(count):
        tag, kind, values = struct.unpack_from(order + ("HHQ" if big else "HHI"), content, first + number * size)
        if tag in _TIFF_FURTHER:
            further += struct.unpack_from(order + ("Q" if big else "I"), content, first + number * size + (12 if big else 8))
        total += values * _TIFF_SIZES.get(kind, 1)
        if kind not in _TIFF_BYTES and values > MOST_VALUES:
            raise InputError(f"it is damaged (its tag {tag} claims {values:,} numbers)")
    if total > len(content) + 2**16:
        raise InputError("it is damaged (its tags claim more than the file holds)")
    further += struct.unpack_from(order + ("Q" if big else "I"), content, first + count * size)
    return [place for place in further if place]
