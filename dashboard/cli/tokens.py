"""Commands for tokens, with which programs use a served workspace."""

from pathlib import Path
from typing import Annotated

import typer

from core.store.tokens import Tokens
from core.workspace import Workspace
from dashboard.cli.main import token_app
from dashboard.cli.options import JsonOption, WorkspaceOption
from dashboard.console import finish, sentences

NameArgument = Annotated[str, typer.Argument(help="Name of the program that uses it.")]


@token_app.command("add")
@sentences
def token_add(name: NameArgument, workspace: WorkspaceOption, json: JsonOption = False) -> None:
    """Make a token for a program, and print it: once, as only its hash is kept."""
    secret = _tokens(workspace).add(name)
    said = f"{secret}\nThis token is shown once; programs send it as 'Authorization: Bearer {secret[:10]}…'."
    finish(said, {"name": name, "token": secret}, as_json=json)


@token_app.command("list")
@sentences
def token_list(workspace: WorkspaceOption, json: JsonOption = False) -> None:
    """List the tokens by name, with the time each was made."""
    found = [{"name": token.name, "at": token.at} for token in _tokens(workspace).all()]
    lines = [f"{token['name']}  (made {token['at']})" for token in found]
    finish("\n".join(lines) or "There are no tokens.", {"tokens": found}, as_json=json)


@token_app.command("remove")
@sentences
def token_remove(name: NameArgument, workspace: WorkspaceOption, json: JsonOption = False) -> None:
    """Remove a token: its program is a stranger from now on, also to a server that runs."""
    _tokens(workspace).remove(name)
    finish(f"The token '{name}' is removed.", {"removed": name}, as_json=json)


def _tokens(workspace: Path) -> Tokens:
    with Workspace(workspace, read_only=True):  # says so if there is none
        return Tokens(workspace)
