"""Commands for inboxes: folders whose images are added by themselves while the workspace is served."""

import os
from pathlib import Path
from typing import Annotated

import typer

from core.intake.inboxes import inboxes, set_inbox
from core.store.files import shown
from core.workspace import Workspace
from dashboard.cli.joined import Ended, here_or_there
from dashboard.cli.main import inbox_app
from dashboard.cli.options import PATH, JsonOption, WorkspaceOption
from dashboard.console import finish, sentences

FolderArgument = Annotated[Path, typer.Argument(**PATH, help="Folder; its subfolders belong to it.")]


@inbox_app.command("add")
@sentences
def inbox_add(folder: FolderArgument, workspace: WorkspaceOption, json: JsonOption = False) -> None:
    """Watch a folder: while the workspace is served, images that arrive in it are added. Nothing in it is moved or deleted."""
    _set(workspace, folder, watched=True, as_json=json)


@inbox_app.command("remove")
@sentences
def inbox_remove(folder: FolderArgument, workspace: WorkspaceOption, json: JsonOption = False) -> None:
    """Watch a folder no longer; its files and the images from it stay."""
    _set(workspace, folder, watched=False, as_json=json)


@inbox_app.command("list")
@sentences
def inbox_list(workspace: WorkspaceOption, json: JsonOption = False) -> None:
    """List the watched folders; the page says under Jobs how far each is."""
    with Workspace(workspace, read_only=True) as space:
        found = [{"folder": str(folder), "is_there": folder.is_dir()} for folder in inboxes(space)]
    lines = [f"{shown(str(inbox['folder']))}{'' if inbox['is_there'] else '  (not there now)'}" for inbox in found]
    finish("\n".join(lines) or "No folder is watched.", {"inboxes": found}, as_json=json)


def _set(workspace: Path, folder: Path, *, watched: bool, as_json: bool) -> None:
    def here() -> Ended:
        with Workspace.create(workspace) as space:
            return Ended(*set_inbox(space, folder, watched=watched))

    ended = here_or_there(workspace, "inboxes", {"folder": os.path.abspath(folder), "watched": watched}, here)
    finish(ended.sentence, ended.record, as_json=as_json)
