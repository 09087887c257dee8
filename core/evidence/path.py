"""The path to a promise as a checklist: what is done, what is next, and the numbers. Reveals no scores. Takes the workspace."""

from dataclasses import dataclass
from enum import StrEnum

from core.evidence import check_sets, openings, points
from core.evidence.check_sets import CheckStatus
from core.evidence.openings import Opening
from core.evidence.plan import Plan, Prospect, plan, plan_words, read_words
from core.evidence.subject import PROBE, Subject
from core.labels.policies import codes_of, policies
from core.missing import missing_for_score
from core.wording import counted, target
from core.workspace import Workspace


class StepKey(StrEnum):
    """The steps, in their order."""

    TEACH = "teach"
    READ = "read"
    OPEN = "open"
    CHOOSE = "choose"
    FORCE = "force"
    EXPORT = "export"


class Stage(StrEnum):
    """Whether a step is behind, at hand or ahead."""

    DONE = "done"
    NOW = "now"
    LATER = "later"


@dataclass(frozen=True)
class Step:
    """One step of the path."""

    key: StepKey
    stage: Stage
    title: str
    count: str  # its number, for example "read 40 of 139"; "" = none
    hint: str  # what to do, or why it cannot be done; "" = nothing
    possible: bool  # it can be done now


TITLES = {
    StepKey.TEACH: "Teach the model",
    StepKey.READ: "Read check images",
    StepKey.OPEN: "Open the check set",
    StepKey.CHOOSE: "Choose the threshold",
    StepKey.FORCE: "Put it in force",
    StepKey.EXPORT: "Export the bundle",
}


@dataclass(frozen=True)
class Path:
    """The steps to a promise for one subject, and the estimate that their numbers come from."""

    steps: tuple[Step, ...]
    plan: Plan
    read: str  # how far reading is: "read 40 of 139"
    n_owed: int  # unread images before the last one read, which do not let it go on

    @property
    def next(self) -> Step | None:
        """Return the first step that is not done; None when all are."""
        return next((step for step in self.steps if step.stage != Stage.DONE), None)


def path(workspace: Workspace, subject: Subject | None = None, *, exported_at: str = "") -> Path:
    """Return the path to a promise for a subject (None = the first).

    Args:
        exported_at: when a bundle was written last, ISO 8601 in UTC; "" = never. A bundle from before the newest opening, or
            before the point was put in force, is not of it.
    """
    status = check_sets.status(workspace, subject)
    return path_of(workspace, status, exported_at=exported_at)


def path_of(workspace: Workspace, status: CheckStatus, *, exported_at: str = "") -> Path:
    """Return the path for a state of the check set that is known already; otherwise as `path`."""
    subject = status.subject
    opened = next(
        (r for r in openings.openings(workspace) if (r.check_set, r.subject) == (status.check_set.number, subject)), None
    )
    promised = opened is not None and opened.threshold is not None
    found = plan(status.ahead)
    saved = [] if opened is None else [point for point in points.points(workspace) if point.opening == opened.number]
    force = points.in_force(workspace, subject.policy)
    in_force = any(point.name == force.get("name") for point in saved)
    since = max(force.get("at", "") if in_force else "", opened.at if opened is not None else "")
    done = {
        StepKey.TEACH: promised or not _untaught(workspace, status),
        StepKey.READ: promised or _is_read(status, found),
        StepKey.OPEN: promised,
        StepKey.CHOOSE: bool(saved),
        StepKey.FORCE: in_force,
        StepKey.EXPORT: in_force and exported_at >= since and bool(exported_at),
    }
    said = {
        StepKey.TEACH: _teach(workspace, status),
        StepKey.READ: _read(status, found, promised=promised),
        StepKey.OPEN: _open(status, opened),
        StepKey.CHOOSE: ("", "Name a threshold, so that it can be put in force." if promised else "", opened is not None),
        StepKey.FORCE: (f"'{force['name']}'" if in_force else "", "", bool(saved)),
        StepKey.EXPORT: _export(subject, in_force=in_force),
    }
    steps, is_next = [], True
    for key in StepKey:
        if key == StepKey.TEACH and subject.scorer != PROBE:
            continue  # a score column learns nothing here
        stage = Stage.DONE if done[key] else Stage.NOW if is_next else Stage.LATER
        is_next = is_next and done[key]
        steps.append(Step(key, stage, TITLES[key], *said[key]))
    return Path(tuple(steps), found, read_words(found, done=promised), 0 if promised else status.n_owed)


def reading_words(workspace: Workspace) -> str:
    """Say how far reading is for the policy that needs most: "read 40 of 139 for a promise of 90% recall"; "" without one."""
    if not workspace.flagged_names:
        return ""
    paths = [(path(workspace, Subject(policy.name)), policy) for policy in policies(workspace)]
    found, policy = max(paths, key=lambda pair: (pair[0].steps[1].stage != Stage.DONE, pair[0].plan.goal))
    about = f" ({policy.name})" if len(paths) > 1 else ""
    owed = f"; {found.n_owed:,} passed over come first" if found.n_owed else ""
    return f"{found.read} for a promise of {target(policy.recall)} recall{about}{owed}"


def _untaught(workspace: Workspace, status: CheckStatus) -> str:
    return "" if status.subject.scorer != PROBE else missing_for_score(workspace, codes_of(workspace, status.policy))


def _is_read(status: CheckStatus, found: Plan) -> bool:
    return found.prospect == Prospect.READY and status.n >= status.planned and not status.n_owed


def _teach(workspace: Workspace, status: CheckStatus) -> tuple[str, str, bool]:
    n = int((workspace.labels.codes[~workspace.is_check] >= 0).sum())
    return counted(n, "label"), _untaught(workspace, status), True


def _read(status: CheckStatus, found: Plan, *, promised: bool) -> tuple[str, str, bool]:
    hint = "" if promised else plan_words(found, " or ".join(status.policy.classes))
    if not promised and status.n_owed:
        why = "skipped, shown in another window, or added later"
        hint = f"{counted(status.n_owed, 'image')} passed over come first: {why}. {hint}".strip()
    return read_words(found, done=promised), hint, status.n_left > 0


def _open(status: CheckStatus, opened: Opening | None) -> tuple[str, str, bool]:
    again = status.known is not None
    if opened is not None and opened.threshold is not None:
        return f"look {opened.look}, promised {target(opened.recall)}", "", not (again or status.missing)
    if opened is not None:
        return f"look {opened.look}, no promise", status.missing, not (again or status.missing)
    return "", status.missing, not status.missing


def _export(subject: Subject, *, in_force: bool) -> tuple[str, str, bool]:
    if subject.scorer != PROBE:
        return "", f"A bundle cannot compute the scores of '{subject.scorer}'.", False
    return "", "", in_force
