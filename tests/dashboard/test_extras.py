import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dashboard import extras
from dashboard.cli import app

ROOT = Path(__file__).resolve().parents[2]


def modules_of(extra):
    """Return what the packages of an extra are called in an import."""
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"][extra]
    packages = {re.match(r"[\w.-]+", requirement)[0].lower().replace("_", "-") for requirement in declared}
    of = packages_distributions()
    return {module for module, found in of.items() if packages & {name.lower().replace("_", "-") for name in found}}


def test_scoring_loads_nothing_of_the_extras_and_core_no_user_interface():
    code = """
import importlib, pathlib, sys, warnings
import dashboard.cli, core.delivery.bundle, core.delivery.score
print(*sys.modules)
warnings.simplefilter("ignore")
for file in set(pathlib.Path("core").rglob("*.py")) - {pathlib.Path("core/catalog/migrations/env.py")}:  # Alembic runs that one
    importlib.import_module(".".join(file.with_suffix("").parts).removesuffix(".__init__"))
print(*sys.modules)
"""
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    scoring, all_of_core = (set(line.split()) for line in run.stdout.splitlines())
    optional = modules_of("dashboard") | modules_of("ocr")
    assert {"panel", "bokeh", "umap", "holoviews", "datashader", "lightly", "rapidocr"} <= optional
    assert not optional & scoring
    assert not {"panel", "bokeh", "holoviews", "param"} & all_of_core


@pytest.mark.parametrize(
    "command",
    [
        ["demo"],
        ["serve"],
        ["train", "-w", "w"],
        ["project", "-w", "w"],
        ["clusters", "-w", "w"],
        ["experiment", "-w", "w", "--gold", "class", "--flagged", "x"],
        ["curves", "-w", "w"],
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


def test_a_missing_library_is_told_and_a_missing_module_of_ours_is_a_bug():
    assert "pip install 'lassoscope[dashboard]'" in extras.sentence_of_missing(ModuleNotFoundError(name="umap.umap_"))
    assert extras.sentence_of_missing(ModuleNotFoundError(name="core.nowhere")) is None
    assert extras.sentence_of_missing(ImportError("cannot import name")) is None


def test_what_is_installed_is_not_missing(monkeypatch):
    monkeypatch.setattr(extras, "requires", lambda package: ['numpy>=2; extra == "dashboard"', "nothing; python_version < '3'"])
    assert extras.missing("dashboard") == []
