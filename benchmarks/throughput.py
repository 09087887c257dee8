"""Measure images per second from JPEG files to embeddings, against the bare forward loop of the same model, and decoding alone.

The bare loop takes decoded images from memory and gives each batch to the model in one pass, on torch's own threads.
"In pieces" is how `lassoscope embed` computes on a CPU: pieces that stay in a core's cache, one thread each.

Each repeat measures all of them, and a ratio is the median of the repeats' own ratios, so that other work on the machine
touches both sides. Speed does not depend on the weights: "vit-s16" is an untrained network of the size of
hf:facebook/vit-msn-small.

python -m benchmarks.throughput FOLDER_WITH_JPEGS --encoder msn-demo
python -m benchmarks.throughput --encoder vit-s16 --most 48    (writes pictures of 640 x 480 for the time being)
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch

from benchmarks.drill.pictures import vit_s16, write_pictures
from core.catalog.originals import FilePictures
from core.devices import pick_device
from core.encoders.encoder import embed_originals, load_encoder
from core.images.decode import load_square

REPEATS, BATCH = 5, 256
TWIN = "vit-s16"


def rate(n: int, work: Callable[[], object]) -> float:
    """Return images per second of a call that handles n images."""
    start = time.perf_counter()
    work()
    return n / (time.perf_counter() - start)


def main() -> None:
    """Measure all three in alternation and print a Markdown table."""
    ask = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ask.add_argument("folder", type=Path, nargs="?")
    ask.add_argument("--encoder", action="append", help=f"may be repeated, also {TWIN}; default msn-demo")
    ask.add_argument("--device", default="auto")
    ask.add_argument("--most", type=int, default=2_048)
    chosen = ask.parse_args()
    with tempfile.TemporaryDirectory() as made:
        found = sorted(chosen.folder.rglob("*.jpg")) if chosen.folder else write_pictures(Path(made), chosen.most)
        measure(found[: chosen.most], chosen.encoder or ["msn-demo"], chosen.device)


def measure(paths: list[Path], names: list[str], asked: str) -> None:
    """Print the table of some encoders."""
    size = np.median([path.stat().st_size for path in paths]) / 1024
    cores = os.cpu_count() or 1
    print(f"{len(paths):,} JPEG files of {size:.0f} KB (median), {cores} cores, batch {BATCH}, median of {REPEATS}\n")
    print("| encoder | from files | bare forward | ratio | in pieces | decoding alone | where the time goes |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name in names:
        encoder = vit_s16(pick_device(asked)) if name == TWIN else load_encoder(name, device=asked)
        side = encoder.input_size
        with ThreadPoolExecutor(cores) as pool:
            pixels = np.stack(list(pool.map(lambda path, side=side: load_square(path, side), paths)))
            works: dict[str, Callable[[], object]] = {
                "files": lambda encoder=encoder: list(embed_originals(FilePictures(paths), encoder, batch_size=BATCH)),
                "bare": lambda encoder=encoder, pixels=pixels: [
                    encoder.forward(torch.from_numpy(pixels[i : i + BATCH])) for i in range(0, len(pixels), BATCH)
                ],
                "pieces": lambda encoder=encoder, pixels=pixels: encoder.encode(pixels),
                "decode": lambda side=side, pool=pool: list(pool.map(lambda path: load_square(path, side), paths)),
            }
            for work in works.values():
                work()
            table = np.array([[rate(len(paths), work) for work in works.values()] for _ in range(REPEATS)])
        files, bare, pieces, decode = np.median(table, axis=0)
        of_bare, of_pieces, of_decode = (np.median(table[:, 0] / table[:, other]) for other in (1, 2, 3))
        story = f"forward {of_pieces:.0%}, decoding {of_decode:.0%}"
        figures = f"{files:,.1f}/s | {bare:,.1f}/s | {of_bare:.2f} | {pieces:,.1f}/s | {decode:,.0f}/s"
        print(f"| {encoder.name} | {figures} | {story} |", flush=True)


if __name__ == "__main__":
    main()
