"""Opening a workspace with many label actions, and what one more label costs: seconds and milliseconds of CPU time.

Run: python -m benchmarks.open_labels [IMAGES] [ACTIONS]
"""

import hashlib
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from core.catalog.records import ActionDraft, ImageRecord
from core.labels.actions import history, label, undo
from core.workspace import Workspace


def fill(folder: Path, n_images: int, n_actions: int) -> float:
    """Make a workspace of images without files and label them one by one; return the seconds that the labels took."""
    ids = [hashlib.blake2b(str(i).encode(), digest_size=16).hexdigest() for i in range(n_images)]
    with Workspace.create(folder) as space:
        for start in range(0, n_images, 10_000):
            some = [ImageRecord(i, f"/d/{i}.jpg", 9, 9, 9, "JPEG", "0" * 64, i) for i in ids[start : start + 10_000]]
            space.catalog.images.add_batch(some, [], [])
        drafts = [ActionDraft("label", "ann", "single", np.array([i % n_images]), "neutral") for i in range(n_actions)]
        began = time.process_time()
        space.catalog.labels.append(drafts)
        return time.process_time() - began


def main(n_images: int = 200_000, n_actions: int = 100_000) -> None:
    """Print one line a figure."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "w"
        print(f"{n_actions:,} actions written: {fill(folder, n_images, n_actions):.1f} s")
        began = time.process_time()
        with Workspace(folder) as space:
            print(f"opened with {n_images:,} images: {time.process_time() - began:.1f} s")
            verbs: dict[str, Callable[[], object]] = {
                "label one": lambda: label(space, np.array([5]), "explicit", analyst="bob"),
                "undo it": lambda: undo(space, analyst="bob"),
                "undo the first": lambda: undo(space, 1, analyst="bob"),
                "evidence": space.evidence,
                "evidence again": space.evidence,
                "history": partial(history, space),
            }
            for name, verb in verbs.items():
                began = time.process_time()
                verb()
                print(f"{name}: {1_000 * (time.process_time() - began):.1f} ms")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
