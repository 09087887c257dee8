"""The command that removes images for good."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from core.errors import InputError
from core.intake.remove import Wanted, find, full_name, is_unfinished, names_in, nothing_to_remove
from core.intake.remove import remove as take_out
from core.jobs.kinds import MOST_NAMED
from core.remote.addresses import is_remote
from core.wording import counted
from core.workspace import Workspace
from dashboard.cli.joined import Ended, here_or_there
from dashboard.cli.main import app
from dashboard.cli.options import PATH, AnalystOption, JsonOption, WorkspaceOption, path_of
from dashboard.console import finish, is_at_terminal, progress, sentences, this_user


@app.command()
@sentences
def remove(
    workspace: WorkspaceOption,
    images: Annotated[list[str] | None, typer.Argument(help="Images by id, or by the path of a file.")] = None,
    file: Annotated[Path | None, typer.Option(**PATH, help="Text file with an id or a path a line.")] = None,
    source: Annotated[
        str | None, typer.Option(metavar="PATH", help="Folder, or address of one: images whose files are all in it.")
    ] = None,
    gone: Annotated[bool, typer.Option("--gone", help="Images none of whose files is there any more.")] = False,
    near_duplicates: Annotated[bool, typer.Option("--near-duplicates", help="And the near-duplicates of all these.")] = False,
    reason: Annotated[str, typer.Option(help="Kept with the removal, for example the number of a request.")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask first.")] = False,
    analyst: AnalystOption = "",
    json: JsonOption = False,
) -> None:
    """Remove images for good: pictures, words and embeddings are erased, and their files are refused from then on."""
    names, by = [full_name(name, Path.cwd()) for name in images or ()], analyst or this_user()
    if len(names) > MOST_NAMED:
        raise InputError(
            f"{counted(MOST_NAMED, 'image')} at most can be named, got {len(names):,}; write them into a file, for --file."
        )
    below = "" if source is None else source.rstrip("/") if is_remote(source) else os.path.realpath(path_of(source))
    from_file = [] if file is None else names_in(file)
    wanted = Wanted([*names, *from_file], below, gone, near_duplicates)
    with Workspace(workspace, read_only=True) as space:
        found, waiting = find(space, wanted), is_unfinished(space)
    n = len(found.rows)
    if not n and not waiting:
        raise nothing_to_remove(found)
    if n and not yes:
        _ask(n)

    def here() -> Ended:
        with Workspace(workspace) as space, progress("erase") as on_progress:
            result = take_out(space, wanted, analyst=by, reason=reason, on_progress=on_progress)
        return Ended(result.sentence, result.record)

    asked = {
        "images": names,
        "file": "" if file is None else os.path.abspath(file),
        "below": below,
        "gone": gone,
        "near_duplicates": near_duplicates,
        "reason": reason,
        "by": by,
    }
    ended = here_or_there(workspace, "remove", asked, here)
    finish(ended.sentence, ended.record, as_json=json)


def _ask(n: int) -> None:
    """Ask whether to go on.

    Raises:
        InputError: if nobody is there to answer.
    """
    what = f"{counted(n, 'image')} will be removed for good; there is no undo."
    if not is_at_terminal():
        raise InputError(f"{what} Run the command with --yes to do it.")
    sys.stderr.write(f"{what}\n")
    typer.confirm("Go on?", abort=True, err=True)
