"""A full disk is one sentence, and labels can still be taken out. Needs root, for a disk of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root to fill a disk of its own")
def test_a_full_disk_is_reported_and_labels_can_still_be_taken_out(small, tmp_path):
    script = f"""
set -e
mount -t tmpfs -o size=3m tmpfs {tmp_path}/disk
cp -r {small} {tmp_path}/disk/w
head -c 9000000 /dev/zero > {tmp_path}/disk/filler 2> /dev/null || true
cd {ROOT}
{sys.executable} - <<'END'
from typer.testing import CliRunner
from dashboard.cli import app
export = ["labels", "export"]
for words in (["guideline", "--set", "v9"], [*export, "{tmp_path}/l.csv"], [*export, "{tmp_path}/disk/l.csv"]):
    result = CliRunner().invoke(app, [*words, "-w", "{tmp_path}/disk/w"])
    print(result.exit_code, result.output.strip())
    assert isinstance(result.exception, SystemExit | None), result.exception
END
ls -A {tmp_path}/disk
"""
    (tmp_path / "disk").mkdir()
    done = subprocess.run(["unshare", "-m", "bash", "-c", script], capture_output=True, text=True)
    if "unshare" in done.stderr or "mount" in done.stderr:
        pytest.skip("mounting is not allowed here")
    first, second, third, *left = done.stdout.splitlines()
    assert first.startswith("1 lassoscope: The disk is full"), done.stderr
    assert second == f"0 48 labels written to {tmp_path}/l.csv."
    assert third.startswith("1 lassoscope: The disk is full")
    assert left == ["filler", "w"]
