"""Read users' tables, CSV, JSON lines or Parquet, as text columns; lenient about how they were written."""

import csv
import datetime as dt
import io
import json
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import InputError
from core.images.kinds import HEAD, PICTURES, FileKind, kind_of

if TYPE_CHECKING:
    import pandas as pd

SEPARATORS = (",", ";", "\t", "|")
NONE = "\x1f"  # stands for "no separator"; occurs in no text
SAMPLE = 100_000  # characters of a file that certainly contain its first line
PARQUET = (".parquet", ".pq")
_NO_TEXT = (bytes, bytearray, memoryview, dict, list, tuple)
_WORD_LIKE = {FileKind.BMP, FileKind.ICO, FileKind.PROGRAM, FileKind.ARCHIVE, FileKind.VIDEO, FileKind.TEXT}
_NOT_TABLES = {
    FileKind.ZIP: "is a ZIP archive (or an Excel file); unpack it and give the folder, or save the sheet as CSV",
    FileKind.PDF: "is a PDF document; save its pages as pictures and give their folder",
    FileKind.ARCHIVE: "is a packed archive; unpack it and give the folder",
    FileKind.VIDEO: "is a video; save still pictures of it and give their folder",
    FileKind.SVG: "is a drawing; save it as PNG and give its folder",
    FileKind.WEB_PAGE: "is a web page, not a table",
    FileKind.DATABASE: "is a database; save the table as CSV",
    FileKind.PROGRAM: "is a program, not a table",
    FileKind.OFFICE: "is an old Office file; save the sheet as CSV",
}


def read_table(file: Path) -> "pd.DataFrame":
    """Read a CSV, JSON lines or Parquet file, all columns as text, empty cells as "".

    CSV: separated by commas, semicolons, tabs or bars; UTF-8, UTF-16 or Windows-1252; quotes, spaces after separators and
    surplus separators at line ends are allowed. Parquet: whole numbers without ".0"; a named index becomes a column. Columns
    of bytes, lists or records are left out and named in `attrs["left_out"]`.

    Raises:
        InputError: if it is missing, unreadable, empty, or not a table.
    """
    if file.is_dir():
        raise InputError(f"{file} is a folder; give a CSV or Parquet file.")
    if not file.exists():
        raise InputError(f"There is no file {file}; give a CSV or Parquet file.")
    if not file.is_file():
        raise InputError(f"{file} is not a regular file; give a CSV or Parquet file.")
    try:
        with file.open("rb") as opened:
            head = opened.read(HEAD)
            _check_kind(file, head)
            if head.startswith(b"PAR1") or file.suffix.lower() in PARQUET:
                return _read_parquet(file)
            text = _decoded(head + opened.read(), file)
    except OSError as error:
        raise InputError(f"{file} cannot be read ({error.strerror or error}); give a CSV or Parquet file.") from None
    except MemoryError:
        raise InputError(f"{file} does not fit into memory; split it into several tables.") from None
    return _read_json_lines(text, file) if text.lstrip().startswith("{") else _read_csv(text, file)


def find_column(table: "pd.DataFrame", names: Sequence[str]) -> str | None:
    """Return a table's column with the first of these names that it has, ignoring case; None if it has none."""
    by_name: dict[str, str] = {}
    for column in table.columns:
        by_name.setdefault(str(column).casefold(), str(column))
    return next((name if name in table.columns else by_name[name] for name in names if name in by_name), None)


def _check_kind(file: Path, head: bytes) -> None:
    """Refuse a file whose content is not a table.

    Raises:
        InputError: saying what the file is.
    """
    kind = kind_of(head)
    if not head:
        raise InputError(f"{file} is empty (0 bytes); a table needs a first line with the names of its columns.")
    if kind in _WORD_LIKE and b"\0" not in head:  # text may begin with the same bytes
        return
    if kind in PICTURES:
        raise InputError(f"{file} is a picture; give its folder, or a CSV or Parquet manifest.")
    if kind in _NOT_TABLES:
        raise InputError(f"{file} {_NOT_TABLES[kind]}.")


def _table(names: Sequence[str], rows: Sequence[Sequence[str]], left_out: Sequence[str] = ()) -> "pd.DataFrame":
    import pandas as pd

    kept = [place for place, name in enumerate(names) if name]
    columns = {names[place]: pd.array([row[place] for row in rows], dtype="string") for place in kept}
    table = pd.DataFrame(columns, columns=[names[place] for place in kept])
    table.attrs["left_out"] = list(left_out)
    return table


# -- CSV and JSON lines --


def _read_csv(text: str, file: Path) -> "pd.DataFrame":
    named = re.match(r"\ufeff?sep=(.)\r?\n", text)  # Excel's extra first line
    text = text[named.end() :] if named else text
    separator = named[1] if named else _separator(text[:SAMPLE].splitlines())
    csv.field_size_limit(2**24)
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True)
        rows = [(reader.line_num, [cell.strip() for cell in row]) for row in reader]
    except csv.Error as error:
        raise InputError(f"{file} cannot be read as CSV ({error}); save it again as UTF-8 CSV.") from None
    rows = [(line, row) for line, row in rows if any(row)]
    if not rows:
        raise InputError(f"{file} is empty; a table needs a first line with the names of its columns.")
    if separator == NONE:  # one column: separators inside belong to the text, those at the end do not
        rows = [(line, [row[0].rstrip(",;\t|")]) for line, row in rows]
    names = _names(rows[0][1])
    return _table(names, [_fitted(row, len(names), file, line) for line, row in rows[1:]])


def _read_json_lines(text: str, file: Path) -> "pd.DataFrame":
    found = []
    for number, line in enumerate(text.splitlines(), start=1):
        try:
            record = json.loads(line) if line.strip() else {}
        except ValueError:
            record = None
        if not isinstance(record, dict):
            raise InputError(
                f"Line {number} of {file} is not a JSON object; save it as JSON lines, one object per line, or as CSV."
            )
        found += [record] * bool(record)
    names = list(dict.fromkeys(str(name) for record in found for name in record))
    return _from_values({name: [record.get(name) for record in found] for name in names})


def _decoded(content: bytes, file: Path) -> str:
    """Decode a text file: by its byte order mark, as UTF-8, or else as Windows-1252.

    Raises:
        InputError: if it is not text.
    """
    for mark, encoding in ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"), (b"\xef\xbb\xbf", "utf-8-sig")):
        if content.startswith(mark):
            return content.decode(encoding, "replace")
    if content[:200].count(0) > len(content[:200]) // 3:  # UTF-16 without its mark
        return content.decode("utf-16-le" if content[1:2] == b"\0" else "utf-16-be", "replace")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        pass
    if b"\0" in content[:HEAD]:
        raise InputError(f"{file} is not text; give a CSV or Parquet file, or a folder of images.")
    return content.decode("cp1252", "replace")


def _separator(lines: Sequence[str]) -> str:
    """Return the separator that splits the first line into the most columns, `NONE` if there is only one column."""
    first = next((line for line in lines if line.strip()), "")
    columns = {separator: len(next(csv.reader([first], delimiter=separator), [])) for separator in SEPARATORS}
    best = max(SEPARATORS, key=lambda separator: columns[separator])
    return best if columns[best] > 1 else NONE


def _names(names: Sequence[str]) -> list[str]:
    """Return unique column names, repeated ones with a number; "" for unnamed columns, which are left out."""
    found: list[str] = []
    for name in names:
        number, free = 2, "" if name.startswith("Unnamed: ") else name.lstrip("\ufeff")
        while free and free in found:
            number, free = number + 1, f"{name} {number}"
        found.append(free)
    return found


def _fitted(row: list[str], n: int, file: Path, line: int) -> list[str]:
    """Return a line with n cells: surplus empty cells are removed, missing ones added.

    Raises:
        InputError: if surplus cells are not empty.
    """
    while len(row) > n and not row[-1]:
        row = row[:-1]
    if len(row) > n:
        raise InputError(
            f"Line {line} of {file} has {len(row)} values for {n} column names; quote values that contain separators."
        )
    return row + [""] * (n - len(row))


# -- Parquet --


def _read_parquet(file: Path) -> "pd.DataFrame":
    import pandas as pd

    try:
        table = pd.read_parquet(file, dtype_backend="pyarrow")  # else whole numbers with gaps would become floats
    except Exception as error:  # pyarrow raises a dozen kinds on broken files
        detail = (str(error).splitlines() or [type(error).__name__])[0][:120]
        raise InputError(f"{file} cannot be read as Parquet ({detail}); save it again, or as UTF-8 CSV.") from None
    if any(name is not None for name in table.index.names):
        table = table.reset_index()
    return _from_values({str(name): list(table.iloc[:, place]) for place, name in enumerate(table.columns)})


def _from_values(columns: dict[str, list[Any]]) -> "pd.DataFrame":
    """Make a table from columns of any type; those of bytes, lists or records are left out."""
    left_out = [name for name, values in columns.items() if any(isinstance(value, _NO_TEXT) for value in values)]
    kept = [name for name in columns if name not in left_out]
    cells = [[_cell(value) for value in columns[name]] for name in kept]
    return _table(kept, list(zip(*cells, strict=True)), left_out)


def _cell(value: Any) -> str:
    import pandas as pd

    if value is None or value is pd.NA:
        return ""
    if isinstance(value, float):
        return "" if math.isnan(value) else str(int(value)) if value.is_integer() and abs(value) < 2**53 else str(value)
    if isinstance(value, dt.datetime):
        return "" if value is pd.NaT else value.isoformat()
    return str(value).strip()
