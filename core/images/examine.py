"""Read what the catalog needs from one untrusted file. Runs in worker processes, so it imports little."""

import os
import stat
from dataclasses import dataclass, replace

from PIL import Image

from core.errors import InputError
from core.images.dark_text import grey_of, text_net
from core.images.decode import DecodedPicture, Uint8Array, decode, decode_details, load_square, thumbnail_webp
from core.images.hashing import perceptual_hash
from core.images.kinds import HEAD, PICTURES, kind_of, reason_of
from core.images.overlay import SIDE, colours_part, places_part, shows_little
from core.images.visits import ImageFiles, content_id, read_original

GONE = "it is gone"
CHANGED = "it changed while it was read; the next ingest reads it again"
MAX_BYTES = 512 * 1024 * 1024  # larger than any picture of 250 megapixels that fits into memory


@dataclass(frozen=True)
class FileRead:
    """One file, decoded, or the reason why it could not be."""

    path: str
    n_bytes: int = 0
    mtime_ns: int = 0
    reason: str = ""  # "" = decoded, and the rest is filled in
    id: str = ""
    width: int = 0
    height: int = 0
    format: str = ""
    hash: str = ""
    thumbnail: bytes = b""
    text: float = 0.0  # probability of text on dark, in [0, 1]
    frames: int = 1
    frames_shown: int = 1
    all_frames_seen: bool = True


def prepare() -> None:
    """Load what reading files needs; called once per process."""
    perceptual_hash(Image.new("L", (8, 8)))
    text_net()


def read_file(path: str) -> FileRead:
    """Decode one file; whatever it contains, this returns a `FileRead` and does not raise."""
    before = visited(path)
    try:
        content, found = read_sound(path)
        # Else half of one picture and half of another could be taken for a third; or the path holds another file already.
        if (after := visited(path)) != FileRead(path, len(content), found.st_mtime_ns):
            return replace(before, reason=CHANGED) if after.mtime_ns else replace(after, reason=GONE)
        return _read(path, content, found.st_mtime_ns)
    except InputError as error:
        return replace(before, reason=str(error))
    except FileNotFoundError:
        return FileRead(path, reason=GONE)  # without its state: it may come back as it was
    except (OSError, ValueError, MemoryError) as error:
        return replace(before, reason=unreadable(error))


def read_fetched(path: str, content: bytes, mtime_ns: int) -> FileRead:
    """Decode a file that was fetched, by the rules of `read_file`, its address in place of a path."""
    try:
        check_head(content[:HEAD])
        return _read(path, content, mtime_ns)
    except InputError as error:
        return FileRead(path, len(content), mtime_ns, str(error))
    except (OSError, ValueError, MemoryError) as error:
        return FileRead(path, len(content), mtime_ns, unreadable(error))


def check_head(head: bytes) -> None:
    """Check that a file is a picture, by its first `HEAD` bytes.

    Raises:
        InputError: if it is none, or empty.
    """
    if not head:
        raise InputError("it is empty (0 bytes)")
    if (kind := kind_of(head)) not in PICTURES:
        raise InputError(reason_of(kind))


def read_square(path: str, side: int) -> Uint8Array | str:
    """Decode one file to (3, side, side) uint8 by the rules of `read_file`, or return the reason why it cannot be."""
    try:
        content, _ = read_sound(path)
        return load_square(content, side)
    except InputError as error:
        return str(error)
    except (OSError, ValueError, MemoryError) as error:
        return unreadable(error)


def unreadable(error: Exception) -> str:
    """Return why the system cannot read a file."""
    if isinstance(error, FileNotFoundError):
        return GONE
    if isinstance(error, PermissionError):
        return "you may not read it"
    if isinstance(error, MemoryError):
        return "it does not fit into memory"
    return f"it cannot be read ({getattr(error, 'strerror', None) or error})"


def visited(path: str) -> FileRead:
    """Return a `FileRead` with only size and modification time, zeros if there is no such file."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return FileRead(path)
    return FileRead(path, found.st_size, found.st_mtime_ns)


def read_sound(path: str) -> tuple[bytes, os.stat_result]:
    """Read a file that is a picture by its content, without decoding it.

    Returns:
        its bytes, and its `os.stat` from before they were read.
    Raises:
        InputError: if it is not a regular file, empty, too large, or not a picture.
        OSError, ValueError: if it cannot be read.
    """
    if not stat.S_ISREG(os.stat(path).st_mode):  # checked before opening: opening a pipe would block
        raise InputError("it is not a regular file")
    with open(path, "rb") as file:
        found = os.fstat(file.fileno())
        head = file.read(HEAD)
        check_head(head)
        if found.st_size > MAX_BYTES:
            raise InputError(f"it has {found.st_size / 2**20:,.0f} MB, more than {MAX_BYTES / 2**20:.0f}")
        return head + file.read(MAX_BYTES), found


def _read(path: str, content: bytes, mtime_ns: int) -> FileRead:
    seen: DecodedPicture = decode_details(content)
    thumbnail = thumbnail_webp(seen.image)
    return FileRead(
        path,
        len(content),
        mtime_ns,
        id=content_id(content),
        width=seen.width,
        height=seen.height,
        format=seen.format,
        hash=perceptual_hash(seen.image),
        thumbnail=thumbnail,
        text=float(text_net()(grey_of(thumbnail)[None])[0]),
        frames=seen.frames,
        frames_shown=seen.frames_shown,
        all_frames_seen=seen.all_frames_seen,
    )


def are_copies(a: tuple[ImageFiles, bytes], b: tuple[ImageFiles, bytes]) -> bool:
    """Tell whether two images with near hashes are near-duplicates: alike in colour and in every place.

    Args:
        a, b: an image and its thumbnail; if a file is gone the thumbnails decide, and plain pictures do not match.
    Raises:
        RemoteError: if a file's store cannot be asked now.
    """
    small = [decode(thumbnail) for _, thumbnail in (a, b)]
    if colours_part(small[0], small[1]):
        return False
    whole = [seen_of(image) for image, _ in (a, b)]
    if whole[0] is None or whole[1] is None:
        return not shows_little(small[0]) and not shows_little(small[1])
    return not places_part(whole[0], whole[1])


def seen_of(image: ImageFiles) -> Image.Image | None:
    """Return an image large enough for a close comparison, None if its file is gone, changed or broken.

    Raises:
        RemoteError: if its store cannot be asked now.
    """
    content = read_original(image)
    try:
        return None if content is None else decode(content, max_side=SIDE)
    except InputError:
        return None
