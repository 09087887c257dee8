"""Detect the kind of a file by its first bytes, never by its name. Standard library only."""

import os
import re
from collections.abc import Iterable

PICTURES = ("JPEG", "PNG", "WEBP", "AVIF", "HEIF", "GIF", "BMP", "TIFF", "ICO")
TAKEN = "JPEG, PNG, WebP, AVIF, HEIC, GIF, BMP, TIFF and ICO are accepted"
HEAD = 4_096  # bytes that decide the kind

_STARTS = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"GIF87a": "GIF",
    b"GIF89a": "GIF",
    b"BM": "BMP",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"II+\0": "TIFF",
    b"MM\0+": "TIFF",
    b"\0\0\1\0": "ICO",
    b"\0\0\2\0": "ICO",
    b"%PDF": "PDF",
    b"PK\3\4": "ZIP",
    b"PK\5\6": "ZIP",
    b"Rar!": "archive",
    b"7z\xbc\xaf": "archive",
    b"\x1f\x8b": "archive",
    b"BZh": "archive",
    b"\xfd7zXZ": "archive",
    b"\x28\xb5\x2f\xfd": "archive",
    b"8BPS": "Photoshop",
    b"%!PS": "PostScript",
    b"\xff\x0a": "JPEG XL",
    b"\0\0\0\x0cJXL ": "JPEG XL",
    b"\0\0\0\x0cjP  ": "JPEG 2000",
    b"\x1aE\xdf\xa3": "video",
    b"FLV\1": "video",
    b"\0\0\1\xba": "video",
    b"\0\0\1\xb3": "video",
    b"OggS": "video",
    b"\0\5\x16\7": "sidecar",  # AppleDouble: what macOS writes beside files on foreign disks
    b"\0\0\0\1Bud1": "sidecar",  # .DS_Store
    b"MZ": "program",
    b"\x7fELF": "program",
    b"\xd0\xcf\x11\xe0": "Office",
    b"PAR1": "Parquet",
    b"SQLite format 3": "database",
}
_AVIF_BRANDS = (b"avif", b"avis")
_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1")
_REASONS = {
    "PDF": "it is a PDF document; save its pages as pictures",
    "SVG": "it is an SVG drawing, not pixels; save it as PNG",
    "video": "it is a video; save still pictures of it",
    "ZIP": "it is a ZIP archive (or an Office file); unpack it",
    "archive": "it is a packed archive; unpack it",
    "Photoshop": "it is a Photoshop file; save it as PNG or JPEG",
    "PostScript": "it is a PostScript file; save it as PNG",
    "JPEG XL": "it is a JPEG XL picture, which is not supported yet; save it as PNG or JPEG",
    "JPEG 2000": "it is a JPEG 2000 picture, which browsers cannot show; save it as PNG or JPEG",
    "web page": "it is a web page, not a picture; perhaps the download failed",
    "Office": "it is an Office file, not a picture",
    "text": "it is text, not a picture",
    "program": "it is a program, not a picture",
    "Parquet": "it is a Parquet table, not a picture",
    "database": "it is a database, not a picture",
    "sidecar": "it is a metadata file of the operating system, not a picture",
}
# Names of files that accompany pictures; the content decides, so a picture under such a name is accepted.
_SIDECAR_NAMES = {"thumbs.db", "desktop.ini", "ehthumbs.db", "icon\r", "license", "readme", "copying", "makefile"}
_SIDECAR_SUFFIXES = {
    *(".json", ".jsonl", ".ndjson", ".xml", ".csv", ".tsv", ".parquet", ".pq", ".npy", ".npz", ".db", ".sqlite"),  # tables
    *(".txt", ".md", ".html", ".htm", ".css", ".js", ".log", ".nfo", ".bib", ".yaml", ".yml", ".toml", ".ini", ".py"),  # texts
    *(".xmp", ".aae", ".thm", ".dop", ".pp3"),  # settings of cameras and developers
    *(".url", ".lnk", ".webloc", ".sfv", ".md5", ".sha1", ".sha256", ".lock"),
}


def kind_of(head: bytes) -> str:
    """Return the kind of a file: one of `PICTURES`, another known kind, or "" if it is unknown.

    Args:
        head: its first `HEAD` bytes, or all of it.
    """
    if head[:4] == b"RIFF":
        return {b"WEBP": "WEBP", b"AVI ": "video"}.get(head[8:12], "")
    if head[4:8] == b"ftyp":
        return _of_brands(head)
    for start, kind in _STARTS.items():
        if head.startswith(start):
            return kind
    return _of_text(head)


def _of_brands(head: bytes) -> str:
    """Return the kind of an ISO media file: AVIF, HEIF or video."""
    size = min(int.from_bytes(head[:4]), len(head))
    brands = [head[8:12], *(head[start : start + 4] for start in range(16, size, 4))]
    for kind, known in (("AVIF", _AVIF_BRANDS), ("HEIF", _HEIF_BRANDS)):
        if any(brand in known for brand in brands):
            return kind
    return "video"


def _of_text(head: bytes) -> str:
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "text"
    if not head or b"\0" in head:
        return ""
    text = head.decode("utf-8", "replace").lstrip("\ufeff \t\r\n").lower()
    if re.search(r"<svg[\s>]", text):
        return "SVG"
    if text.startswith(("<!doctype html", "<html", "<head", "<body")):
        return "web page"
    readable = sum(character.isprintable() or character in "\t\r\n\f" for character in text if character != "\ufffd")
    return "text" if text and readable >= 0.9 * len(text) else ""


def reason_of(kind: str) -> str:
    """Return why a file of a kind, as returned by `kind_of`, is rejected."""
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
