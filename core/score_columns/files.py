"""Score columns of manifests and label files: `score:NAME`, or `score:NAME:safe` where higher means safer."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from core.arrays import FloatArray
from core.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

PREFIX, SAFE = "score:", "safe"
NO_SCORE = frozenset({"", "nan", "null", "none", "na", "n/a", "<na>"})  # cells without a score, in any case
LONGEST = 60  # characters of a name
PROBE = "probe"  # the scorer that files do not bring
STACKED = f"{PROBE} + "  # begins the names of columns that are kept scores of a stacked probe
NOTHING = "Nothing was imported."


@dataclass(frozen=True, eq=False)
class FileColumn:
    """One score column of a file."""

    name: str
    higher_is_safer: bool
    values: FloatArray  # (L,) float64 as in the file's L lines, finite; NaN = the line has no score


def header_of(name: str, *, higher_is_safer: bool = False) -> str:
    """Return what a score column is called in a file."""
    return f"{PREFIX}{name}:{SAFE}" if higher_is_safer else f"{PREFIX}{name}"


def is_score_column(header: str) -> bool:
    """Tell whether a column of a table holds scores, by its name."""
    return header.strip().casefold().startswith(PREFIX)


def read_columns(table: "pd.DataFrame", file: Path) -> list[FileColumn]:
    """Read the score columns of a table of text.

    Raises:
        InputError: if a name says something else than a name and a direction, a cell is neither a number nor empty, or a column
            has no number, or the same one in all its lines.
    """
    found = [_column(str(header), table[header], file) for header in table.columns if is_score_column(str(header))]
    names = [column.name for column in found]
    if doubled := [name for name in names if names.count(name) > 1]:
        raise InputError(f"{file} has several columns for the scores of '{doubled[0]}'; keep one of them. {NOTHING}")
    return found


def _column(header: str, cells: Sequence[str], file: Path) -> FileColumn:
    name, higher_is_safer = _declared(header, file)
    values = np.array([_number(cell, header, file, line) for line, cell in enumerate(cells, start=2)], np.float64)
    known = values[~np.isnan(values)]
    if not len(known):
        raise InputError(f"{file} has no number in the column '{header}'; fill it, or remove it. {NOTHING}")
    if len(known) > 1 and (known == known[0]).all():
        raise InputError(
            f"{file} has the same score {known[0]:g} in all {len(known):,} lines of '{header}', so it ranks no image above "
            f"another; export the scores that the model gives before it decides. {NOTHING}"
        )
    return FileColumn(name, higher_is_safer, values)


def _declared(header: str, file: Path) -> tuple[str, bool]:
    """Return the name and the direction that a column's header declares."""
    name, colon, direction = (part.strip() for part in header.strip()[len(PREFIX) :].partition(":"))
    if colon and direction.casefold() != SAFE:
        raise InputError(
            f"{file} has the column '{header}'; after the name only ':{SAFE}' may follow, which declares that higher is safer. "
            f"Call it '{PREFIX}{name or 'NAME'}' or '{PREFIX}{name or 'NAME'}:{SAFE}'. {NOTHING}"
        )
    if not name or len(name) > LONGEST or not name.isprintable():
        raise InputError(
            f"{file} has the column '{header[:LONGEST]}'; after '{PREFIX}' it needs a name of 1 to {LONGEST} printable "
            f"characters, for example '{PREFIX}vendor'. {NOTHING}"
        )
    if name.casefold() == PROBE or name.casefold().startswith(STACKED):
        raise InputError(f"{file} has the column '{header}', but '{name}' is this program's own model; rename it. {NOTHING}")
    return name, bool(colon)


def _number(cell: str, header: str, file: Path, line: int) -> float:
    if cell.strip().casefold() in NO_SCORE:
        return math.nan
    try:
        value = float(cell)
    except ValueError:
        value = math.inf
    if math.isinf(value):
        raise InputError(
            f"{file} has {cell[:40]!r} in line {line} of '{header}'; a score is a finite number such as 0.93, and an image "
            f"without a score has an empty cell. {NOTHING}"
        )
    return value
