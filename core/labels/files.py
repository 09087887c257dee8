"""Label files, CSV or Parquet: read and check them, and write them whole or not at all."""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from core.catalog.class_names import hint
from core.catalog.criterion import Criterion
from core.catalog.records import ActionDraft, ActionKind, Source
from core.errors import InputError
from core.score_columns.files import FileColumn, read_columns
from core.store.files import atomic_path
from core.store.tables import read_table

if TYPE_CHECKING:
    import pandas as pd

SOURCES = (Source.SINGLE, Source.LASSO, Source.CLUSTER, Source.REVIEW, Source.CHECK, Source.IMPORT)  # of labels with a class
SUFFIXES = (".csv", ".parquet", ".pq")
COLUMNS = ("image", "path", "class", "analyst", "time", "source")
_IMAGE, _CLASS = ("image", "id", "path"), ("class", "label")
EARLIEST = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
AHEAD = dt.timedelta(days=1)  # a clock may be off by its time zone; a label dated later than that would outlast all newer ones


@dataclass(frozen=True)
class LabelLine:
    """One line of a label file to write."""

    image: str
    path: str  # of a file with the image
    class_name: str
    analyst: str
    time: str  # ISO 8601
    source: str  # a `Source`, or the word of a newer program


@dataclass(frozen=True)
class FileLabel:
    """One checked line of a label file."""

    line: int  # counted as in an editor: the header is line 1
    name: str  # of the image, as in the file
    row: int
    class_name: str
    analyst: str
    at: str  # ISO 8601, UTC; "" = no time given
    source: Source


@dataclass(frozen=True, eq=False)
class LabelFile:
    """A label file as it was read: a line per label, or per image that another model scored, or both."""

    file: Path
    table: "pd.DataFrame"  # L lines of text
    names: list[str]  # (L,) of the images, as in the file
    rows: list[int | None]  # (L,) of the images; None = not in this workspace
    scores: list[FileColumn]

    @property
    def has_labels(self) -> bool:
        """Tell whether the file has a column of classes."""
        return any(name in self.table.columns for name in _CLASS)


def read_label_file(file: Path, *, row_of: Callable[[str], int | None]) -> LabelFile:
    """Read a label file.

    Args:
        file: CSV or Parquet.
        row_of: returns the row of an image by id or path, None if unknown.
    Raises:
        InputError: if it has no lines, no column of images, or invalid scores.
    """
    table = read_table(file)
    if not len(table):
        raise InputError(f"{file} has no lines; it needs one per label.")
    return LabelFile(file, table, *_images(table, file, row_of), read_columns(table, file))


def file_labels(read: LabelFile, *, class_names: Sequence[str], renames: Mapping[str, str], analyst: str) -> list[FileLabel]:
    """Return the checked labels of a file; beside scores, a line's class may be empty.

    Args:
        class_names: allowed in the class column.
        renames: names that classes had before, allowed there, too -> their names in `class_names`.
        analyst: for lines that name nobody.
    Raises:
        InputError: naming the first wrong values.
    """
    if read.scores and not read.has_labels:
        return []
    file, table = read.file, read.table
    written = [text.strip() for text in _column(table, _CLASS, file)]
    rows = _known(read, [place for place, name in enumerate(written) if name or not read.scores])
    today = {name: name for name in class_names} | {old: new for old, new in renames.items() if new in class_names}
    if unknown := sorted({written[place] for place in rows} - set(today)):
        raise InputError(
            f"{file} has the unknown classes {_some(unknown)}; the workspace has {', '.join(class_names)}"
            f"{hint(unknown, class_names)}; rename them or add them with 'lassoscope classes'. Nothing was imported."
        )
    who = _optional(table, "analyst", analyst)
    when = [_utc(text, file, line) for line, text in enumerate(_optional(table, "time", ""), start=2)]
    how = _optional(table, "source", Source.IMPORT)
    if wrong := sorted(set(how) - set(SOURCES)):
        raise InputError(f"{file} has the unknown sources {_some(wrong)}; use {', '.join(SOURCES)}. Nothing was imported.")
    return [
        FileLabel(place + 2, read.names[place], row, today[written[place]], who[place], when[place], Source(how[place]))
        for place, row in rows.items()
    ]


def _images(table: "pd.DataFrame", file: Path, row_of: Callable[[str], int | None]) -> tuple[list[str], list[int | None]]:
    """Find the image of each line by the first of its columns that names a known one; None if there is none."""
    present = [name for name in _IMAGE if name in table.columns]
    if not present:
        _column(table, _IMAGE, file)
    names, rows = [], []
    for line in zip(*(table[name] for name in present), strict=True):
        tried = [text.strip() for text in line if text.strip()]
        names.append(tried[0] if tried else "")
        rows.append(next((found for text in tried if (found := row_of(text)) is not None), None))
    return names, rows


def _known(read: LabelFile, places: Sequence[int]) -> dict[int, int]:
    """Return line -> row of these lines.

    Raises:
        InputError: if one of them names an image that is not in the workspace.
    """
    rows = {place: row for place in places if (row := read.rows[place]) is not None}
    if unknown := [read.names[place] for place in places if place not in rows]:
        raise InputError(strangers(read.file, unknown))
    return rows


def strangers(file: Path, names: Sequence[str]) -> str:
    """Return the message about images of a file that are not in the workspace."""
    count = "an image that is" if len(names) == 1 else f"{len(names):,} images that are"
    return (
        f"{file} names {count} not in this workspace ({_some(names)}); use image ids or the paths they were ingested from. "
        "Nothing was imported."
    )


def _column(table: "pd.DataFrame", wanted: Sequence[str], file: Path) -> "pd.Series":
    for name in wanted:
        if name in table.columns:
            return table[name]
    raise InputError(
        f"{file} has the columns {', '.join(map(str, table.columns))}; it needs '{wanted[0]}' (columns: image or path, class, "
        "and if known analyst, time, source)."
    )


def settle(labels: Sequence[FileLabel], file: Path) -> list[FileLabel]:
    """Choose one line per image: readings come before other labels, then the newest if all lines have a time.

    Raises:
        InputError: if lines contradict each other and nothing decides between them; names image and lines.
    """
    of_image = sorted(labels, key=lambda label: (label.row, label.line))
    return [_settled(list(lines), file) for _, lines in groupby(of_image, key=lambda label: label.row)]


def _settled(lines: list[FileLabel], file: Path) -> FileLabel:
    readings = [label for label in lines if label.source == Source.CHECK]
    asked = readings or lines
    newest = max(asked, key=lambda label: (label.at, label.line))
    if len({label.class_name for label in asked}) == 1:
        return newest
    dated = not readings and all(label.at for label in asked)
    if dated and len({label.class_name for label in asked if label.at == newest.at}) == 1:
        return newest
    other = next(label for label in asked if label.class_name != newest.class_name)
    first, second = sorted((other, newest), key=lambda label: label.line)
    why = "an image has one reading" if readings else "a time for each would say which is newer"
    raise InputError(
        f"{file} calls the image {first.name!r} '{first.class_name}' in line {first.line} and '{second.class_name}' in line "
        f"{second.line}; {why}. Keep only one of these lines. Nothing was imported."
    )


def drafts_of(labels: Sequence[FileLabel], file: Path, *, guideline: str) -> list[ActionDraft]:
    """Group lines into actions, oldest first: images with the same class, analyst, time and source form one action."""
    import numpy as np

    groups: dict[tuple[str, str, str, Source], list[int]] = {}
    for label in labels:
        groups.setdefault((label.at or "~", label.class_name, label.analyst, label.source), []).append(label.row)
    return [
        ActionDraft(
            kind=ActionKind.LABEL,
            analyst=name,
            source=source,
            rows=np.unique(np.array(members, np.int64)),
            class_name=class_name,
            criterion=Criterion(file=file.name),
            guideline=guideline,
            at=None if at == "~" else at,
        )
        for (at, class_name, name, source), members in sorted(groups.items())  # no time is now, and sorts last
    ]


def _optional(table: "pd.DataFrame", column: str, default: str) -> list[str]:
    if column not in table.columns:
        return [default] * len(table)
    return [text.strip() or default for text in table[column]]


def _utc(text: str, file: Path, line: int) -> str:
    if not text:
        return ""
    try:
        moment = dt.datetime.fromisoformat(text)
        moment = (moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)).astimezone(dt.UTC)
    except (ValueError, OverflowError):
        raise InputError(
            f"{file} has the time {text[:40]!r} in line {line}; it needs ISO 8601, for example 2026-01-31T12:00:00Z. "
            "Nothing was imported."
        ) from None
    if not EARLIEST <= moment <= dt.datetime.now(dt.UTC) + AHEAD:
        raise InputError(
            f"{file} has the time {text!r} in line {line}; a label's time is between 1970 and now; correct it, or leave the "
            "cell empty. Nothing was imported."
        )
    return moment.isoformat(timespec="microseconds")


def _some(names: Sequence[str]) -> str:
    return ", ".join(repr(name[:80]) for name in names[:3]) + (", …" if len(names) > 3 else "")


def check_target(file: Path, what: str) -> None:
    """Check that a table can be written to a file.

    Raises:
        InputError: if it is a folder, or its suffix is not in `SUFFIXES`.
    """
    if file.is_dir():
        raise InputError(f"{file} is a folder; name a file, for example {file / f'{what}.csv'}.")
    if file.suffix.lower() not in SUFFIXES:
        raise InputError(f"{what.capitalize()} are written as .csv or .parquet, got '{file.name}'; name such a file.")


def write_label_lines(file: Path, lines: Sequence[LabelLine]) -> None:
    """Write labels as CSV or Parquet, by the suffix.

    Raises:
        InputError: if the file is a folder, or has another suffix.
    """
    import pandas as pd

    check_target(file, "labels")
    records = [(line.image, line.path, line.class_name, line.analyst, line.time, line.source) for line in lines]
    table = pd.DataFrame(records, columns=list(COLUMNS))
    with atomic_path(file) as aside:
        if file.suffix.lower() in (".parquet", ".pq"):
            table.to_parquet(aside, index=False)
        else:
            table.to_csv(aside, index=False)
