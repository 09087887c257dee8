"""Run one part of the drill in this process; benchmarks/device_drill.py starts one process for each."""

import argparse
import importlib
import sys
from pathlib import Path

from benchmarks.drill.record import Recorder
from core.devices import pick_device

MODULES = {
    "machine": "benchmarks.drill.machine",
    "tests": "benchmarks.drill.device_tests",
    "agreement": "benchmarks.drill.agreement",
    "speed": "benchmarks.drill.speed",
    "embedding": "benchmarks.drill.pictures",
    "training": "benchmarks.drill.training",
}
FORBIDDEN = ("panel", "bokeh", "holoviews", "datashader", "umap")


def main() -> None:
    """Run the part; what it raises becomes a row."""
    ask = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ask.add_argument("part", choices=list(MODULES))
    ask.add_argument("--device", required=True)
    ask.add_argument("--small", action="store_true")
    ask.add_argument("--rows", type=Path, required=True, help="file to append rows to")
    ask.add_argument("--budget", type=float, required=True, help="seconds to aim for")
    chosen = ask.parse_args()
    record = Recorder(chosen.part, chosen.rows)
    try:
        module = importlib.import_module(MODULES[chosen.part])
        module.run(record, pick_device(chosen.device), small=chosen.small, budget=chosen.budget)
    except Exception as error:
        record.fail(chosen.part, error)
    if loaded := [name for name in FORBIDDEN if name in sys.modules]:
        record.add(chosen.part, {}, failed=f"Imported {', '.join(loaded)}; the drill has to run without the page's libraries.")


if __name__ == "__main__":
    main()
