"""Score images with a bundle, batch by batch into part files, so that a stopped run can continue; then write one table."""

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Sequence
from concurrent.futures import Future
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Never, NotRequired, TypedDict

import numpy as np

from core.arrays import FloatArray, Progress, ignore
from core.delivery.bundle import Bundle
from core.delivery.manifest import Rule
from core.errors import InputError
from core.images.decode import Uint8Array
from core.images.examine import prepare, read_square
from core.intake.ingest import Found, list_source
from core.maths.drift import DRIFT_LEVEL, FEWEST_TO_COMPARE, ks_test
from core.maths.uncertainty import probability
from core.store.files import atomic_path, need_file_place, write_json_atomic
from core.wording import counted, target, verb
from core.workers import CrashedError, TookTooLongError, Workers

if TYPE_CHECKING:
    import pandas as pd

LOG = logging.getLogger("lassoscope.delivery")
ROWS = 512  # images per part file; a kill loses a few seconds of work
PARQUET = (".parquet", ".pq")


class Decision(StrEnum):
    """What a bundle decides about an image."""

    REVIEW = "flag"  # the word that tables of scores have always had
    LEAVE = "leave"
    NOT_SCORED = ""


class Problem(TypedDict):
    """A file that could not be scored."""

    path: str
    problem: str


class Drift(TypedDict):
    """Two-sample Kolmogorov-Smirnov test of new scores against those of the bundle's images; NaN with too few scores."""

    ks_distance: float
    p: float
    drifted: bool


class RuleResult(TypedDict):
    """What one rule of the bundle has decided."""

    reviewed: int  # decision `Decision.REVIEW`: score >= threshold
    threshold: float
    calibrated: bool  # the probabilities
    drift: Drift
    promise: str  # statements about promise and drift


class PolicyResult(RuleResult):
    """What the rule of a policy has decided."""

    policy: str


class ScoreResult(TypedDict):
    """What a run has scored, as the command line prints it."""

    files: int
    scored: int
    problems: list[Problem]
    bundle: str  # version
    resumed_parts: int  # written by an earlier, stopped run


class OneRuleResult(ScoreResult, RuleResult):
    """What a run has scored by a bundle of one rule."""

    policies: NotRequired[Never]


class ManyRulesResult(ScoreResult):
    """What a run has scored by a bundle of several policies."""

    reviewed: int  # by any policy
    policies: list[PolicyResult]


def score_source(
    bundle: Bundle, source: Path, out: Path, *, workers: int | None = None, on_progress: Progress = ignore
) -> OneRuleResult | ManyRulesResult:
    """Score every image of a folder tree or manifest.

    Writes a table with path, score (logit), probability, decision (`Decision`), one score per class, bundle version and
    problem (why a file was not scored). With several policies, `decision` is to review where one of them says so, and each has
    columns decision_NAME, policy_score_NAME and policy_probability_NAME.

    Args:
        out: .csv or .parquet; written whole at the end. Until then the parts are in OUT.parts, where the same call continues.
        workers: decoding processes, all cores if None.
    Raises:
        InputError: if the source is missing or empty, or `out` is neither CSV nor Parquet.
    """
    if out.suffix.lower() not in (".csv", *PARQUET):
        raise InputError(f"Scores are written as .csv or .parquet, got '{out.name}'; name a file with one of these endings.")
    need_file_place(out)
    files = list(list_source(source).files)
    parts = _open_parts(bundle, files, out)
    batches = [files[start : start + ROWS] for start in range(0, len(files), ROWS)]
    todo = [number for number in range(len(batches)) if not _part(parts, number).exists()]
    resumed = len(batches) - len(todo)
    done = sum(len(batches[number]) for number in range(len(batches)) if number not in set(todo))
    on_progress(done, len(files))
    with Workers(workers, prepare=prepare) as pool:  # untrusted files: the same limits as at an ingest
        ahead = _decode(pool, batches[todo[0]], bundle) if todo else []
        for place, number in enumerate(todo):
            read = [_result(task) for task in ahead]
            ahead = _decode(pool, batches[todo[place + 1]], bundle) if place + 1 < len(todo) else []
            with atomic_path(_part(parts, number)) as aside:
                _table(bundle, batches[number], read).to_parquet(aside, index=False)
            done += len(batches[number])
            on_progress(done, len(files))
    return _finish(bundle, parts, len(batches), out, resumed)


def _open_parts(bundle: Bundle, files: list[Found], out: Path) -> Path:
    """Return the folder of part files; parts of another bundle or of other files are deleted."""
    listing = hashlib.blake2b("\0".join(_mark(file) for file in files).encode(), digest_size=16).hexdigest()
    plan = {"bundle": bundle.manifest.version, "files": listing, "rows": ROWS}
    parts = out.with_name(f"{out.name}.parts")
    try:
        same = json.loads((parts / "plan.json").read_text()) == plan
    except (OSError, ValueError):
        same = False
    if not same:
        if n_parts := len(list(parts.glob("part-*.parquet"))):
            old = f"{counted(n_parts, 'part file')} of another bundle or of other images {verb(n_parts)} deleted"
            LOG.warning("%s; scoring starts over", old)
        shutil.rmtree(parts, ignore_errors=True)
        parts.mkdir(parents=True)
        write_json_atomic(parts / "plan.json", plan)
    return parts


def _mark(file: Found) -> str:
    try:
        found = os.stat(file.path)
    except (OSError, ValueError):
        return file.path
    return f"{file.path}\0{found.st_size}\0{found.st_mtime_ns}"


def _part(parts: Path, number: int) -> Path:
    return parts / f"part-{number:06d}.parquet"


def _decode(pool: Workers, files: list[Found], bundle: Bundle) -> list[Future[Any] | str]:
    side = bundle.encoder.input_size
    return [file.reason or pool.submit(read_square, file.path, side) for file in files]


def _result(task: Future[Any] | str) -> Uint8Array | str:
    """Return an image as (3, side, side) uint8, or why there is none."""
    if isinstance(task, str):
        return task
    try:
        answer: Uint8Array | str = task.result()
        return answer
    except (TookTooLongError, CrashedError) as error:
        return f"decoding it {error}"


def _table(bundle: Bundle, files: list[Found], read: list[Uint8Array | str]) -> "pd.DataFrame":
    import pandas as pd

    whole = [place for place, image in enumerate(read) if not isinstance(image, str)]
    names, rules = bundle.manifest.probe.classes, bundle.manifest.rules
    scores = np.full((len(files), len(bundle.probe.columns()[1])), np.nan)
    if whole:
        scores[whole] = score_images(bundle, np.stack([image for image in read if not isinstance(image, str)]))
    by_rule = [scores[:, bundle.probe.column_of(rule.policy)] for rule in rules]
    columns: dict[str, Any] = {"path": [file.path for file in files]}
    if len(rules) == 1:
        columns |= {"score": by_rule[0], "probability": chances(rules[0], by_rule[0])}
    columns["decision"] = _decided(by_rule, rules)
    for rule, score in zip(rules, by_rule, strict=True) if len(rules) > 1 else ():
        columns[f"decision_{rule.policy}"] = _decided([score], [rule])
        columns[f"policy_score_{rule.policy}"] = score
        columns[f"policy_probability_{rule.policy}"] = chances(rule, score)
    columns |= {
        **{f"score_{name}": scores[:, column] for column, name in enumerate(names)},
        "bundle": bundle.manifest.version,
        "problem": [image if isinstance(image, str) else "" for image in read],
    }
    return pd.DataFrame(columns)


def _decided(scores: Sequence[FloatArray], rules: Sequence[Rule]) -> "np.ndarray[Any, Any]":
    """Return the decision about each image: to review it where a rule says so."""
    found = np.any([score >= rule.threshold for score, rule in zip(scores, rules, strict=True)], axis=0)
    return np.where(np.isnan(scores[0]), Decision.NOT_SCORED, np.where(found, Decision.REVIEW, Decision.LEAVE))


def score_images(bundle: Bundle, images: Uint8Array) -> FloatArray:
    """Score (B, 3, S, S) uint8 images by all the probe's columns: (B, C) float32, rounded as a workspace keeps embeddings."""
    import torch

    weights, bias = bundle.probe.columns()
    w, b = (torch.from_numpy(np.ascontiguousarray(a, np.float32)) for a in (weights, bias))
    x = torch.from_numpy(bundle.encoder.encode(images).astype(np.float16)).float()
    return (x @ w + b).numpy()


def chances(rule: Rule, scores: FloatArray) -> FloatArray:
    """Turn logits into probabilities, calibrated if the rule has a calibration."""
    fit = rule.calibration
    return probability(scores if fit is None else fit.slope * scores + fit.intercept)


def _finish(bundle: Bundle, parts: Path, n_parts: int, out: Path, resumed: int) -> OneRuleResult | ManyRulesResult:
    import pandas as pd

    table = pd.concat([pd.read_parquet(_part(parts, number)) for number in range(n_parts)], ignore_index=True)
    with atomic_path(out) as aside:
        if out.suffix.lower() in PARQUET:
            table.to_parquet(aside, index=False)
        else:
            table.to_csv(aside, index=False)
    shutil.rmtree(parts)
    broken = table.loc[table["problem"] != "", ["path", "problem"]]
    problems = [Problem(path=path, problem=problem) for path, problem in broken.itertuples(index=False)]
    result: ScoreResult = {
        "files": len(table),
        "scored": len(table) - len(problems),
        "problems": problems,
        "bundle": bundle.manifest.version,
        "resumed_parts": resumed,
    }
    if len(rules := bundle.manifest.rules) == 1:
        return {**result, **_outcome(bundle, rules[0], table, "score", "decision")}
    found: list[PolicyResult] = [
        {
            "policy": rule.policy,
            **_outcome(bundle, rule, table, f"policy_score_{rule.policy}", f"decision_{rule.policy}"),
        }
        for rule in rules
    ]
    return {**result, "reviewed": int((table["decision"] == Decision.REVIEW).sum()), "policies": found}


def _outcome(bundle: Bundle, rule: Rule, table: "pd.DataFrame", score: str, decision: str) -> RuleResult:
    """Return what a rule has decided, from the columns of its scores and decisions."""
    scores = table[score].dropna().to_numpy(np.float64)
    distance, p = drift(rule, scores)
    return {
        "reviewed": int((table[decision] == Decision.REVIEW).sum()),
        "threshold": rule.threshold,
        "calibrated": rule.calibration is not None,
        "drift": {"ks_distance": distance, "p": p, "drifted": p < DRIFT_LEVEL},
        "promise": f"{promise_words(bundle, rule)} {drift_words(len(scores), distance, p)}",
    }


def drift(rule: Rule, scores: FloatArray) -> tuple[float, float]:
    """Compare new scores with those of the bundle's images.

    Returns:
        distance and p-value of the two-sample Kolmogorov-Smirnov test; NaN with fewer than `FEWEST_TO_COMPARE` scores.
    """
    return ks_test(scores, np.array(rule.score_quantiles, np.float64))


def promise_words(bundle: Bundle, rule: Rule) -> str:
    """Say that a rule's promise does not cover new images."""
    held = rule.promise
    if held is None or held.threshold is None:  # no look was possible, or it allowed no promise
        about = f" for '{rule.policy}'" if rule.policy else ""
        return f"This bundle contains no promise{about}."
    return (
        f"The promise of {target(held.recall)} recall was made for the {counted(held.frame, 'image')} of "
        f"'{bundle.manifest.workspace}' on {held.at[:10]}; it does not cover others, so nothing is promised here."
    )


def drift_words(n: int, distance: float, p: float) -> str:
    """Say whether n new scores are distributed like those of the bundle's images."""
    if not n:
        return "No image was scored, so there is nothing to compare."
    if n < FEWEST_TO_COMPARE:
        return f"{counted(n, 'score')} {verb(n)} too few to compare with those of the images the bundle was made from."
    test = f"Kolmogorov-Smirnov distance {distance:.2f}, p = {p:.2g}"
    if p < DRIFT_LEVEL:
        return f"These scores are distributed differently ({test}): start a new check set with images like these."
    return f"These scores look like those of the images the bundle was made from ({test})."
