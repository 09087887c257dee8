"""Parsers for paths and numbers, and options shared by several commands."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, TypedDict

import typer

from dashboard.settings import MOST_PORT

MOST_DIGITS = 10  # of a number typed by a person


def path_of(text: str | Path) -> Path:
    """Parse a path. An empty one, as from an unset variable, is refused: it would mean the current folder."""
    if not str(text).strip() or "\0" in str(text):
        raise typer.BadParameter("a path is needed, got an empty one; write '.' for the current folder.")
    return Path(text)


def finite(text: str | float) -> float:
    """Parse a number; NaN and infinity are refused."""
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not math.isfinite(found):
        raise typer.BadParameter(f"a number is needed, got {str(text)[:40]!r}.")
    return found


class Bounds(TypedDict):
    """The smallest and largest value of an option, as arguments of `typer.Option`."""

    min: int
    max: int


class PathParser(TypedDict):
    """How a path is parsed, as arguments of `typer.Option` and `typer.Argument`."""

    parser: Callable[[str], Path]
    metavar: str


class NumberParser(TypedDict):
    """How a number is parsed, as arguments of `typer.Option`."""

    parser: Callable[[str], float]
    metavar: str


PATH: PathParser = {"parser": path_of, "metavar": "PATH"}
NUMBER: NumberParser = {"parser": finite, "metavar": "NUMBER"}
WORKERS: Bounds = {"min": 1, "max": 256}
EPOCHS: Bounds = {"min": 1, "max": 1_000_000}
SEED: Bounds = {"min": 0, "max": 2**32 - 1}  # numpy's range
WorkspaceOption = Annotated[
    Path, typer.Option("--workspace", "-w", envvar="LASSOSCOPE_WORKSPACE", **PATH, help="Workspace folder.")
]
MaybeWorkspace = Annotated[
    Path | None, typer.Option("--workspace", "-w", envvar="LASSOSCOPE_WORKSPACE", **PATH, help="Workspace folder.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object to stdout instead of a sentence.")]
AnalystOption = Annotated[str, typer.Option("--analyst", envvar="LASSOSCOPE_ANALYST", help="Name to store with labels.")]
DeviceOption = Annotated[str, typer.Option(envvar="LASSOSCOPE_DEVICE", help="auto, cpu, cuda or cuda:N.")]
PortOption = Annotated[
    int | None, typer.Option(min=0, max=MOST_PORT, envvar="PORT", help="Port; 0 takes a free one.  [default: 5006]")
]
AddressOption = Annotated[str | None, typer.Option(envvar="LASSOSCOPE_ADDRESS", help="Address.  [default: 127.0.0.1]")]
NoBrowser = Annotated[bool, typer.Option("--no-browser", help="Do not open a browser.")]
