"""Rows of the drill: appended to a part's file, gathered into drill.json and Markdown tables. Standard library only."""

import json
import os
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

Figure = float | int | str


@dataclass(frozen=True)
class Row:
    """One line of a table."""

    part: str  # the title of the table: a part of the drill, or of one of its tables
    what: str
    figures: dict[str, Figure] = field(default_factory=dict)  # by column title
    failed: str = ""  # a sentence; "" if nothing failed


class Recorder:
    """Appends the rows of one part to a file, one JSON object a line, so that a killed part keeps what it has measured."""

    def __init__(self, part: str, file: Path) -> None:
        self.part, self._file = part, file

    def under(self, table: str) -> "Recorder":
        """Return a recorder of rows with other columns, in a table of their own."""
        return Recorder(table, self._file)

    def add(self, what: str, figures: Mapping[str, Figure], failed: str = "") -> None:
        """Append a row: its figures by column title, and a sentence if it failed."""
        with self._file.open("a", encoding="utf-8") as out:
            out.write(json.dumps(asdict(Row(self.part, what, dict(figures), failed))) + "\n")

    def fail(self, what: str, error: Exception, figures: Mapping[str, Figure] | None = None) -> None:
        """Append a row about an exception, and write where it came from to the part's log."""
        traceback.print_exception(error)
        self.add(what, figures or {}, failed=f"{type(error).__name__}: {error}".partition("\n")[0])


def read_rows(file: Path) -> list[Row]:
    """Return the whole rows of a part's file; a line cut short by a kill is left out."""
    rows = []
    for line in file.read_text(encoding="utf-8").splitlines() if file.exists() else []:
        try:
            rows.append(Row(**json.loads(line)))
        except ValueError:
            break
    return rows


def markdown(rows: Sequence[Row]) -> str:
    """Return one table for each part, in the order of the rows."""
    parts = dict.fromkeys(row.part for row in rows)
    return "\n\n".join(_table(part, [row for row in rows if row.part == part]) for part in parts) + "\n"


def _table(part: str, rows: Sequence[Row]) -> str:
    columns = list(dict.fromkeys(name for row in rows for name in row.figures))
    failed = any(row.failed for row in rows)
    head = [part, *columns, *(["result"] if failed else [])]
    lines = [head, ["---"] * len(head)]
    for row in rows:
        cells = [row.what, *(_shown(row.figures.get(name, "")) for name in columns)]
        lines.append([*cells, *([f"FAILED: {row.failed}" if row.failed else ""] if failed else [])])
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines)


def _shown(figure: Figure) -> str:
    if isinstance(figure, str):
        return figure
    if isinstance(figure, int) or figure == 0:
        return f"{figure:,.0f}"
    return f"{figure:,.0f}" if abs(figure) >= 100 else f"{figure:.2g}" if abs(figure) < 0.01 else f"{figure:.3g}"


def write(folder: Path, rows: Sequence[Row]) -> None:
    """Write drill.json and drill.md, each whole or not at all."""
    content = {"failed": sum(bool(row.failed) for row in rows), "rows": [asdict(row) for row in rows]}
    for name, text in (("drill.json", json.dumps(content, indent=1) + "\n"), ("drill.md", markdown(rows))):
        aside = folder / f".{name}.part"
        aside.write_text(text, encoding="utf-8")
        os.replace(aside, folder / name)
