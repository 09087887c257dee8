"""Label files, CSV or Parquet: image, class, analyst, time, source. Reads and checks; writes whole or not at all."""

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from core.catalog import ActionDraft
from core.errors import InputError
from core.files import atomic_path
from core.tables import read_table

if TYPE_CHECKING:
    import pandas as pd

SOURCES = ("single", "lasso", "cluster", "check", "import")
_ALIASES = {"image": ("image", "id", "path"), "class": ("class", "label")}


@dataclass(frozen=True)
class LabelLine:
    """One label as a file holds it."""

    image: str
    class_name: str
    analyst: str
    time: str  # ISO 8601
    source: str


def _column(table: "pd.DataFrame", wanted: str, file: Path) -> "pd.Series":
    for name in _ALIASES[wanted]:
        if name in table.columns:
            return table[name]
    raise InputError(
        f"{file} has the columns {', '.join(map(str, table.columns))}; it needs '{wanted}' (columns: image, class, "
        "and if known analyst, time, source)."
    )


def read_label_drafts(
    file: Path, *, row_of: Callable[[str], int | None], class_names: Sequence[str], analyst: str, guideline: str
) -> list[ActionDraft]:
    """Read a label file into actions: images that share class, analyst, time and source are one action.

    Args:
        file: CSV or Parquet.
        row_of: finds an image by id or path, None if unknown.
        class_names: what may stand in the class column.
        analyst: who is named where the file names nobody.
        guideline: the guideline version in force.
    Raises:
        InputError: naming the first offending lines; nothing is half read.
    """
    table = read_table(file)
    images, classes = _column(table, "image", file), _column(table, "class", file)
    unknown_classes = sorted(set(classes) - set(class_names))
    if unknown_classes:
        raise InputError(
            f"{file} has the classes {_some(unknown_classes)}, the workspace knows {', '.join(class_names)}; "
            "rename them or add them with 'lassoscope classes'. Nothing was imported."
        )
    rows = [row_of(name) for name in images]
    unknown = [name for name, row in zip(images, rows, strict=True) if row is None]
    if unknown:
        raise InputError(
            f"{file} names {len(unknown)} images that are not in this workspace ({_some(unknown)}); use image ids or "
            "the paths they were ingested from. Nothing was imported."
        )
    if not len(table):
        raise InputError(f"{file} has no lines; it needs one line per label.")
    who = _optional(table, "analyst", analyst)
    when = [_utc(text, file) for text in _optional(table, "time", "")]
    how = _optional(table, "source", "import")
    wrong = sorted(set(how) - set(SOURCES))
    if wrong:
        raise InputError(f"{file} has the sources {_some(wrong)}; known are {', '.join(SOURCES)}. Nothing was imported.")
    groups: dict[tuple[str, str, str, str], list[int]] = {}
    for row, *key in zip(rows, classes, who, when, how, strict=True):
        groups.setdefault((key[0], key[1], key[2], key[3]), []).append(int(row))  # type: ignore[arg-type]
    by_time = sorted(groups.items(), key=lambda item: item[0][2])
    return [
        ActionDraft(
            kind="label",
            analyst=name,
            source=source,
            rows=np.unique(np.array(members, np.int64)),
            class_name=class_name,
            criterion={"file": file.name},
            guideline=guideline,
            at=at or None,
        )
        for (class_name, name, at, source), members in by_time
    ]


def _optional(table: "pd.DataFrame", column: str, default: str) -> list[str]:
    if column not in table.columns:
        return [default] * len(table)
    return [text or default for text in table[column]]


def _utc(text: str, file: Path) -> str:
    if not text:
        return ""
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        raise InputError(f"{file} has the time {text!r}; it needs ISO 8601, for example 2026-01-31T12:00:00Z.") from None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
    return moment.astimezone(dt.UTC).isoformat(timespec="microseconds")


def _some(names: Sequence[str]) -> str:
    return ", ".join(repr(name) for name in names[:3]) + (", …" if len(names) > 3 else "")


def write_label_lines(file: Path, lines: Sequence[LabelLine]) -> None:
    """Write labels as CSV, or as Parquet if the suffix says so."""
    import pandas as pd

    records = [(line.image, line.class_name, line.analyst, line.time, line.source) for line in lines]
    table = pd.DataFrame(records, columns=["image", "class", "analyst", "time", "source"])
    with atomic_path(file) as aside:
        if file.suffix.lower() in (".parquet", ".pq"):
            table.to_parquet(aside, index=False)
        else:
            table.to_csv(aside, index=False)
