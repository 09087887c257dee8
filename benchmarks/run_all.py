"""Run the benchmarks that need no training and write their figures into benchmarks/README.md. `make bench`.

Takes about half an hour and 11 GB of disk; pass folders filled by `benchmarks/generate.py` to reuse them.
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


def run(name: str, *arguments: str) -> str:
    """Run one benchmark in its own process and return its output."""
    command = [sys.executable, "-m", f"benchmarks.{name}", *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=HERE.parent).stdout.strip()


def figures(million: Path, five: Path) -> str:
    """Return all figures as Markdown."""
    cuda = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    machine = (
        f"{os.cpu_count()} cores ({platform.machine()}), {cuda}, Python {platform.python_version()}, torch {torch.__version__}"
    )
    return "\n\n".join(
        (
            f"Machine: {machine}. Medians of at least 5.",
            "## 1,000,000 images, 384-d (`benchmarks/million.py`)",
            run("million", str(million)),
            "## 5,000,000 images, 384-d (`benchmarks/million.py`)",
            run("million", str(five)),
            "## Drawing and lasso (`benchmarks/map_raster.py`)",
            f"```\n{run('map_raster')}\n```",
        )
    )


def main() -> None:
    """Generate a workspace unless one is given, measure, and replace the figures in the README."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--million", type=Path, help="a generated workspace to use")
    parser.add_argument("--five", type=Path, help="another, of five million images")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        million, five = options.million or Path(temporary) / "million", options.five or Path(temporary) / "five"
        for folder, given, n_images in ((million, options.million, 1_000_000), (five, options.five, 5_000_000)):
            if given is None:
                generate(folder, n_images=n_images)
        found = figures(million, five)
    readme = HERE / "README.md"
    head, _, rest = readme.read_text().partition(BEGIN)
    _, _, tail = rest.partition(END)
    with atomic_path(readme) as aside:
        aside.write_text(f"{head}{BEGIN}\n{found}\n\n{END}{tail}")


if __name__ == "__main__":
    main()
