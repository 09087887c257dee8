"""What an export would write, and when one was last made: asked by the page, so it imports no encoder."""

import math
from dataclasses import dataclass
from datetime import UTC, datetime

from core.catalog.class_names import hint
from core.catalog.records import Policy
from core.errors import InputError
from core.evidence import openings, points
from core.evidence.openings import Opening
from core.evidence.points import OperatingPoint
from core.evidence.subject import PROBE, Subject
from core.labels.policies import codes_of, policies
from core.missing import missing_for_score
from core.workspace import Workspace

EXPORTS = "exports"  # folder of the ZIP files inside a workspace


@dataclass(frozen=True)
class Choice:
    """What an export would write of a policy."""

    policy: Policy
    threshold: float
    name: str  # of the operating point; "" for an unnamed threshold
    title: str  # what the threshold is, in words
    probe: int  # its version
    encoder: str
    opened: Opening | None


def choose(
    workspace: Workspace, *, point: str | None = None, threshold: float | None = None, opened: Opening | None = None
) -> list[Choice]:
    """Choose what an export would write of each policy; the arguments are those of `export_bundle`.

    Raises:
        InputError: if there is nothing to export, or what is chosen does not fit into one bundle.
    """
    if threshold is not None and point is not None:
        raise InputError(f"A bundle has one threshold, got the point '{point}' and {threshold:g}; name only one.")
    declared = policies(workspace)
    if threshold is not None and opened is None and len(declared) > 1:
        raise InputError("A threshold without an opening is of no policy; save a point for each policy, and name those.")
    asked = None  # the policy that the point or threshold is of; None = neither is given
    if point is not None:
        asked = _need_point(workspace, point).policy
    elif threshold is not None:
        asked = declared[0].name if opened is None else opened.policy
    if asked is not None and asked not in {policy.name for policy in declared}:
        about = f"the policy '{asked}'" if asked else "all flagged classes together"
        wanted = ", ".join(f"'{policy.name}'" for policy in workspace.policies) or "all flagged classes together"
        raise InputError(f"That threshold is about {about}, but a bundle is about {wanted} now; open the check set again.")
    found = []
    for policy in declared:
        if threshold is not None and policy.name == asked:
            found.append(_without_name(workspace, policy, float(threshold), opened))
        else:
            found.append(_named_or_promised(workspace, policy, point if policy.name == asked else None))
    if len(used := sorted({choice.encoder for choice in found})) > 1:
        raise InputError(f"The policies were opened with different encoders ({', '.join(used)}); open them all with one.")
    return found


def _need_point(workspace: Workspace, name: str) -> OperatingPoint:
    saved = {p.name: p for p in points.points(workspace)}
    if name not in saved:
        near = hint([name], list(saved))
        raise InputError(f"There is no operating point '{name}'{near}; there are: {', '.join(saved) or 'none'}.")
    return saved[name]


def _named_or_promised(workspace: Workspace, policy: Policy, point: str | None) -> Choice:
    """Choose a point, or else the one in force for the policy, or else its newest promise."""
    opened_by_number = {found.number: found for found in openings.openings(workspace)}
    name = point or points.in_force(workspace, policy.name).get("name")
    if name is not None:
        saved = _need_point(workspace, name)
        chosen = opened_by_number.get(saved.opening)
        if chosen is None:
            raise InputError(
                f"Opening {saved.opening}, from which '{name}' was chosen, cannot be read; open the check set and save a "
                "point again."
            )
        _need_probe(f"'{name}'", chosen)
        title = f"operating point '{name}', {'in force' if saved.in_force else 'not in force'}"
        return Choice(policy, saved.threshold, name, title, chosen.probe, chosen.encoder, chosen)
    mine = (found for found in opened_by_number.values() if found.subject == Subject(policy.name))
    promised = next((found for found in mine if found.threshold is not None), None)
    if promised is None or promised.threshold is None:
        if policy.name:
            raise InputError(
                f"The policy '{policy.name}' has no promise and no operating point in force; open the check set for it, or put "
                "a point in force."
            )
        raise InputError(
            "No operating point is in force and there is no promise; open the check set, or name a threshold with --threshold."
        )
    title = f"the promise of opening {promised.number} (no point is in force)"
    return Choice(policy, promised.threshold, "", title, promised.probe, promised.encoder, promised)


def _need_probe(what: str, opened: Opening) -> None:
    if opened.scorer != PROBE:
        raise InputError(f"{what} is a threshold of '{opened.scorer}', which a bundle cannot compute; choose one of the probe.")


def _without_name(workspace: Workspace, policy: Policy, threshold: float, opened: Opening | None) -> Choice:
    if not math.isfinite(threshold):
        raise InputError(f"A threshold must be a finite score, got {threshold}; name another.")
    if opened is not None:
        _need_probe("That", opened)
        title = f"an unnamed threshold, from opening {opened.number}"
        return Choice(policy, threshold, "", title, opened.probe, opened.encoder, opened)
    fitted, codes = workspace.fitted, codes_of(workspace, policy)
    if fitted is None or fitted.probe.column_of(policy.name) is None:
        raise InputError(missing_for_score(workspace, codes) or "There is no model to export; run 'lassoscope fit' first.")
    if not fitted.version:
        raise InputError("The labels have changed since the last saved model; run 'lassoscope fit' first.")
    title = f"an unnamed threshold, for probe {fitted.version}"
    return Choice(policy, threshold, "", title, fitted.version, str(workspace.encoder_name), None)


def last_export(workspace: Workspace) -> str:
    """Return when a bundle was last written inside the workspace, ISO 8601 in UTC; "" = never."""
    times = [file.stat().st_mtime for file in (workspace.folder / EXPORTS).glob("bundle-*.zip")]
    return datetime.fromtimestamp(max(times), UTC).isoformat(timespec="microseconds") if times else ""
