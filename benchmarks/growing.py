"""How fast a label reaches the curves while images are added: read, embedded and placed on the map, beside an idle server.

python -m benchmarks.growing FOLDER [--images 10000] [--seconds 60] [--made 1000000]

FOLDER is a workspace with a map and no labels yet, as `lassoscope demo --prepare-only -w FOLDER` makes it; if it is not there,
it is made up, of the size that `--made` says. The run works on a copy of it, with one window in Chromium. Pictures made up for
this are added by `lassoscope ingest` until all are on the map, while nobody does anything; beside that stands the time of
`lassoscope embed` for the same pictures in a workspace of their own. Then the window answers suggestions, first on a server
that does nothing else, then while as many other pictures are added. Prints a Markdown table.
"""

import argparse
import asyncio
import contextlib
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np
from PIL import Image

from benchmarks.generate import generate
from benchmarks.serving import own_and_mapped, serve
from benchmarks.windows import Screen, chromium, keys_of, spread, wait_for_all, warm_up, work
from core.catalog.catalog import Catalog
from core.catalog.creation import catalog_file
from core.catalog.jobs import JobState
from core.encoders.encoder import DEFAULT_ENCODER
from core.workspace import Workspace

SIDE = 96  # px of the pictures
LOOK = 0.2  # s between two looks at whether all is done, while nobody labels
STEP = 6.0  # the same while the window answers: two keys


def draw_pictures(folder: Path, n: int, *, seed: int) -> Path:
    """Write n JPEG pictures that are all different; return the folder."""
    folder.mkdir()
    rng = np.random.default_rng(seed)
    for i in range(n):
        small = rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)
        Image.fromarray(small).resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(folder / f"{i:05d}.jpg", quality=85)
    return folder


def start_adding(folder: Path, pictures: Path) -> subprocess.Popen[bytes]:
    """Start the command that hands the pictures to the server."""
    command = [sys.executable, "-m", "dashboard", "ingest", str(pictures), "-w", str(folder)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL)


def ended(folder: Path, times: int) -> bool:
    """Tell whether the jobs that follow from an ingest have ended, so many times.

    Raises:
        RuntimeError: if one has failed.
    """
    with contextlib.closing(Catalog.of_file(catalog_file(folder), read_only=True)) as catalog:
        jobs = catalog.jobs.newest(50)
    if failed := [job.message for job in jobs if job.state == JobState.FAILED]:
        raise RuntimeError(failed[0])
    return sum(job.kind == "place" for job in jobs) >= times and not any(job.is_open for job in jobs)


def embed_alone(folder: Path, pictures: Path) -> float:
    """Return how many seconds `lassoscope embed` takes for pictures that are all a new workspace has; they are read before."""
    command = [sys.executable, "-m", "dashboard"]
    subprocess.run([*command, "ingest", str(pictures), "-w", str(folder)], check=True, stdout=subprocess.DEVNULL)
    began = time.perf_counter()
    subprocess.run([*command, "embed", "-w", str(folder)], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


async def measure(
    folder: Path, pictures: tuple[Path, Path], url: str, pid: int, names: dict[str, str], seconds: float, alone: float
) -> list[str]:
    """Return the rows of the table; `alone` is what `embed_alone` returned."""
    warm, rng = await warm_up(url), random.Random(0)
    async with chromium(url) as page:
        screen = Screen(page)
        await screen.suggestions()
        before = own_and_mapped(pid)
        began, adding = time.perf_counter(), start_adding(folder, pictures[0])
        while adding.poll() is None or not ended(folder, 1):
            await asyncio.sleep(LOOK)
        took = time.perf_counter() - began
        after = own_and_mapped(pid)
        await work(screen, rng, seconds)
        await wait_for_all([screen])
        idle = [key.curves for key in keys_of(screen, names)]
        screen.pressed, screen.shown = [], screen.shown[-1:]
        adding = start_adding(folder, pictures[1])
        while adding.poll() is None or not ended(folder, 2):
            await work(screen, rng, STEP)
        await wait_for_all([screen])
        busy = [key.curves for key in keys_of(screen, names)]
    await warm.close()
    came = [[took for took in times if took is not None] for times in (idle, busy)]
    ratio = f"{median(came[1]) / median(came[0]):.2f}" if all(came) else "not defined"
    return [
        f"| until all are on the map, while nobody labels | {took:.1f} s |",
        f"| `lassoscope embed` of the same pictures alone, without a server | {alone:.1f} s |",
        f"| ratio (goal 1.15) | {took / alone:.2f} |",
        f"| growth of the server's own memory | {after[0] - before[0]:.0f} MB |",
        f"| growth of the files that it has mapped | {after[1] - before[1]:.0f} MB |",
        f"| key to curves on an idle server, p50 / p95 ({len(idle)} keys) | {spread(idle)} |",
        f"| the same while images are added ({len(busy)} keys) | {spread(busy)} |",
        f"| ratio of the medians (goal 1.5) | {ratio} |",
        f"| load of the machine at the end | {os.getloadavg()[0]:.1f} |",
    ]


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=60, help="of the idle part")
    parser.add_argument("--made", type=int, default=1_000_000, metavar="N", help="images of a FOLDER that is not there")
    options = parser.parse_args()
    if not options.folder.exists():
        generate(options.folder, n_images=options.made, encoder=DEFAULT_ENCODER)
    with Workspace(options.folder, read_only=True) as space:
        names = {known.key: known.name for known in space.classes}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "workspace"
        pictures = (
            draw_pictures(Path(temporary) / "first", options.images, seed=0),
            draw_pictures(Path(temporary) / "second", options.images, seed=1),
        )
        alone = embed_alone(Path(temporary) / "alone", pictures[0])
        server, url = serve(Path(shutil.copytree(options.folder, folder)))
        try:
            rows = asyncio.run(measure(folder, pictures, url, server.pid, names, options.seconds, alone))
        finally:
            server.terminate()
            server.wait()
    print(f"| {options.images:,} images added to a served workspace | |\n| --- | --- |")
    print("\n".join(rows))


if __name__ == "__main__":
    main()
