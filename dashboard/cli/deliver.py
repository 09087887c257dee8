"""Commands that deliver a model, and check machine and workspace: export, score, doctor."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from core.errors import InputError
from core.store.files import shown
from core.wording import counted
from core.workspace import Workspace
from dashboard.cli.joined import Ended, there_or_here
from dashboard.cli.main import app
from dashboard.cli.options import NUMBER, PATH, WORKERS, DeviceOption, JsonOption, MaybeWorkspace, WorkspaceOption
from dashboard.console import finish, progress, sentences, stage_bars
from dashboard.extras import needs

if TYPE_CHECKING:
    from core.delivery.score import RuleResult


@app.command()
@sentences
@needs("dashboard")
def export(
    folder: Annotated[Path, typer.Argument(**PATH, help="Folder to write; an existing bundle there is replaced.")],
    workspace: WorkspaceOption,
    point: Annotated[str | None, typer.Option(help="Operating point.  [default: the one in force, else the promise's]")] = None,
    threshold: Annotated[
        float | None, typer.Option(**NUMBER, help="A threshold for the newest model, without a promise.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Write model, threshold and promise as one folder: safetensors, JSON, ONNX, scikit-learn arrays and a model card."""
    from core.jobs.model import ExportArguments, exported_from

    asked = ExportArguments(folder=os.path.abspath(folder), point=point, threshold=threshold)

    def here() -> Ended:
        with stage_bars() as on_stage:
            return Ended(*exported_from(workspace, asked, on_stage))

    ended = there_or_here(workspace, "export", asked.model_dump(mode="json"), here)
    finish(ended.sentence, ended.record, as_json=json)


@app.command()
@sentences
def score(
    bundle: Annotated[Path, typer.Argument(**PATH, help="Folder that 'lassoscope export' wrote.")],
    source: Annotated[Path, typer.Argument(**PATH, help="Folder tree, or CSV/Parquet manifest with a column 'path'.")],
    out: Annotated[Path, typer.Option(**PATH, help="Table to write, .csv or .parquet.")],
    device: DeviceOption = "auto",
    workers: Annotated[int | None, typer.Option(**WORKERS, help="Decoding threads.  [default: one per core]")] = None,
    json: JsonOption = False,
) -> None:
    """Score new images with a bundle; needs no workspace. Run again after an interruption, it resumes."""
    from core.delivery.bundle import load_bundle
    from core.delivery.score import score_source

    loaded = load_bundle(bundle, device=device)
    with progress("score") as on_progress:
        result = score_source(loaded, source, out, workers=workers, on_progress=on_progress)
    lines = [f"  not scored {shown(p['path'])}: {shown(p['problem'])}" for p in result["problems"]]
    counts = f"{counted(result['scored'], 'image')} scored, {result['reviewed']:,} to review, "
    counts += f"{counted(len(result['problems']), 'file')} not scored. Table: {out}"
    if "policies" in result:
        told = [f"{found['policy']}: {found['reviewed']:,} to review. {_outcome_words(found)}" for found in result["policies"]]
    else:
        told = [_outcome_words(result)]
    finish("\n".join([*lines, counts, *told]), result, as_json=json)


def _outcome_words(found: "RuleResult") -> str:
    """Say what is known of scores by one rule."""
    calibrated = "" if found["calibrated"] else "\nProbabilities are not calibrated (fewer than 30 check labels on a side)."
    return found["promise"] + calibrated


@app.command()
@sentences
def doctor(
    workspace: MaybeWorkspace = None,
    repair: Annotated[bool, typer.Option("--repair", help="Rebuild what is lost, as far as possible.")] = False,
    device: DeviceOption = "auto",
    json: JsonOption = False,
) -> None:
    """Report device, versions and the health of a workspace; --repair rebuilds what is lost, as far as possible."""
    from core.doctor.health import machine_report, summary, workspace_report
    from core.doctor.repair import repair as repair_workspace

    if repair and workspace is None:
        raise InputError("--repair needs a workspace; give it with --workspace.")
    machine = machine_report()
    report: dict[str, object] = {"machine": machine}
    lines = [f"{name}: {value}" for name, value in machine.items()]
    problems: list[str] = []
    if workspace is not None:
        if repair:
            with progress("embed") as on_progress:
                came = repair_workspace(workspace, device=device, on_progress=on_progress)
            report |= {"repaired": came.done, "not_repaired": came.left}
            lines += [f"repaired: {said}" for said in came.done] + [f"not repaired: {said}" for said in came.left]
        with Workspace(workspace, read_only=True) as space:
            figures = summary(space)
            problems = workspace_report(space)
        report |= {"workspace": figures, "problems": problems}
        lines += [f"{name}: {value}" for name, value in figures.items()]
        lines += [f"problem: {problem}" for problem in problems]
    lines.append(f"{counted(len(problems), 'problem')} found." if problems else "No problems found.")
    finish("\n".join(lines), report, as_json=json)
