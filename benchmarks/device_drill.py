"""Prove the device functions on one machine in six minutes: tests, agreement with the CPU, speed, embedding, training.

python -m benchmarks.device_drill [--device cuda] [--out FOLDER]       on a GPU
python -m benchmarks.device_drill --device cpu --small                 everything on the CPU, in three minutes
python -m benchmarks.device_drill --fetch-wheels                       before it travels to a machine without a network

Each part runs in a process of its own, so that a crash or a hang loses that part's remaining rows and nothing else. drill.json
and drill.md are rewritten after every part. The exit code is 1 if anything failed. Standard library only: what `core` needs is
installed first. docs/gpu.md says what to carry.
"""

import argparse
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.drill import wheels
from benchmarks.drill.record import Row, markdown, read_rows, write

ROOT = Path(__file__).resolve().parents[1]
SHARED_MEMORY = Path("/dev/shm")
MOST_TEMPORARY = 6e9  # bytes: five million embeddings, and pictures


@dataclass(frozen=True)
class Plan:
    """How long the drill may take, in seconds."""

    total: float
    parts: dict[str, float]  # what each part aims for, within what is left; most take less
    grace: float = 30.0  # beyond its aim, after which a part is killed


GPU = Plan(350, {"machine": 20, "tests": 60, "agreement": 45, "speed": 100, "embedding": 35, "training": 150})
# Two minutes on two cores; the limits are for machines that are busy with something else.
SMALL = Plan(600, {"machine": 60, "tests": 120, "agreement": 120, "speed": 120, "embedding": 120, "training": 120})


def main() -> int:
    """Run all parts, print the table and return the exit code."""
    ask = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ask.add_argument("--device", default="auto", help="auto, cpu or cuda")
    ask.add_argument("--small", action="store_true", help="few images and seconds, to prove the drill itself")
    ask.add_argument("--out", type=Path, default=Path(os.environ.get("OUT") or ROOT / "drill"), help="folder of the results")
    ask.add_argument("--fetch-wheels", action="store_true", help="download the wheels a bare machine needs, and end")
    chosen = ask.parse_args()
    if chosen.fetch_wheels:
        wheels.fetch()
        return 0
    chosen.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="drill-", dir=in_memory()) as temporary:
        try:
            wheels.install_missing(Path(temporary) / "site")
        except (FileNotFoundError, subprocess.CalledProcessError) as error:
            sys.exit(str(error))
        rows = run_parts(SMALL if chosen.small else GPU, chosen, Path(temporary))
    print(markdown(rows))
    return int(any(row.failed for row in rows))


def in_memory() -> Path | None:
    """Return the folder for temporary files if it can be in memory, as if they were in the file cache; else None."""
    return SHARED_MEMORY if SHARED_MEMORY.is_dir() and shutil.disk_usage(SHARED_MEMORY).free > MOST_TEMPORARY else None


def run_parts(plan: Plan, chosen: argparse.Namespace, temporary: Path) -> list[Row]:
    """Run the parts one after the other and write the results after each."""
    end, rows = time.monotonic() + plan.total, list[Row]()
    known = [str(ROOT), str(temporary / "site"), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(known), "TMPDIR": str(temporary)}  # a killed part leaves nothing
    if chosen.small:  # threads that wait for each other would make a busy machine several times slower
        environment["OMP_NUM_THREADS"] = "1"
    for part, aim in plan.parts.items():
        left = end - time.monotonic()
        budget = min(aim, left)
        command = [sys.executable, "-m", "benchmarks.drill.part", part, "--device", chosen.device, "--budget", f"{budget:.0f}"]
        command += ["--rows", str(temporary / part), *(["--small"] if chosen.small else [])]
        start = time.monotonic()
        ended = run(command, environment, log=chosen.out / f"{part}.log", limit=min(aim + plan.grace, left))
        found = read_rows(temporary / part)
        if ended or not found:
            found.append(Row(part, part, failed=f"The part {ended or 'recorded nothing'}; see {part}.log."))
        rows += found
        write(chosen.out, rows)
        n_failed = sum(bool(row.failed) for row in found)
        print(f"{part}: {time.monotonic() - start:.0f} s, {len(found)} rows, {n_failed} failed", file=sys.stderr, flush=True)
    return rows


def run(command: list[str], environment: dict[str, str], *, log: Path, limit: float) -> str:
    """Run a process with its output in a file, removed if empty; return how it ended if not well, else ""."""
    with log.open("w", encoding="utf-8") as out:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=out, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            code = process.wait(max(limit, 1))
        except subprocess.TimeoutExpired:
            return f"was stopped after {limit:.0f} s"
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if not log.stat().st_size:
        log.unlink()
    return f"ended with exit code {code}" if code else ""


if __name__ == "__main__":
    sys.exit(main())
