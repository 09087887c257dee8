"""Policies: flagged classes with an operating point of their own. Each verb takes the workspace."""

from collections.abc import Sequence

from core.arrays import JsonObject
from core.catalog.check_set import LEAST, MOST
from core.catalog.class_names import check_name, folded, hint
from core.catalog.records import ImageClass, Policy
from core.errors import InputError
from core.wording import target
from core.workspace import Workspace

MOST_POLICIES = 9  # they share the check set's error


def policies(workspace: Workspace) -> list[Policy]:
    """Return the declared policies; if there are none, the one of all flagged classes, whose name is "".

    Its recall is the check set's.
    """
    return workspace.policies or [Policy("", tuple(workspace.flagged_names), workspace.check_set.recall)]


def codes_of(workspace: Workspace, policy: Policy) -> list[int]:
    """Return the current codes of a policy's classes."""
    return [code for code, name in enumerate(workspace.class_names) if name in policy.classes]


def policy_named(workspace: Workspace, name: str) -> Policy:
    """Return one of `policies`.

    Raises:
        InputError: if there is none of this name.
    """
    known = {policy.name: policy for policy in policies(workspace)}
    if name not in known:
        there = ", ".join(known) if workspace.policies else "none"
        raise InputError(f"There is no policy '{name}'{hint([name], list(known))}; the policies are: {there}.")
    return known[name]


def set_policy(workspace: Workspace, name: str, *, classes: Sequence[str] | None = None, recall: float | None = None) -> Policy:
    """Declare a policy, or change one that is declared; None keeps a value.

    Args:
        classes: flagged classes; of a new policy, the class of the same name if None.
        recall: to promise, in [0.5, 0.999]; of a new policy, the check set's if None.
    Raises:
        InputError: if a value is invalid, or openings are about the policy with other classes.
    """
    check_name(name, "policy", example="weapons")
    before = {policy.name: policy for policy in workspace.policies}
    same = next((other for other in before if other != name and folded(other) == folded(name)), None)
    if same is not None:
        raise InputError(f"The policies '{same}' and '{name}' differ only in case or spaces; choose another name.")
    if name not in before and len(before) == MOST_POLICIES:
        raise InputError(f"A workspace has at most {MOST_POLICIES} policies; remove one first.")
    if classes is not None and (not classes or len(set(classes)) < len(classes)):
        raise InputError(f"The policy '{name}' needs different classes, at least one, got {', '.join(classes) or 'none'}.")
    known = before.get(name, Policy(name, (name,), workspace.check_set.recall))
    named = tuple(workspace.named_today(known.classes if classes is None else classes))
    wanted = Policy(name, named, known.recall if recall is None else recall)
    check_terms(recall=wanted.recall)
    _check_classes(workspace, wanted)
    _keep(workspace, [*(before | {name: wanted}).values()])
    return wanted


def remove_policy(workspace: Workspace, name: str) -> None:
    """Remove a policy; its openings and points stay.

    Raises:
        InputError: if there is none of this name.
    """
    if not workspace.policies:
        raise InputError(f"There is no policy '{name}': no policies are declared.")
    gone = policy_named(workspace, name)
    _keep(workspace, [policy for policy in workspace.policies if policy != gone])


def _keep(workspace: Workspace, wanted: list[Policy]) -> None:
    columns = [(policy.name, policy.classes) for policy in workspace.policies]
    with workspace.lock:
        workspace.catalog.labels.set_policies(wanted)
        workspace.reload_classes()
        if [(policy.name, policy.classes) for policy in wanted] != columns:
            workspace.fitted = None  # the probe has columns for other policies


def check_terms(**terms: float) -> None:
    """Check a recall or confidence that is to be promised.

    Raises:
        InputError: naming the first that is out of range.
    """
    for name, value in terms.items():
        if not LEAST <= value <= MOST:
            raise InputError(f"The {name} must be from {LEAST} to {MOST}, got {value:g}; 0.9 and 0.95 are usual.")


def _check_classes(workspace: Workspace, policy: Policy) -> None:
    if unknown := [name for name in policy.classes if name not in workspace.class_names]:
        near = hint(unknown, workspace.class_names)
        raise InputError(
            f"The policy '{policy.name}' is about the class '{unknown[0]}', which is not there{near}; the classes are "
            f"{', '.join(workspace.class_names)}."
        )
    if harmless := [name for name in policy.classes if name not in workspace.flagged_names]:
        raise InputError(f"The class '{harmless[0]}' is not flagged; mark it with a star in 'lassoscope classes --set' first.")
    for opening in workspace.catalog.evidence.openings():
        then = opening["record"].get("flagged_names")
        named = set(workspace.named_today(then)) if isinstance(then, list) else set(policy.classes)
        if opening["policy"] == policy.name and named != set(policy.classes):
            raise InputError(
                f"Opening {opening['number']} is about the policy '{policy.name}' with the classes {', '.join(sorted(named))}; "
                "give a policy of other classes another name."
            )


def uncovered(workspace: Workspace) -> list[str]:
    """Return the flagged classes that no declared policy is about; [] while none is declared."""
    covered = {name for policy in workspace.policies for name in policy.classes}
    return [name for name in workspace.flagged_names if name not in covered] if workspace.policies else []


def policies_ended(workspace: Workspace) -> tuple[str, JsonObject]:
    """Return the sentence and the record that a change of the policies ends with."""
    found, left = workspace.policies, uncovered(workspace)
    flagged = ", ".join(workspace.flagged_names) or "none"
    listed = "; ".join(f"{p.name} ({', '.join(p.classes)}) at {target(p.recall)} recall" for p in found)
    said = f"Policies: {listed}." if found else f"No policies; the flagged classes ({flagged}) have one operating point."
    if left:
        said += f" In no policy, so not searched for: {', '.join(left)}."
    return said, {"policies": [dict(vars(p)) for p in found], "in_no_policy": left}


def check_kept(workspace: Workspace, classes: Sequence[ImageClass], policies: Sequence[Policy] | None = None) -> None:
    """Check that a new class list keeps every class of a policy, flagged.

    Args:
        policies: with the names that the classes get; None for the declared ones.
    Raises:
        InputError: naming the policy that needs one it does not keep.
    """
    flagged = {c.name for c in classes if c.flagged}
    for policy in workspace.policies if policies is None else policies:
        if lost := [name for name in policy.classes if name not in flagged]:
            raise InputError(
                f"The policy '{policy.name}' is about the flagged class '{lost[0]}'; keep it in the list with its star, or "
                f"run 'lassoscope policies --remove {policy.name}' first."
            )
