"""Train the weights that ship in assets/: MSN on the demo images and notices; labels are only logged, never learned from.

python -m benchmarks.train_demo --minutes 65 --work /tmp/msn-demo

The log (docs/training/msn-demo.csv) has the collapse gauges and, at each checkpoint, the kNN accuracy of the EMA
backbone; nothing in the run depends on that accuracy. Run again with the same folder, it resumes where it stopped.
"""

import argparse
import csv
import signal
import sys
from pathlib import Path

import numpy as np
import torch

from benchmarks.shipped import ROOT, run
from core.demo.datasets import write_demo_images
from core.encoders.vit import Architecture
from core.training.loop import MsnConfig, train


def load_demo(folder: Path, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return (N, 3, size, size) uint8 demo images as the encoder sees them and N item names."""
    from core.images.decode import load_square

    with write_demo_images(folder).open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    return np.stack([load_square(folder / line["path"], size) for line in lines]), np.array([x["item"] for x in lines])


def main() -> None:
    """Measure the speed, choose as many epochs as fit the time, train, copy weights and log to their places."""
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("--minutes", type=float, default=65)
    ask.add_argument("--epochs", type=int, help="instead of --minutes")
    ask.add_argument("--patch", type=int, default=8)
    ask.add_argument("--threads", type=int, default=1)
    ask.add_argument("--work", type=Path, default=Path("/tmp/msn-demo"))
    ask.add_argument("--out", type=Path, default=ROOT / "assets" / "msn-demo.safetensors")
    ask.add_argument("--log", type=Path, default=ROOT / "docs" / "training" / "msn-demo.csv")
    chosen = ask.parse_args()
    torch.set_num_threads(chosen.threads)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped; start again to go on"))
    shape = Architecture(patch_size=chosen.patch)
    images, items = load_demo(chosen.work / "images", shape.input_size)
    pixels = torch.from_numpy(images)
    plan = chosen.work / "epochs.txt"
    if chosen.epochs:
        plan.write_text(str(chosen.epochs))
    elif not plan.exists():
        seconds = []
        train(
            pixels, MsnConfig(shape, epochs=1), out=chosen.work / "speed.safetensors", log_steps=5,
            on_step=lambda m: seconds.append(1 / m.images_per_second), stop=lambda: len(seconds) == 8,
        )  # fmt: skip
        plan.write_text(str(max(1, int(chosen.minutes * 60 / (float(np.median(seconds)) * len(images))))))
    config = MsnConfig(shape, epochs=int(plan.read_text()))
    about = {
        "data": "8,000 Fashion-MNIST images (Zalando SE, MIT) and 421 rendered notices, without labels",
        "licence": "Apache-2.0",
    }
    run(
        pixels, items, config, work=chosen.work, out=chosen.out, log=chosen.log, about=about,
        checkpoint_epochs=max(1, config.epochs // 40),
    )  # fmt: skip


if __name__ == "__main__":
    main()
