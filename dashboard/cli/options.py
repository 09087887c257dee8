"""How commands take paths, numbers and the options that several of them have."""

import math
from pathlib import Path
from typing import Annotated, Any

import typer

from dashboard.settings import MOST_PORT

MOST_DIGITS = 10  # of a number that is typed


def path_of(text: str | Path) -> Path:
    """Take a path that is typed; an empty one, as from a variable that is not set, would be the current folder."""
    if not str(text).strip() or "\0" in str(text):
        raise typer.BadParameter("a path is needed, got nothing; the current folder is '.'.")
    return Path(text)


def finite(text: str | float) -> float:
    """Take a number that is typed; NaN and infinity are none."""
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not math.isfinite(found):
        raise typer.BadParameter(f"a number is needed, got {str(text)[:40]!r}.")
    return found


# What an option may hold; the rest of `typer.Option` and `typer.Argument` says what it is for.
PATH: dict[str, Any] = {"parser": path_of, "metavar": "PATH"}
NUMBER: dict[str, Any] = {"parser": finite, "metavar": "NUMBER"}
WORKERS: dict[str, Any] = {"min": 1, "max": 256}
EPOCHS: dict[str, Any] = {"min": 1, "max": 1_000_000}
SEED: dict[str, Any] = {"min": 0, "max": 2**32 - 1}  # numpy's
WorkspaceOption = Annotated[
    Path, typer.Option("--workspace", "-w", envvar="LASSOSCOPE_WORKSPACE", **PATH, help="Folder of the workspace.")
]
MaybeWorkspace = Annotated[
    Path | None, typer.Option("--workspace", "-w", envvar="LASSOSCOPE_WORKSPACE", **PATH, help="Folder of the workspace.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object to stdout instead of a sentence.")]
AnalystOption = Annotated[str, typer.Option("--analyst", envvar="LASSOSCOPE_ANALYST", help="Who is named on labels.")]
DeviceOption = Annotated[str, typer.Option(envvar="LASSOSCOPE_DEVICE", help="auto, cpu, cuda or cuda:N.")]
PortOption = Annotated[
    int | None, typer.Option(min=0, max=MOST_PORT, envvar="PORT", help="Port; 0 takes a free one.  [default: 5006]")
]
AddressOption = Annotated[str | None, typer.Option(envvar="LASSOSCOPE_ADDRESS", help="Address.  [default: 127.0.0.1]")]
NoBrowser = Annotated[bool, typer.Option("--no-browser", help="Do not open a browser.")]
