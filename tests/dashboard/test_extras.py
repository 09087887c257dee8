import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from dashboard import extras
from dashboard.cli import app
from tests.worlds import made, read, teach

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def optional_modules():
    """Return the names that the packages of the extras have in an import."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    declared = [*extras["dashboard"], *extras["ocr"]]
    packages = {re.match(r"[\w.-]+", requirement)[0].lower().replace("_", "-") for requirement in declared}
    packages |= {"s3fs", "gcsfs", "adlfs"}  # fsspec itself comes with torch
    of = packages_distributions()
    return {module for module, found in of.items() if packages & {name.lower().replace("_", "-") for name in found}}


def test_the_base_installation_loads_nothing_of_the_extras_and_core_no_user_interface(optional_modules, tmp_path):
    """One process, which imports what scoring needs, runs the commands about curves, then imports all of `core`."""
    with made(tmp_path / "w") as space:
        teach(space, 60, np.random.default_rng(0))
        read(space, 60)
    code = """
import importlib, pathlib, sys, warnings
import core.delivery.choice
assert not {"timm", "torchvision"} & {*sys.modules}, "the Operating point page would wait for them"
import core.delivery.bundle, core.delivery.score
import numpy as np
from core.encoders.encoder import load_encoder
load_encoder("msn-demo", device="cpu").encode(np.zeros((1, 3, 32, 32), np.uint8))
assert not {"timm", "torchvision", "torch._dynamo", "sympy"} & {*sys.modules}, "embedding would wait for them, for seconds"
from dashboard.cli import app
for command in ["curves"], ["encoders", "--compare"]:
    app([*command, "--workspace", sys.argv[1]], standalone_mode=False)
print("modules", *sys.modules)
warnings.simplefilter("ignore")
for file in set(pathlib.Path("core").rglob("*.py")) - {pathlib.Path("core/catalog/migrations/env.py")}:  # Alembic runs that one
    importlib.import_module(".".join(file.with_suffix("").parts).removesuffix(".__init__"))
print("modules", *sys.modules)
"""
    run = subprocess.run([sys.executable, "-c", code, tmp_path / "w"], cwd=ROOT, capture_output=True, text=True, check=True)
    base, all_of_core = (set(line.split()) for line in run.stdout.splitlines() if line.startswith("modules "))
    assert {
        "panel",
        "bokeh",
        "umap",
        "holoviews",
        "datashader",
        "lightly",
        "rapidocr",
        "s3fs",
        "gcsfs",
        "adlfs",
    } <= optional_modules
    assert {"core.probe.live_curves", "core.probe.compare"} <= base
    assert not optional_modules & base
    assert not {"panel", "bokeh", "holoviews", "param", "s3fs", "gcsfs", "adlfs"} & all_of_core


@pytest.mark.parametrize(
    "command",
    [
        ["demo"],
        ["serve"],
        ["train", "-w", "w"],
        ["project", "-w", "w"],
        ["clusters", "-w", "w"],
        ["experiment", "-w", "w", "--gold", "class", "--flagged", "x"],
        ["export", "bundle", "-w", "w"],
    ],
    ids=lambda command: command[0],
)
def test_a_command_without_its_extra_names_it_before_it_does_anything(command, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    declared = ["numpy>=2", "no-such-thing>=1; extra == 'ocr'", "never-installed<2,>=1; extra == 'dashboard'"]
    monkeypatch.setattr(extras, "requires", lambda package: declared)
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 1
    told = "lassoscope: This needs never-installed, which is not installed; run: pip install 'lassoscope[dashboard]'.\n"
    assert result.stderr == told
    assert list(tmp_path.iterdir()) == []


def test_a_missing_library_is_reported_and_a_missing_module_of_ours_is_a_bug():
    assert "pip install 'lassoscope[dashboard]'" in extras.sentence_of_missing(ModuleNotFoundError(name="umap.umap_"))
    assert extras.sentence_of_missing(ModuleNotFoundError(name="core.nowhere")) is None
    assert extras.sentence_of_missing(ImportError("cannot import name")) is None


def test_what_is_installed_is_not_missing(monkeypatch):
    monkeypatch.setattr(extras, "requires", lambda package: ['numpy>=2; extra == "dashboard"', "nothing; python_version < '3'"])
    assert extras.missing("dashboard") == []
