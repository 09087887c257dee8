"""Time opening a workspace with many images and label actions, and one more label: medians of CPU and wall-clock time.

python -m benchmarks.open_labels [--images 1000000] [--actions 200000]
"""

import argparse
import hashlib
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from core.catalog.records import ActionDraft, ImageRecord
from core.labels.actions import history, label, undo
from core.workspace import Workspace

AT_ONCE = 10_000
TIMES = 5  # of each opening
LABELS = 100  # given one by one


def fill(folder: Path, n_images: int, n_actions: int) -> None:
    """Make a workspace of images without files and label them one by one."""
    ids = [hashlib.blake2b(str(i).encode(), digest_size=16).hexdigest() for i in range(n_images)]
    with Workspace.create(folder) as space:
        for start in range(0, n_images, AT_ONCE):
            some = [ImageRecord(i, f"/d/{i}.jpg", 9, 9, 9, "JPEG", "0" * 64, i) for i in ids[start : start + AT_ONCE]]
            space.catalog.images.add_batch(some, [], [])
        drafts = [ActionDraft("label", "ann", "single", np.array([i % n_images]), "neutral") for i in range(n_actions)]
        for start in range(0, n_actions, AT_ONCE):
            space.catalog.labels.append(drafts[start : start + AT_ONCE])


def report(name: str, verb: Callable[[], object], times: int = 1) -> None:
    """Print the median CPU and wall-clock time of a verb, in ms."""
    cpu, wall = [], []
    for _ in range(times):
        began, clock = time.process_time(), time.perf_counter()
        verb()
        cpu.append(1_000 * (time.process_time() - began))
        wall.append(1_000 * (time.perf_counter() - clock))
    print(f"{name}: {statistics.median(cpu):,.1f} ms CPU, {statistics.median(wall):,.1f} ms wall, median of {times}")


def main() -> None:
    """Print one line per figure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=1_000_000)
    parser.add_argument("--actions", type=int, default=200_000)
    options = parser.parse_args()
    n_images, n_actions = options.images, options.actions
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "w"
        fill(folder, n_images, n_actions)
        print(f"{n_images:,} images, {n_actions:,} label actions")
        report("opened without snapshots, which are written", lambda: Workspace(folder).close())
        report("opened", lambda: Workspace(folder).close(), TIMES)
        with Workspace(folder) as space:
            rows = iter(np.random.default_rng(0).integers(n_images, size=10 * LABELS))

            def label_one() -> None:
                with space.lock:
                    label(space, np.array([next(rows)]), "explicit", analyst="bob")

            report("one label, under the lock", label_one, LABELS)
            report("labels of all after it", lambda: (label_one(), space.labels), LABELS)
            report("undo the newest", lambda: undo(space, analyst="bob"), LABELS)
            report("undo an old one", partial(undo, space, 1, analyst="bob"))
            report("evidence after a label", lambda: (label_one(), space.evidence()), LABELS)
            report("newest 100 of the history", partial(history, space, 100), TIMES)


if __name__ == "__main__":
    main()
