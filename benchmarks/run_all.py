"""Run the benchmarks that need no training and write their figures into benchmarks/README.md. `make bench`.

Takes about ten minutes and 3 GB of disk; pass a folder filled by `benchmarks/generate.py` to reuse it.
"""

import argparse
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

import torch

from benchmarks.generate import generate
from core.store.files import atomic_path

HERE = Path(__file__).resolve().parent
BEGIN, END = "<!-- figures: make bench -->", "<!-- end of figures -->"


def run(script: str, *arguments: str) -> str:
    """Run one benchmark in its own process and return its output."""
    command = [sys.executable, str(HERE / script), *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=HERE.parent).stdout.strip()


def figures(folder: Path) -> str:
    """Return all figures as Markdown."""
    cuda = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    machine = (
        f"{os.cpu_count()} cores ({platform.machine()}), {cuda}, Python {platform.python_version()}, torch {torch.__version__}"
    )
    return "\n\n".join(
        (
            f"Machine: {machine}. Medians of at least 5.",
            "## 1,000,000 images, 384-d (`benchmarks/million.py`)",
            run("million.py", str(folder)),
            "## Drawing and lasso (`benchmarks/map_raster.py`)",
            f"```\n{run('map_raster.py')}\n```",
        )
    )


def main() -> None:
    """Generate a workspace unless one is given, measure, and replace the figures in the README."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--million", type=Path, help="a generated workspace to use")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.million or Path(temporary) / "million"
        if options.million is None:
            generate(folder, n_images=1_000_000)
        found = figures(folder)
    readme = HERE / "README.md"
    head, _, rest = readme.read_text().partition(BEGIN)
    _, _, tail = rest.partition(END)
    with atomic_path(readme) as aside:
        aside.write_text(f"{head}{BEGIN}\n{found}\n\n{END}{tail}")


if __name__ == "__main__":
    main()
