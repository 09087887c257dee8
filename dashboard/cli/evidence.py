"""Commands for what labels prove: experiment, fit, curves, promise."""

from typing import TYPE_CHECKING, Annotated

import typer

from core.errors import AppError, InputError
from core.jobs.quick import FitArguments, PromiseArguments, newest_opening, probe_fitted, promise_changed
from core.labels.gold import gold_columns, has_gold
from core.labels.policies import policies, policy_named
from core.probe.live import refit
from core.probe.offered import WITHOUT_COLUMN
from core.study.options import BUDGETS, FEATURES
from core.workspace import Workspace
from dashboard.cli.joined import changed
from dashboard.cli.main import app
from dashboard.cli.options import MOST_DIGITS, NUMBER, WORKERS, AnalystOption, DeviceOption, JsonOption, WorkspaceOption
from dashboard.console import finish, progress, sentences, this_user
from dashboard.extras import needs

if TYPE_CHECKING:
    from core.evidence.check_sets import CheckStatus
    from core.evidence.openings import Opening
    from core.evidence.path import Step
    from core.evidence.subject import Subject
    from core.probe.curves import NamedCurve

POLICY = "One of the policies."


@app.command()
@sentences
@needs("dashboard")
def experiment(
    workspace: WorkspaceOption,
    gold: Annotated[str, typer.Option(help="Column of the manifest with the true classes.")],
    flagged: Annotated[str, typer.Option(help="Its values that count as flagged, separated by commas.")],
    seeds: Annotated[int, typer.Option(min=1, max=10_000, help="Random splits; more give narrower intervals.")] = 20,
    strategies: Annotated[str, typer.Option(help="Separated by commas; vendor needs --column.")] = ",".join(WITHOUT_COLUMN),
    budgets: Annotated[str, typer.Option(help="Numbers of labels, ascending.")] = ",".join(map(str, BUDGETS)),
    features: Annotated[str, typer.Option(help="encoder, untrained and pixels, or some of them.")] = ",".join(FEATURES),
    column: Annotated[str, typer.Option(metavar="NAME", help="Score column that the strategy 'vendor' starts from.")] = "",
    workers: Annotated[int | None, typer.Option(**WORKERS, help="Processes.  [default: one per core]")] = None,
    json: JsonOption = False,
) -> None:
    """Measure how well few labels work, by strategy and budget, where the truth is known. Resumes after an interruption."""
    from core.study.report import conclude, paired_table, summarise
    from core.study.run import ExperimentConfig, run_experiment
    from dashboard.report import about, write_report

    config = ExperimentConfig(
        gold=gold,
        flagged=tuple(_names(flagged)),
        strategies=tuple(_names(strategies)),
        budgets=tuple(_number(text) for text in _names(budgets)),
        seeds=seeds,
        features=tuple(_names(features)),
        column=column,
    )
    with Workspace(workspace, read_only=True) as space, progress("tasks") as on_progress:
        found = run_experiment(space, config, workers=workers, on_progress=on_progress)
    report, words = write_report(found), conclude(found.results, config.features[0])
    result = {
        "report": str(report),
        "csv": str(found.folder / "table.csv"),
        "conclusion": words,
        "table": summarise(found.results),
        "paired": paired_table(found.results),
    }
    finish(f"{about(found)}\n{words}\nReport: {report}", result, as_json=json)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < MOST_DIGITS):
        raise InputError(f"A budget is a number of labels, got '{text[:40]}'; write for example 10,50,100.")
    return int(text)


@app.command()
@sentences
def fit(workspace: WorkspaceOption, device: DeviceOption = "auto", json: JsonOption = False) -> None:
    """Fit the probe on the teach half's labels and store it as a version."""
    ended = changed(workspace, "fit", probe_fitted, FitArguments(device=device), device=device)
    finish(ended.sentence, ended.record, as_json=json)


@app.command()
@sentences
def curves(
    workspace: WorkspaceOption,
    gold: Annotated[str, typer.Option(help="Gold column for the exact curve, e.g. 'label'.")] = "",
    policy: Annotated[str, typer.Option(metavar="NAME", help=f"{POLICY}  [default: all flagged classes together]")] = "",
    json: JsonOption = False,
) -> None:
    """Compute the precision-recall curves of a probe fitted on the current labels."""
    from core.probe.curves import describe_curve
    from core.probe.live_curves import curves as live_curves

    with Workspace(workspace, read_only=True) as space:
        if gold and not has_gold(space, gold):
            known = ", ".join(gold_columns(space)) or "none"
            raise InputError(f"There is no gold column '{gold}'; the workspace has: {known}.")
        refit(space, save=False)
        found = live_curves(space, gold_column=gold or None, policy=policy)
        n_labels = space.fitted.probe.n_labels if space.fitted else 0
        records = [_curve_record(named) for named in found] + _opened_curves(space, policy)
    sentence = "\n".join(dict.fromkeys(describe_curve(named) for named in found))  # without repeated reasons
    finish(sentence, {"labels": n_labels, "curves": records}, as_json=json)


def _curve_record(named: "NamedCurve") -> dict[str, object]:
    from core.maths.precision_recall import precision_at_recall

    if named.curve is None:
        return {"key": named.key, "title": named.title, "missing": named.missing, "note": named.note}
    recall, precision, thresholds = named.curve.thinned()
    at90, threshold = precision_at_recall(named.curve, 0.9)
    return {
        "key": named.key,
        "title": named.title,
        "note": named.note,
        "n": named.curve.n,
        "n_flagged": named.curve.n_flagged,
        "average_precision": named.curve.average_precision if named.show_average_precision else None,
        "precision_at_recall_90": at90,
        "threshold_at_recall_90": threshold,
        "recall": recall,
        "precision": precision,
        "thresholds": thresholds,
    }


def _opened_curves(space: Workspace, policy: str) -> list[dict[str, object]]:
    """Return the curve of a policy's newest opening with its limits; [] if no check set was opened for it."""
    from core.evidence.openings import frozen_scores, openings, sample_of
    from core.evidence.subject import Subject

    opened = next((found for found in openings(space) if found.subject == Subject(policy)), None)
    if opened is None:
        return []
    title = f"Opening {opened.number}, check set {opened.check_set}"
    try:
        sample = sample_of(space, opened, frozen_scores(space, opened))
    except AppError as error:  # its model or embeddings are lost; reported in place of the curve
        return [{"key": "opened", "title": title, "missing": str(error)}]
    average, limits, curve = sample.average_precision, sample.limits, sample.curve
    pessimistic_recall, pessimistic_precision = sample.pessimistic
    record = {
        "key": "opened",
        "title": title,
        "n": curve.n,
        "n_flagged": curve.n_flagged,
        "average_precision": average.value if average else None,
        "average_precision_range": [average.low, average.high] if average else None,
        "recall": curve.recall,
        "precision": curve.precision,
        "thresholds": curve.thresholds,
        "recall_range": [limits.recall_low, limits.recall_high],
        "precision_range": [limits.precision_low, limits.precision_high],
        "recall_band": limits.band,
        "pessimistic": {"recall": pessimistic_recall, "precision": pessimistic_precision},
    }
    return [record]


@app.command()
@sentences
def promise(
    workspace: WorkspaceOption,
    recall: Annotated[
        float | None,
        typer.Option(**NUMBER, help="Recall to promise.  [default: the last one set, initially 0.9]"),
    ] = None,
    confidence: Annotated[
        float | None,
        typer.Option(**NUMBER, help="Confidence of all looks together.  [default: the last one set, initially 0.95]"),
    ] = None,
    size: Annotated[
        int | None, typer.Option(min=1, max=10_000_000, help="Check images to read before the set may be opened.  [100]")
    ] = None,
    reveal: Annotated[bool, typer.Option("--reveal", help="Open the check set; this counts as a look.")] = False,
    new_set: Annotated[bool, typer.Option("--new-set", help="Start another check set from unused images.")] = False,
    policy: Annotated[str, typer.Option(metavar="NAME", help=f"{POLICY}  [default: all of them]")] = "",
    scorer: Annotated[
        str, typer.Option(metavar="NAME", help="A score column to judge in place of the probe.  [default: the probe]")
    ] = "",
    analyst: AnalystOption = "",
    json: JsonOption = False,
) -> None:
    """State what recall can be promised, what opening the check set costs, and the result of the newest opening."""
    from core.evidence.subject import PROBE, Subject
    from core.score_columns.files import PREFIX

    judged = scorer.removeprefix(PREFIX) or PROBE
    with Workspace(workspace, read_only=True) as space:
        names = [policy_named(space, policy).name] if policy else [p.name for p in policies(space)]
        if (recall is not None or reveal) and len(names) > 1:
            raise InputError(f"There are several policies, so name one with --policy: {', '.join(names)}.")
        asked = PromiseArguments(
            new_set=new_set,
            known_set=space.check_set.number,
            recall=recall,
            confidence=confidence,
            size=size,
            reveal=reveal,
            known_opening=newest_opening(space, names[0], judged),
            policy=names[0],
            scorer=judged,
            by=analyst or this_user(),
        )
    if new_set or reveal or (recall, confidence, size) != (None, None, None):
        changed(workspace, "promise", promise_changed, asked)
    with Workspace(workspace, read_only=True) as space:
        refit(space, save=False)
        told = [_standing(space, Subject(name, judged)) for name in names]
    if len(told) == 1:
        finish(*told[0], as_json=json)
    else:
        words = "\n".join(f"{name}: {said}" for name, (said, _) in zip(names, told, strict=True))
        finish(words, {"policies": [result for _, result in told]}, as_json=json)


def _standing(space: Workspace, subject: "Subject") -> tuple[str, dict[str, object]]:
    """Return what can be said of a subject now, in words and as JSON."""
    from core.delivery.choice import last_export
    from core.evidence import check_sets, openings
    from core.evidence.beside import order_words
    from core.evidence.path import path_of
    from core.evidence.sentences import closed

    status = check_sets.status(space, subject)
    advice, number = order_words(space, status), status.check_set.number
    before = closed(status, status.policy.classes) + ([advice] if advice else [])
    found = path_of(space, status, exported_at=last_export(space))
    steps = "Path to a promise: " + "; ".join(_step_words(step) for step in found.steps) + "."
    opened = next((r for r in openings.openings(space) if (r.check_set, r.subject) == (number, subject)), None)
    record: dict[str, object] | None = None
    words, problem = before + ([status.missing] if status.missing else []), ""
    if opened is not None:
        try:
            record, words = _opening_record(space, opened, status)
        except AppError as error:  # its scores, model or embeddings are lost; other policies can still be reported
            problem = f"Opening {opened.number} cannot be shown. {error}"
            words.append(problem)
    result: dict[str, object] = {"policy": subject.policy} if subject.policy else {}
    result |= {
        "scorer": subject.scorer,
        "check_set": number,
        "recall": status.policy.recall,
        "confidence": status.check_set.confidence,
        "n": status.n,
        "n_flagged": status.n_flagged,
        "owed": status.n_owed,
        "next_look": status.look,
        "next_alpha": status.alpha,
        "missing": status.missing,
        "path": [{"step": step.key, "stage": step.stage, "count": step.count, "hint": step.hint} for step in found.steps],
        "needed": found.plan.goal,
        "prospect": found.plan.prospect,
        "sentences": before,
        "opened": record,
        "problem": problem,
    }
    return "\n".join([*words, steps]), result


def _step_words(step: "Step") -> str:
    count = f", {step.count}" if step.count else ""
    return f"{step.title.lower()} ({'next' if step.stage == 'now' else step.stage}{count})"


def _opening_record(space: Workspace, opened: "Opening", status: "CheckStatus") -> tuple[dict[str, object], list[str]]:
    """Return an opening as JSON, and its sentences."""
    from core.evidence import openings
    from core.evidence.beside import beside, beside_words
    from core.evidence.sentences import footer
    from core.evidence.sentences import promise as promise_words
    from core.evidence.thousand import thousand_words
    from core.evidence.threshold import figures_record

    sample = openings.sample_of(space, opened, openings.frozen_scores(space, opened))
    figures = openings.promised_figures(opened, sample)
    drift = openings.drift_of_owed(space, opened)
    below = footer(opened, status, covered=openings.coverage(space, opened), tie=sample.largest_tie, drift=drift)
    others = beside(space, opened)
    words = promise_words(opened, figures, sample, ahead=status.after(opened))
    outcome = [] if figures is None else [thousand_words(figures)]
    told = [*words, *outcome, *(beside_words(opened, other) for other in others), *below]
    record: dict[str, object] = {
        "number": opened.number,
        "check_set": opened.check_set,
        "look": opened.look,
        "alpha": opened.alpha,
        "recall": opened.recall,
        "confidence": opened.confidence,
        "probe": opened.probe,
        "encoder": opened.encoder,
        "analyst": opened.analyst,
        "at": opened.at,
        "n": opened.n,
        "n_flagged": opened.n_flagged,
        "threshold": opened.threshold,
        "misses": opened.misses,
        "frame": opened.frame,
        "figures": None if figures is None else figures_record(figures),
        "beside": [
            {"scorer": other.other, "n": other.n, **{name: found._asdict() for name, found in vars(other.difference).items()}}
            for other in others
        ],
        "sentences": told,
    }
    return record, told
