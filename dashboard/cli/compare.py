"""The command that holds other models' scores against the probe: compare."""

from typing import TYPE_CHECKING, Annotated

import typer

from core.errors import InputError
from core.jobs.quick import ColumnsArguments, columns_changed
from core.probe.live import refit
from core.score_columns.files import PREFIX
from core.score_columns.keep import DIRECTIONS, score_columns
from core.wording import counted, verb
from core.workspace import Workspace
from dashboard.cli.joined import changed
from dashboard.cli.main import app
from dashboard.cli.options import NUMBER, JsonOption, WorkspaceOption
from dashboard.console import finish, sentences

if TYPE_CHECKING:
    from core.maths.precision_recall import Range
    from core.probe.scorers import Scorer


@app.command()
@sentences
def compare(
    workspace: WorkspaceOption,
    recall: Annotated[
        float | None, typer.Option(**NUMBER, help="Recall at which precision is compared.  [default: the one to promise]")
    ] = None,
    stack: Annotated[
        str,
        typer.Option(metavar="NAME", help="First keep the scores of the probe stacked with this column, as a score column."),
    ] = "",
    remove: Annotated[str, typer.Option(metavar="NAME", help="First remove this score column.")] = "",
    json: JsonOption = False,
) -> None:
    """Hold the scores of models you already have against the probe, alone and stacked, on the same check labels."""
    from core.probe.scorers import compare_scorers, describe_scorer

    if recall is not None and not 0 < recall <= 1:
        raise InputError(f"A recall must be above 0 and at most 1, got {recall:g}; 0.9 means 90%.")
    if stack or remove:
        gone = remove.removeprefix(PREFIX)
        with Workspace(workspace, read_only=True) as space:
            known = gone in [column.name for column in score_columns(space)]
        asked = ColumnsArguments(remove=gone, known=known, stack=stack.removeprefix(PREFIX))
        changed(workspace, "columns", columns_changed, asked)
    with Workspace(workspace, read_only=True) as space:
        columns = score_columns(space)
        goal = space.check_set.recall if recall is None else recall
        refit(space, save=False)
        found = compare_scorers(space, recall=goal)
        total = counted(space.n_here, "image")
        n_live, n_sealed = int(space.watched().sum()), int((space.evidence() & space.sealed).sum())
    told = [
        f"'{c.name}' ({DIRECTIONS[c.higher_is_safer]}): {c.n_scored:,} of {total} scored, from {c.file}." for c in columns
    ] or ["There is no score column; bring one with 'lassoscope labels import' or 'lassoscope ingest' (score:NAME)."]
    told.append(
        f"Judged on the {counted(n_live, 'check label')} for live curves; "
        f"{n_sealed:,} more {verb(n_sealed)} sealed for the promise."
    )
    words = [describe_scorer(scorer, recall=goal) for scorer in found]
    warnings = [scorer.warning for scorer in found if scorer.warning]
    records = [_record(scorer) for scorer in found]
    finish("\n".join([*told, *words, *warnings]), {"recall": goal, "scorers": records}, as_json=json)


def _record(found: "Scorer") -> dict[str, object]:
    against = found.against
    return {
        "name": found.name,
        "kind": found.kind,
        "n": found.n,
        "n_flagged": found.n_flagged,
        "average_precision": _range(found.average_precision),
        "precision_at_recall": _range(found.precision),
        "threshold": found.threshold,
        "against_probe": None
        if against is None
        else {
            "n": found.n_shared,
            "average_precision": _range(against.average_precision),
            "precision_at_recall": _range(against.precision),
        },
        "helps": found.helps,
        "missing": found.missing,
        "warning": found.warning,
    }


def _range(found: "Range | None") -> list[float] | None:
    return None if found is None else [found.value, found.low, found.high]
