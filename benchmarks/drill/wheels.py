"""Packages a bare machine lacks, carried as wheels in an ignored folder. Standard library only."""

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".drill-wheels"
# What `core` needs beyond the bare machine's packages (docs/gpu.md), by the module that is imported.
PACKAGES = {
    "annotated_types": "annotated-types",
    "lightly": "lightly",
    "pydantic": "pydantic",
    "pydantic_core": "pydantic-core",
    "sqlalchemy": "sqlalchemy",
    "typing_inspection": "typing-inspection",
}
PYTHON = "3.12"
PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_27_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")


def fetch() -> None:
    """Download the wheels for the bare machine, in the lock's versions."""
    locked = dict(re.findall(r"^([\w.-]+)==(\S+)", (ROOT / "requirements.lock").read_text(encoding="utf-8"), re.M))
    platforms = [option for platform in PLATFORMS for option in ("--platform", platform)]
    names = [f"{name}=={locked[name]}" for name in PACKAGES.values()]
    FOLDER.mkdir(exist_ok=True)
    for old in FOLDER.glob("*.whl"):
        old.unlink()
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--dest", str(FOLDER)]
    subprocess.run([*command, "--python-version", PYTHON, "--implementation", "cp", *platforms, *names], check=True)


def install_missing(site: Path) -> list[str]:
    """Install the packages this Python lacks into a folder, without a network, and return their names.

    Raises:
        FileNotFoundError: if wheels are needed and were not carried.
    """
    missing = [name for module, name in PACKAGES.items() if find_spec(module) is None]
    if not missing:
        return []
    if not any(FOLDER.glob("*.whl")):
        raise FileNotFoundError(
            f"This machine lacks {', '.join(missing)}; run 'python -m benchmarks.device_drill --fetch-wheels' where there is a "
            f"network, and carry {FOLDER.name}/ here."
        )
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--no-compile"]
    subprocess.run([*command, "--find-links", str(FOLDER), "--target", str(site), *missing], check=True)
    return missing
