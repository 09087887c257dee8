"""What the drill runs on: the machine, its versions, and the size of the working tree that was carried there."""

import os
import platform
from pathlib import Path

import torch

from benchmarks.drill.record import Recorder

ROOT = Path(__file__).resolve().parents[2]
MOST_CARRIED = 64  # MiB of the working tree with its wheels
LEFT_BEHIND = ("__pycache__", ".git", ".venv", "build", "dist", "drill", "site", "workspaces")  # and caches


def run(record: Recorder, device: torch.device, *, small: bool, budget: float) -> None:
    """Record the machine and the tree's size."""
    gpu = f"{torch.cuda.get_device_name(device)}, CUDA {torch.version.cuda}" if device.type == "cuda" else "no GPU used"
    versions = f"Python {platform.python_version()}, torch {torch.__version__}"
    record.add(f"{os.cpu_count()} cores ({platform.machine()}), {gpu}, {versions}", {"device": str(device)})
    size = carried(ROOT) / 2**20
    failed = f"The working tree may have {MOST_CARRIED} MiB." if size > MOST_CARRIED else ""
    record.add("working tree with wheels", {"MiB": size}, failed)


def carried(folder: Path) -> int:
    """Return the bytes of the files that travel: all but caches, environments and results."""
    total = 0
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if "cache" not in name and not (Path(place) == ROOT and name in LEFT_BEHIND)]
        total += sum((Path(place) / name).lstat().st_size for name in files)
    return total
