"""What a command prints works in any terminal and steers none."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from dashboard import console

ROOT = Path(__file__).resolve().parents[2]
EVIL = "a\x1b[2J\r\nb\x9b1m\u202egpj.exe\u2028\udcff.png"


@pytest.fixture
def printed(monkeypatch):
    """Return what `finish` prints on a terminal of an encoding."""

    def on(encoding, sentence, result, *, as_json):
        raw = io.BytesIO()
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding=encoding, errors="strict", newline=""))
        console.finish(sentence, result, as_json=as_json)
        return raw.getvalue().decode(encoding)

    return on


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "latin-1", "cp1252"])
def test_a_sentence_is_printed_on_any_terminal_and_keeps_its_lines(printed, encoding):
    text = printed(encoding, f"rejected {EVIL}\n12 images ≥ 3, “done” é", {}, as_json=False)
    assert "\n" in text
    assert not any(character in text for character in "\x1b\r\x9b\u202e\u2028\udcff")
    assert "12 images" in text
    assert ("≥" in text) == (encoding == "utf-8")


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_json_stays_json_on_any_terminal(printed, encoding):
    text = printed(encoding, "", {"path": EVIL, "é": [1.5, float("nan"), "≥"]}, as_json=True)
    assert json.loads(text) == {"path": EVIL, "é": [1.5, None, "≥"]}
    assert not any(character in text for character in "\x1b\r\x9b\u202e\u2028")


def test_a_command_ends_well_in_a_terminal_that_knows_ascii_only(tmp_path):
    folder = tmp_path / "bilder-é\x1b[31m"
    folder.mkdir()
    Image.new("RGB", (20, 20)).save(folder / "ü.png")
    (folder / "☃\n.png").write_bytes(b"no picture at all")
    command = [sys.executable, "-m", "dashboard", "ingest", str(folder), "-w", str(tmp_path / "w"), "--workers", "1"]
    environment = {**os.environ, "LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PYTHONPATH": str(ROOT)}
    for more in ([], ["--json"]):
        done = subprocess.run([*command, *more], cwd=ROOT, env=environment, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr
        assert b"Traceback" not in done.stderr
        assert b"\x1b" not in done.stdout
        done.stdout.decode("ascii")
    assert len(json.loads(done.stdout)["rejections"]) == 1
