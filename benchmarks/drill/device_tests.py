"""Run the tests of the device functions: those marked `gpu` on a GPU, their device-agnostic twins on the CPU."""

from pathlib import Path

import pytest
import torch

from benchmarks.drill.record import Recorder

ROOT = Path(__file__).resolve().parents[2]
MARK = "mark.gpu"


class _Counter:
    """A pytest plugin that counts outcomes and keeps the last line of each failure."""

    def __init__(self) -> None:
        self.counts = dict.fromkeys(("passed", "failed", "skipped"), 0)
        self.failures: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count a test once: by its call, or by what kept it from being called."""
        if report.when == "call" or report.outcome != "passed":
            self.counts[report.outcome] += 1
        if report.failed:
            self._keep(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Count a file that cannot be imported as a failure."""
        if report.failed:
            self.counts["failed"] += 1
            self._keep(report)

    def _keep(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        self.failures[report.nodeid] = (report.longreprtext.strip().splitlines() or ["no message"])[-1]


def files(device: torch.device) -> list[Path]:
    """Return the files with tests marked `gpu`; on the CPU, those whose tests run on either device."""
    tests = ROOT / "tests" / "core"
    if device.type != "cuda":
        return sorted(tests.rglob("test_device*.py"))
    return [file for file in sorted(tests.rglob("test_*.py")) if MARK in file.read_text(encoding="utf-8")]


def run(record: Recorder, device: torch.device, *, small: bool, budget: float) -> None:
    """Run the tests in this process and record how many passed, and each failure.

    Only files with such tests are named, because others import the page's libraries. Warnings are no errors here: other
    versions of the libraries have other deprecations.
    """
    expression = "gpu" if device.type == "cuda" else "not gpu and not slow and not ui"
    what = f"pytest -m '{expression}'"
    chosen = files(device)
    if not chosen:
        record.add(what, {}, "There is no test of a device function.")
        return
    counter = _Counter()
    options = ["-q", "-m", expression, "-W", "default", "-p", "no:cacheprovider", "--rootdir", str(ROOT)]
    code = pytest.main([*options, *map(str, chosen)], plugins=[counter])
    n_failed = counter.counts["failed"]
    sentence = f"{n_failed} of the tests failed." if n_failed else "" if counter.counts["passed"] else f"No test ran ({code})."
    record.add(what, {"files": len(chosen), **counter.counts}, sentence)
    for name, line in counter.failures.items():
        record.add(name, {}, line)
