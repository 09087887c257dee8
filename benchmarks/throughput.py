"""Measure images per second from JPEG files to embeddings, against the bare forward loop of the same model, and decoding alone.

The bare loop takes decoded images from memory and gives each batch to the model in one pass, on torch's own threads.
"In pieces" is how `lassoscope embed` computes on a CPU: pieces that stay in a core's cache, one thread each.

python -m benchmarks.throughput FOLDER_WITH_JPEGS --encoder msn-demo
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch

from core.catalog.originals import FilePictures
from core.encoders.encoder import embed_originals, load_encoder
from core.images.decode import load_square

REPEATS, BATCH = 5, 256


def rate(n: int, work: Callable[[], object]) -> float:
    """Return images per second of a call that handles n images."""
    start = time.perf_counter()
    work()
    return n / (time.perf_counter() - start)


def main() -> None:
    """Measure all three in alternation and print a Markdown table."""
    ask = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ask.add_argument("folder", type=Path)
    ask.add_argument("--encoder", action="append", help="may be repeated; default msn-demo")
    ask.add_argument("--device", default="auto")
    ask.add_argument("--most", type=int, default=2_048)
    chosen = ask.parse_args()
    paths = sorted(chosen.folder.rglob("*.jpg"))[: chosen.most]
    size = np.median([path.stat().st_size for path in paths]) / 1024
    cores = os.cpu_count() or 1
    print(f"{len(paths):,} JPEG files of {size:.0f} KB (median), {cores} cores, batch {BATCH}, median of {REPEATS}\n")
    print("| encoder | from files | bare forward | ratio | in pieces | decoding alone | where the time goes |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name in chosen.encoder or ["msn-demo"]:
        encoder = load_encoder(name, device=chosen.device)
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
            found = {what: [rate(len(paths), work) for work in works.values()] for what in range(REPEATS)}
        files, bare, pieces, decode = (statistics.median(column) for column in zip(*found.values(), strict=True))
        story = f"forward {files / pieces:.0%}, decoding {files / decode:.0%}"
        figures = f"{files:,.0f}/s | {bare:,.0f}/s | {files / bare:.2f} | {pieces:,.0f}/s | {decode:,.0f}/s"
        print(f"| {encoder.name} | {figures} | {story} |")


if __name__ == "__main__":
    main()
