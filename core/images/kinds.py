"""Detect the kind of a file by its first bytes, never by its name. Standard library only."""

import os
import re
from collections.abc import Iterable
from enum import StrEnum


class FileKind(StrEnum):
    """What a file is by its first bytes; pictures are named as Pillow names their formats."""

    JPEG = "JPEG"
    PNG = "PNG"
    WEBP = "WEBP"
    AVIF = "AVIF"
    HEIF = "HEIF"
    GIF = "GIF"
    BMP = "BMP"
    TIFF = "TIFF"
    ICO = "ICO"
    PDF = "PDF"
    SVG = "SVG"
    ZIP = "ZIP"  # or an Office file of today
    ARCHIVE = "archive"  # packed otherwise
    PHOTOSHOP = "Photoshop"
    POSTSCRIPT = "PostScript"
    JPEG_XL = "JPEG XL"
    JPEG_2000 = "JPEG 2000"
    VIDEO = "video"
    SIDECAR = "sidecar"  # what operating systems write beside files
    PROGRAM = "program"
    OFFICE = "Office"  # as before 2007
    PARQUET = "Parquet"
    DATABASE = "database"
    WEB_PAGE = "web page"
    TEXT = "text"
    UNKNOWN = ""


PICTURES = (
    FileKind.JPEG,
    FileKind.PNG,
    FileKind.WEBP,
    FileKind.AVIF,
    FileKind.HEIF,
    FileKind.GIF,
    FileKind.BMP,
    FileKind.TIFF,
    FileKind.ICO,
)
TAKEN = "JPEG, PNG, WebP, AVIF, HEIC, GIF, BMP, TIFF and ICO are accepted"
HEAD = 4_096  # bytes that decide the kind

_STARTS = {
    b"\xff\xd8\xff": FileKind.JPEG,
    b"\x89PNG\r\n\x1a\n": FileKind.PNG,
    b"GIF87a": FileKind.GIF,
    b"GIF89a": FileKind.GIF,
    b"BM": FileKind.BMP,
    b"II*\0": FileKind.TIFF,
    b"MM\0*": FileKind.TIFF,
    b"II+\0": FileKind.TIFF,
    b"MM\0+": FileKind.TIFF,
    b"\0\0\1\0": FileKind.ICO,
    b"\0\0\2\0": FileKind.ICO,
    b"%PDF": FileKind.PDF,
    b"PK\3\4": FileKind.ZIP,
    b"PK\5\6": FileKind.ZIP,
    b"Rar!": FileKind.ARCHIVE,
    b"7z\xbc\xaf": FileKind.ARCHIVE,
    b"\x1f\x8b": FileKind.ARCHIVE,
    b"BZh": FileKind.ARCHIVE,
    b"\xfd7zXZ": FileKind.ARCHIVE,
    b"\x28\xb5\x2f\xfd": FileKind.ARCHIVE,
    b"8BPS": FileKind.PHOTOSHOP,
    b"%!PS": FileKind.POSTSCRIPT,
    b"\xff\x0a": FileKind.JPEG_XL,
    b"\0\0\0\x0cJXL ": FileKind.JPEG_XL,
    b"\0\0\0\x0cjP  ": FileKind.JPEG_2000,
    b"\x1aE\xdf\xa3": FileKind.VIDEO,
    b"FLV\1": FileKind.VIDEO,
    b"\0\0\1\xba": FileKind.VIDEO,
    b"\0\0\1\xb3": FileKind.VIDEO,
    b"OggS": FileKind.VIDEO,
    b"\0\5\x16\7": FileKind.SIDECAR,  # AppleDouble: what macOS writes beside files on foreign disks
    b"\0\0\0\1Bud1": FileKind.SIDECAR,  # .DS_Store
    b"MZ": FileKind.PROGRAM,
    b"\x7fELF": FileKind.PROGRAM,
    b"\xd0\xcf\x11\xe0": FileKind.OFFICE,
    b"PAR1": FileKind.PARQUET,
    b"SQLite format 3": FileKind.DATABASE,
}
_AVIF_BRANDS = (b"avif", b"avis")
_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1")
_REASONS = {
    FileKind.PDF: "it is a PDF document; save its pages as pictures",
    FileKind.SVG: "it is an SVG drawing, not pixels; save it as PNG",
    FileKind.VIDEO: "it is a video; save still pictures of it",
    FileKind.ZIP: "it is a ZIP archive (or an Office file); unpack it",
    FileKind.ARCHIVE: "it is a packed archive; unpack it",
    FileKind.PHOTOSHOP: "it is a Photoshop file; save it as PNG or JPEG",
    FileKind.POSTSCRIPT: "it is a PostScript file; save it as PNG",
    FileKind.JPEG_XL: "it is a JPEG XL picture, which is not supported yet; save it as PNG or JPEG",
    FileKind.JPEG_2000: "it is a JPEG 2000 picture, which browsers cannot show; save it as PNG or JPEG",
    FileKind.WEB_PAGE: "it is a web page, not a picture; perhaps the download failed",
    FileKind.OFFICE: "it is an Office file, not a picture",
    FileKind.TEXT: "it is text, not a picture",
    FileKind.PROGRAM: "it is a program, not a picture",
    FileKind.PARQUET: "it is a Parquet table, not a picture",
    FileKind.DATABASE: "it is a database, not a picture",
    FileKind.SIDECAR: "it is a metadata file of the operating system, not a picture",
}
# Names of files that accompany pictures; the content decides, so a picture under such a name is accepted.
_SIDECAR_NAMES = {"thumbs.db", "desktop.ini", "ehthumbs.db", "icon\r", "license", "readme", "copying", "makefile"}
_SIDECAR_SUFFIXES = {
    *(".json", ".jsonl", ".ndjson", ".xml", ".csv", ".tsv", ".parquet", ".pq", ".npy", ".npz", ".db", ".sqlite"),  # tables
    *(".txt", ".md", ".html", ".htm", ".css", ".js", ".log", ".nfo", ".bib", ".yaml", ".yml", ".toml", ".ini", ".py"),  # texts
    *(".xmp", ".aae", ".thm", ".dop", ".pp3"),  # settings of cameras and developers
    *(".url", ".lnk", ".webloc", ".sfv", ".md5", ".sha1", ".sha256", ".lock"),
}


def kind_of(head: bytes) -> FileKind:
    """Return the kind of a file: one of `PICTURES`, or another.

    Args:
        head: its first `HEAD` bytes, or all of it.
    """
    if head[:4] == b"RIFF":
        return {b"WEBP": FileKind.WEBP, b"AVI ": FileKind.VIDEO}.get(head[8:12], FileKind.UNKNOWN)
    if head[4:8] == b"ftyp":
        return _of_brands(head)
    for start, kind in _STARTS.items():
        if head.startswith(start):
            return kind
    return _of_text(head)


def _of_brands(head: bytes) -> FileKind:
    """Return the kind of an ISO media file: AVIF, HEIF or video."""
    size = min(int.from_bytes(head[:4]), len(head))
    brands = [head[8:12], *(head[start : start + 4] for start in range(16, size, 4))]
    for kind, known in ((FileKind.AVIF, _AVIF_BRANDS), (FileKind.HEIF, _HEIF_BRANDS)):
        if any(brand in known for brand in brands):
            return kind
    return FileKind.VIDEO


def _of_text(head: bytes) -> FileKind:
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return FileKind.TEXT
    if not head or b"\0" in head:
        return FileKind.UNKNOWN
    text = head.decode("utf-8", "replace").lstrip("\ufeff \t\r\n").lower()
    if re.search(r"<svg[\s>]", text):
        return FileKind.SVG
    if text.startswith(("<!doctype html", "<html", "<head", "<body")):
        return FileKind.WEB_PAGE
    readable = sum(character.isprintable() or character in "\t\r\n\f" for character in text if character != "\ufffd")
    return FileKind.TEXT if text and readable >= 0.9 * len(text) else FileKind.UNKNOWN


def reason_of(kind: FileKind) -> str:
    """Return why a file of this kind is rejected."""
    return _REASONS.get(kind, f"it is not a picture ({TAKEN})")


def beside(path: str) -> str:
    """Return the kind of accompanying file that a name belongs to, such as ".json" or ".DS_Store"; "" if it is none."""
    name = os.path.basename(path)
    if name.startswith("._"):
        return "._*"
    if name.startswith(".") or name.lower() in _SIDECAR_NAMES:
        return name if name.count(".") <= 1 and len(name) < 20 else "hidden"
    suffix = os.path.splitext(name)[1].lower()
    return suffix if suffix in _SIDECAR_SUFFIXES else ""


def count_kinds(kinds: Iterable[str]) -> dict[str, int]:
    """Count kinds, most frequent first, ties by name."""
    found: dict[str, int] = {}
    for kind in kinds:
        found[kind] = found.get(kind, 0) + 1
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))
