"""How long `lassoscope demo` takes from nothing: until a page answers, until it is the page, until all images are on the map.

python -m benchmarks.fresh_demo [--runs 3]

Each run begins with an empty folder; what `make setup` compiled is there. Goals, on two cores with nothing else running: page
within 10 s, the whole demo within 60 s. Prints a Markdown table of seconds.
"""

import argparse
import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from statistics import median

from core.catalog.catalog import Catalog
from core.catalog.creation import catalog_file
from core.catalog.jobs import JobState

PATIENCE = 600.0  # s until a demo that is not done is an error
STEP = 0.1  # s between two looks
GOALS = {"a page answers": None, "the page": 10, "the whole demo": 60}


def status(url: str) -> int | None:
    """Return the status a server answers with; None while it does not."""
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refused:
        return refused.code
    except OSError:
        return None


def is_done(folder: Path) -> bool:
    """Tell whether the demo's job has ended.

    Raises:
        RuntimeError: if it failed.
    """
    with contextlib.closing(Catalog.of_file(catalog_file(folder), read_only=True)) as catalog:
        jobs = catalog.jobs.newest(10)
    if failed := [job.message for job in jobs if job.state == JobState.FAILED]:
        raise RuntimeError(failed[0])
    return bool(jobs) and not any(job.is_open for job in jobs)


def run(folder: Path) -> list[float]:
    """Return the seconds until each of GOALS."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "dashboard", "demo", "--no-browser", "-w", str(folder), "--port", str(port)]
    url, found, began = f"http://127.0.0.1:{port}/", [], time.perf_counter()
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    reached = (lambda: status(url) is not None, lambda: status(url) == 200, lambda: is_done(folder))
    try:
        for is_reached in reached:
            while not is_reached():
                if server.poll() is not None or time.perf_counter() - began > PATIENCE:
                    raise RuntimeError(f"the demo did not get there; {' '.join(command)} says why")
                time.sleep(STEP)
            found.append(time.perf_counter() - began)
    finally:
        server.terminate()
        server.wait()
    return found


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    runs = []
    for _ in range(options.runs):
        with tempfile.TemporaryDirectory() as temporary:
            runs.append(run(Path(temporary) / "demo"))
    print(
        f"| `lassoscope demo` from nothing until | seconds, median of {options.runs} | most | goal |\n| --- | --- | --- | --- |"
    )
    for (what, goal), seconds in zip(GOALS.items(), zip(*runs, strict=True), strict=True):
        print(f"| {what} | {median(seconds):.1f} | {max(seconds):.1f} | {goal or ''} |")
    print(f"\nLoad of the machine at the end: {os.getloadavg()[0]:.1f}.")


if __name__ == "__main__":
    main()
