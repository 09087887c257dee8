"""State what numba compiles before the first lasso and the first map, without and with what `make setup` keeps.

python -m benchmarks.kernels

Each line is a process of its own: with an empty folder of compiled functions, then with what the process before it kept.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

STAGES = ("draw and lasso", "import umap-learn", "lay out 500 images")


def stage(name: str) -> None:
    """Do one stage in this process, and print its seconds and those of compiling."""
    from numba.core import event

    class Clock(event.Listener):  # type: ignore[misc]
        depth, since, total = 0, 0.0, 0.0

        def on_start(self, _event: object) -> None:
            self.since = time.perf_counter() if self.depth == 0 else self.since
            self.depth += 1

        def on_end(self, _event: object) -> None:
            self.depth -= 1
            self.total += time.perf_counter() - self.since if self.depth == 0 else 0.0

    clock = Clock()
    event.register("numba:compile", clock)
    work = prepared(name)
    start, compiled = time.perf_counter(), clock.total
    work()
    print(f"{time.perf_counter() - start:.1f} {clock.total - compiled:.1f}")


def prepared(name: str) -> Callable[[], object]:
    """Import what comes before a stage, and return the stage."""
    import numpy as np

    if name == STAGES[0]:
        from core.map.raster import warm

        return warm
    if name == STAGES[1]:
        import importlib

        return lambda: importlib.import_module("umap")
    import umap  # noqa: F401

    from core.map.layout import lay_out

    x = np.random.default_rng(0).normal(size=(500, 64)).astype(np.float32)
    return lambda: lay_out(x)


def main() -> None:
    """Print the table."""
    print("| stage | empty: s | compiling | kept: s | compiling |\n| --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "NUMBA_CACHE_DIR": folder}
        for name in STAGES:
            found = []
            for _ in range(2):
                asked = [sys.executable, "-m", "benchmarks.kernels", name]
                found += subprocess.run(asked, env=environment, capture_output=True, text=True, check=True).stdout.split()
            print(f"| {name} | {' | '.join(found)} |", flush=True)


if __name__ == "__main__":
    stage(sys.argv[1]) if len(sys.argv) > 1 else main()
