"""How often a promise is broken: simulated analysts who know the gold labels teach, check and open the demo in repeated runs.

python benchmarks/promise.py WORKSPACE --gold label --flagged footwear [--runs 50] [--teach 100] [--check 200]
"""

import argparse
import shutil
import tempfile
from pathlib import Path

import numpy as np
import sqlalchemy as sa

from core.catalog.schema import ACTION_IMAGES, ACTIONS, CHECK_SETS, FOCUS_DRAWS, IMAGES, POINTS_IN_FORCE, PROBES, REVEALS
from core.evidence import check_sets, openings, queues
from core.evidence.bounds import upper_limit
from core.labels.actions import label
from core.maths.halves import check_order, in_check_half
from core.overview import label_counts
from core.probe.live import refit
from core.probe.suggest import suggest
from core.workspace import Workspace

RECALL = 0.9
FIRST, ROUND = 10, 15


def dealt_anew(source: Path, target: Path, run: int) -> None:
    """Copy a workspace without its labels, with different halves and a different order."""
    target.mkdir()
    shutil.copy(source / "catalog.sqlite", target)
    for name in ("embeddings", "projection"):
        shutil.copytree(source / name, target / name, copy_function=lambda a, b: Path(b).hardlink_to(a))
    with Workspace(target) as space, space.catalog.database.engine.begin() as connection:
        for table in (ACTION_IMAGES, ACTIONS, REVEALS, PROBES):
            connection.execute(sa.delete(table))
        for table in (CHECK_SETS, FOCUS_DRAWS, POINTS_IN_FORCE):
            connection.execute(sa.delete(table))
        groups = space.catalog.images.groups()
        salt = f"run {run}"
        halves = in_check_half(groups, salt=salt).tolist()
        orders = check_order([key.decode() for key in space.ids], salt=salt).tolist()
        values = [
            {"at": row, "half": half, "place": place} for row, (half, place) in enumerate(zip(halves, orders, strict=True))
        ]
        update = sa.update(IMAGES).where(IMAGES.c.row == sa.bindparam("at"))
        connection.execute(update.values(is_check=sa.bindparam("half"), check_order=sa.bindparam("place")), values)


def give(space: Workspace, rows: np.ndarray, gold: np.ndarray, source: str) -> None:
    """Label rows by their gold class."""
    for code, name in enumerate(space.class_names):
        mine = rows[gold[rows] == code]
        if len(mine):
            label(space, mine, name, analyst="simulated", source=source)


def one_run(folder: Path, gold: str, flagged: set[str], n_teach: int, n_check: int) -> dict[str, float]:
    """Teach, check, open; return the outcome of the promise."""
    with Workspace(folder) as space:
        _, values = space.catalog.images.gold(gold)
        names = space.class_names
        hit, other = names[space.flagged_codes[0]], next(n for n in names if n not in {names[c] for c in space.flagged_codes})
        codes = np.array([names.index(hit if value in flagged else other) for value in values])
        truth = codes == names.index(hit)
        while (done := label_counts(space)["labelled_teach"]) < n_teach:
            size = min(FIRST if done < FIRST else ROUND, n_teach - done)
            give(space, np.array([s.row for s in suggest(space, size)]), codes, "single")
            refit(space)
        give(space, queues.queue(space, "promise", n_check, analyst="simulated"), codes, "check")
        check_sets.change_terms(space, recall=RECALL, size=n_check)
        opened = check_sets.open_check_set(space, analyst="simulated")
        if opened.threshold is None:
            return {"possible": 0, "recall": np.nan, "reviewed": np.nan, "n_flagged": opened.n_flagged}
        above = openings.frozen_scores(space, opened) >= opened.threshold
        return {"possible": 1, "recall": above[truth].mean(), "reviewed": above.mean(), "n_flagged": opened.n_flagged}


def main() -> None:
    """Run and print a summary."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--gold", default="label")
    parser.add_argument("--flagged", default="footwear", help="comma-separated values")
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--teach", type=int, default=100)
    parser.add_argument("--check", type=int, default=200)
    arguments = parser.parse_args()
    flagged = set(arguments.flagged.split(","))
    found = []
    with tempfile.TemporaryDirectory(dir=arguments.workspace.parent) as folder:
        for run in range(arguments.runs):
            dealt_anew(arguments.workspace, Path(folder) / str(run), run)
            found.append(one_run(Path(folder) / str(run), arguments.gold, flagged, arguments.teach, arguments.check))
            shutil.rmtree(Path(folder) / str(run))
    possible = [f for f in found if f["possible"]]
    recall = np.array([f["recall"] for f in possible])
    broken = int((recall < RECALL).sum())
    print(f"{len(found)} runs, {arguments.teach} teach and {arguments.check} check labels, flagged: {arguments.flagged}")
    print(f"a promise of {RECALL:.0%} recall was possible in {len(possible)}")
    if possible:
        share, most = broken / len(possible), upper_limit(broken, len(possible), 0.05)
        print(f"broken: {broken} ({share:.1%}; at most {most:.1%}, 95% sure)")
        print(
            "true recall: "
            + ", ".join(f"{np.quantile(recall, q):.3f}" for q in (0, 0.1, 0.5, 0.9))
            + " (min, 10%, median, 90%)"
        )
        print(f"reviewed: {np.median([f['reviewed'] for f in possible]):.1%} of the pool; flagged check labels: "
              f"{np.median([f['n_flagged'] for f in found]):.0f}")  # fmt: skip


if __name__ == "__main__":
    main()
