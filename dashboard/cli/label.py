"""Commands for labels: classes, policies, guideline, labels import and export, suggest."""

import os
from pathlib import Path
from typing import Annotated

import typer

from core.errors import InputError
from core.jobs.quick import GuidelineArguments, PoliciesArguments, guideline_changed, policies_changed
from core.labels.class_edits import guideline_ended
from core.labels.classes import classes_ended, parse_classes, set_classes
from core.labels.exchange import export_labels, import_labels
from core.labels.policies import policies_ended
from core.missing import missing_for_suggestions
from core.overview import file_of, summary
from core.probe.live import refit
from core.probe.offered import FIRST_ROUND, OFFERED
from core.store.files import shown
from core.wording import counted
from core.workspace import Workspace
from dashboard.cli.joined import Ended, changed, here_or_there
from dashboard.cli.main import app, labels_app
from dashboard.cli.options import NUMBER, PATH, SEED, AnalystOption, JsonOption, WorkspaceOption
from dashboard.console import finish, sentences, this_user, warn


@app.command()
@sentences
def classes(
    workspace: WorkspaceOption,
    set_to: Annotated[
        str, typer.Option("--set", help="New list, flagged ones with a star, e.g. 'neutral,explicit*,copyright'.")
    ] = "",
    json: JsonOption = False,
) -> None:
    """Show the classes, or replace them; a class that has labels cannot be removed."""

    def here() -> Ended:
        with Workspace.create(workspace) if set_to else Workspace(workspace, read_only=True) as space:
            if set_to:
                set_classes(space, parse_classes(set_to))
            return Ended(*classes_ended(space.classes))

    ended = here_or_there(workspace, "classes", {"classes": set_to}, here) if set_to else here()
    finish(ended.sentence, ended.record, as_json=json)


@app.command()
@sentences
def policies(
    workspace: WorkspaceOption,
    set_to: Annotated[str, typer.Option("--set", metavar="NAME", help="Declare a policy, or change one.")] = "",
    classes: Annotated[str, typer.Option(help="Its flagged classes, separated by commas.  [default: the class NAME]")] = "",
    recall: Annotated[float | None, typer.Option(**NUMBER, help="Recall to promise for it, e.g. 0.8.")] = None,
    remove: Annotated[str, typer.Option(metavar="NAME", help="Remove a policy; what was opened for it stays.")] = "",
    json: JsonOption = False,
) -> None:
    """Show the policies, or change them: flagged classes with an operating point of their own. Without any, all are one."""
    if (classes or recall is not None) and not set_to:
        raise InputError("--classes and --recall need the name of a policy; give it with --set.")
    names = [name.strip() for name in classes.split(",") if name.strip()]
    with Workspace(workspace, read_only=True) as space:
        ended, known = Ended(*policies_ended(space)), remove in [policy.name for policy in space.policies]
    if set_to or remove:
        asked = PoliciesArguments(name=set_to, classes=names, recall=recall, remove=remove, known=known)
        ended = changed(workspace, "policies", policies_changed, asked)
    finish(ended.sentence, ended.record, as_json=json)


@app.command()
@sentences
def guideline(
    workspace: WorkspaceOption,
    set_to: Annotated[str | None, typer.Option("--set", help="New version, stored with every label from now on.")] = None,
    json: JsonOption = False,
) -> None:
    """Show which version of your labelling guideline is in force, or set another; promises state the version."""
    if set_to is not None:
        ended = changed(workspace, "guideline", guideline_changed, GuidelineArguments(name=set_to, by=this_user()))
    else:
        with Workspace(workspace, read_only=True) as space:
            ended = Ended(*guideline_ended(space))
    finish(ended.sentence, ended.record, as_json=json)


@labels_app.command("import")
@sentences
def labels_import(
    file: Annotated[
        Path,
        typer.Argument(
            **PATH, help="CSV or Parquet with columns image, class or score:NAME, and optionally analyst, time, source."
        ),
    ],
    workspace: WorkspaceOption,
    analyst: AnalystOption = "",
    json: JsonOption = False,
) -> None:
    """Import labels and other models' scores from a file; images are given by id or path. Readings in Check are kept."""
    name = analyst or this_user()

    def here() -> Ended:
        with Workspace(workspace) as space:
            result = import_labels(space, file, analyst=name)
            return Ended(*result.ended(summary(space)))

    asked = {"file": os.path.abspath(file), "analyst": name, "beside": os.getcwd()}
    ended = here_or_there(workspace, "labels", asked, here)
    finish(ended.sentence, ended.record, as_json=json)


@labels_app.command("export")
@sentences
def labels_export(
    file: Annotated[Path, typer.Argument(**PATH, help="CSV, or Parquet by its suffix.")],
    workspace: WorkspaceOption,
    json: JsonOption = False,
) -> None:
    """Export the current labels: image, path, class, analyst, time, source."""
    with Workspace(workspace, read_only=True) as space:
        n = export_labels(space, file)
        warn(space.damage)
    finish(f"{counted(n, 'label')} written to {file}.", {"exported": n, "file": str(file)}, as_json=json)


@app.command()
@sentences
def suggest(
    workspace: WorkspaceOption,
    n: Annotated[int, typer.Option("--n", min=1, help="Number of images.")] = FIRST_ROUND,
    strategy: Annotated[str, typer.Option(help=f"How to choose them: auto, {', '.join(OFFERED)}, or a score column.")] = "auto",
    seed: Annotated[int, typer.Option(**SEED, help="The same seed and labels give the same picks.")] = 0,
    json: JsonOption = False,
) -> None:
    """Suggest the images whose labels would teach the model most."""
    from core.probe.suggest import suggest as choose_images

    with Workspace(workspace, read_only=True) as space:
        refit(space, save=False)
        picks = [
            {
                "id": s.id,
                "path": file_of(space, s.row),
                "strategy": s.strategy,
                "reason": s.reason,
                "half": "teach",
            }
            for s in choose_images(space, n, strategy=strategy, seed=seed)
        ]
        missing = "" if picks else missing_for_suggestions(space)
    lines = [f"{shown(p['path']) or p['id']}  ({p['strategy']}: {p['reason']})" for p in picks]
    said = missing or f"{counted(len(picks), 'image')} suggested."
    finish("\n".join([*lines, said]), {"suggestions": picks, "missing": missing}, as_json=json)
