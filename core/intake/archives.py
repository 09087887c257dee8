"""ZIP archives of pictures: they arrive in pieces and are unpacked with limits. None of their paths is trusted."""

import errno
import io
import os
import re
import stat
import struct
import time
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from core.arrays import Progress, ignore
from core.errors import InputError
from core.images.kinds import HEAD, PICTURES, FileKind, beside, count_kinds, kind_of
from core.intake.uploads import FOLDER, LARGEST, add_batch, keep_picture, make_folder, named, need_room
from core.store.files import fsync_folder
from core.wording import counted, verb

ARCHIVES = "archives"
LARGEST_ARCHIVE = 100 * 2**30  # bytes
MOST_LISTED = 16 * 2**20  # bytes of an archive's list of members, about 150,000 of them: it is read whole
MOST_RATIO = 100  # unpacked bytes a packed one; what pictures are saved as hardly shrinks
SMALL = 2**20  # bytes; what unpacks to no more than this may have shrunk by any ratio
KEPT_SECONDS = 2 * 86_400  # after which an archive whose rest has not come is forgotten
A_BATCH = 500  # pictures a note of what waits
PLAIN = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # the memory that others need is chosen by who packs
BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, struct.error, ValueError)


# -- arriving --


def whole_archive(folder: Path, key: str) -> Path:
    """Return where an archive is once all its pieces have come.

    Args:
        key: 32 hexadecimal digits that the sender chose.
    """
    return folder / FOLDER / ARCHIVES / f"{key}.zip"


def is_ours(folder: Path, file: Path) -> bool:
    """Tell whether an archive was sent, so that it goes once it is unpacked."""
    return file.parent == folder / FOLDER / ARCHIVES


def keep_piece(folder: Path, key: str, content: bytes, *, at: int, of: int) -> int:
    """Keep a piece of an archive; return how many bytes of it there are now. The same piece may come again.

    Once the whole is there it survives a power cut.

    Args:
        at: its first byte in the archive.
        of: bytes of the archive.
    Raises:
        InputError: if the archive is too large, or the piece is not a part of it.
        OSError: if the disk is full.
    """
    if not 0 < of <= LARGEST_ARCHIVE or not 0 <= at < at + len(content) <= of:
        raise InputError(f"A ZIP archive of up to {LARGEST_ARCHIVE // 2**30} GB is needed, in pieces that are parts of it.")
    whole = whole_archive(folder, key)
    if whole.exists():
        return of
    make_folder(whole.parent)
    if at == 0:
        _forget_old(whole.parent)
        need_room(folder, of)
    part = whole.with_suffix(".part")
    with open(os.open(part, os.O_RDWR | os.O_CREAT, 0o644), "r+b") as file:
        there = file.seek(0, os.SEEK_END)
        if at > there:
            return there
        need_room(folder, len(content))
        file.seek(at)
        file.write(content)
        there = max(there, at + len(content))
        if there < of:
            return there
        file.truncate(of)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, whole)
    fsync_folder(whole.parent)
    return of


def _forget_old(folder: Path) -> None:
    """Remove archives whose senders gave up."""
    for part in folder.glob("*.part"):
        if part.stat().st_mtime < time.time() - KEPT_SECONDS:
            part.unlink(missing_ok=True)


# -- unpacking --


@dataclass
class Unpacked:
    """What came of an archive."""

    n_pictures: int = 0
    refused: list[tuple[str, str]] = field(default_factory=list)  # names of members and reasons
    passed_over: dict[str, int] = field(default_factory=dict)  # members that are not pictures, by kind

    @property
    def sentence(self) -> str:
        """State what was unpacked and what was not."""
        said = f"{counted(self.n_pictures, 'picture')} unpacked."
        if self.passed_over:
            kinds = ", ".join(f"{number:,} {kind}" for kind, number in list(self.passed_over.items())[:5])
            n = sum(self.passed_over.values())
            said += f" {counted(n, 'other file')} in it {verb(n, 'is not a picture', 'are not pictures')} ({kinds})."
        if self.refused:
            said += f" Refused: {named(self.refused)}."
        return said


class _Short(io.BufferedReader):
    """A file of which nobody reads much at once: zipfile reads the whole list of members, however long that says it is."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size < 0 or size > MOST_LISTED:
            content = super().read(MOST_LISTED + 1)
            if len(content) > MOST_LISTED:
                raise InputError("It lists too many files; pack at most about 100,000 into one ZIP archive.")
            return content
        return super().read(size)


def unpack(folder: Path, file: Path, name: str, *, on_progress: Progress = ignore) -> Unpacked:
    """Keep the pictures of a ZIP archive as posted ones, and note them to be ingested. Safe to run again.

    Args:
        folder: of the workspace.
        name: of the archive, in sentences; the pictures are kept under it and their own.
    Raises:
        InputError: if the file is damaged, no ZIP archive or a bomb.
        OSError: if the disk is full.
    """
    result, kinds, waiting = Unpacked(), list[str](), list[Path]()
    with _Short(io.FileIO(file)) as opened, _open(opened, name) as archive:
        members = [member for member in archive.infolist() if not member.is_dir()]
        _need_no_bomb(members, file.stat().st_size, name)
        for done, member in enumerate(members):
            on_progress(done, len(members))
            reason, content = member_reason(member), b""
            if not reason:
                reason, content = _read(archive, member)
            if reason:
                result.refused.append((member.filename, reason))
            elif content:
                waiting.append(keep_picture(folder, content, f"{Path(name).stem}/{member.filename}")[1])
                result.n_pictures += 1
            else:
                kinds.append(beside(member.filename) or Path(member.filename).suffix.lower()[:12] or "other")
            if len(waiting) == A_BATCH:
                add_batch(folder, waiting)
                waiting = []
        on_progress(len(members), len(members))
    if waiting:
        add_batch(folder, waiting)
    result.passed_over = count_kinds(kinds)
    return result


def _open(file: io.BufferedReader, name: str) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(file)
    except InputError as error:
        raise InputError(f"{name} is not unpacked. {error}") from None
    except (*BROKEN, OSError) as error:
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise
        raise InputError(f"{name} is not unpacked: it is damaged, or not a ZIP archive; pack it again.") from None


def _need_no_bomb(members: list[zipfile.ZipInfo], packed: int, name: str) -> None:
    unpacked = sum(member.file_size for member in members)
    if unpacked > SMALL and unpacked > MOST_RATIO * packed:
        raise InputError(
            f"{name} is not unpacked. It would unpack to {unpacked / 2**20:,.0f} MB, more than {MOST_RATIO} times its own "
            "size; pack the pictures again, without copies of one another."
        )


def member_reason(member: zipfile.ZipInfo) -> str:
    """Return why a member of an archive is not read, judged by what the archive says about it; "" if it is."""
    name, mode = member.filename, member.external_attr >> 16
    if ".." in re.split(r"[/\\]", name) or re.match(r"[/\\]|[A-Za-z]:[/\\]", name):
        return "its path leaves the archive"
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        return "it is a link or a device, not a file"
    if member.flag_bits & 0x1:
        return "it is encrypted; pack it without a password"
    if member.compress_type not in PLAIN:
        return "it is packed by an unusual method; pack it again by Deflate, the usual one"
    if member.file_size > LARGEST:
        return f"it is {member.file_size / 2**20:,.0f} MB large; pictures of up to {LARGEST // 2**20} MB are accepted"
    if member.file_size > SMALL and member.file_size > MOST_RATIO * member.compress_size:
        return f"it would unpack to more than {MOST_RATIO} times its packed size"
    return ""


def _read(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> tuple[str, bytes]:
    """Return why a member is refused, or its content if it is a picture; no more is unpacked than the archive says."""
    try:
        with archive.open(member) as file:
            head = file.read(HEAD)
            kind = kind_of(head)
            if kind in (FileKind.ZIP, FileKind.ARCHIVE):
                return "it is an archive in the archive; unpack it first", b""
            return "", b"".join([head, *_rest(file)]) if kind in PICTURES else b""
    except BROKEN:
        return "it is damaged in the archive", b""


def _rest(file: IO[bytes]) -> Iterator[bytes]:
    while piece := file.read(SMALL):
        yield piece
