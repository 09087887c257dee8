"""Guards: this checkout's code is what runs, and `core` loads no user interface."""

import re
import subprocess
import sys
from pathlib import Path

import core
import dashboard

ROOT = Path(__file__).resolve().parents[1]


def test_packages_come_from_this_checkout():
    assert Path(core.__file__).parent == ROOT / "core"
    assert Path(dashboard.__file__).parent == ROOT / "dashboard"


def test_importing_all_of_core_loads_no_user_interface():
    code = """
import importlib, pathlib, sys, warnings
warnings.simplefilter("ignore")
for file in pathlib.Path("core").glob("*.py"):
    importlib.import_module(f"core.{file.stem}".removesuffix(".__init__"))
print(sorted({"panel", "bokeh", "holoviews", "param"} & set(sys.modules)))
"""
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_the_readmes_make_targets_exist():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    assert {"setup", "run", "test", "test-all", "check", "fix", "bench"} <= targets
    assert set(re.findall(r"(?:^|`)make ([a-z-]+)", (ROOT / "README.md").read_text(), re.M)) <= targets


def test_nothing_is_pickled_and_nothing_is_drawn_by_gradio():
    for file in [*ROOT.glob("core/**/*.py"), *ROOT.glob("dashboard/**/*.py")]:
        text = file.read_text()
        assert not re.search(r"^\s*(import|from) (pickle|joblib|gradio|streamlit)", text, re.M), file
        assert "allow_pickle=True" not in text, file
