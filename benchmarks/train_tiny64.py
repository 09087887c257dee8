"""Train assets/msn-tiny-64.safetensors: MSN on photos, Fashion-MNIST as RGB and rendered notices, without labels.

python -m benchmarks.train_tiny64 --photos caltech99-128.tar --work /tmp/msn-64 --epochs 50

Every fifth photo is held out of the training and used only for kNN in the log. Run again with the same folder, it resumes where
it stopped.
"""

import argparse
import csv
import gzip
import io
import signal
import sys
import tarfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from benchmarks.shipped import ROOT, run
from core.demo.cards import make_card_bytes
from core.demo.datasets import FASHION_CLASSES
from core.images.decode import load_square
from core.training.loop import MsnConfig
from core.training.presets import preset

FASHION = Path("/usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz")  # Debian: dataset-fashion-mnist
N_FASHION, N_NOTICES, NOTICE_SEED = 4_000, 1_000, 64
HELD_OUT = 5  # every fifth photo
WATCHED_EPOCHS = 2  # between two lines of the log


def photos(tar: Path, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return (N, 3, size, size) uint8 photos in the order of the tar's labels.csv, and their class names."""
    with tarfile.open(tar) as archive:
        members = {member.name: member for member in archive if member.isfile()}
        table = next(name for name in members if name.endswith("labels.csv"))
        root = Path(table).parent
        lines = list(csv.DictReader(io.TextIOWrapper(archive.extractfile(members[table]), encoding="utf-8")))
        files = [archive.extractfile(members[str(root / line["path"])]).read() for line in lines]
    return np.stack([load_square(file, size) for file in files]), np.array([line["label"] for line in lines])


def fashion(n: int, size: int, source: Path = FASHION) -> tuple[np.ndarray, np.ndarray]:
    """Return the first n images as (n, 3, size, size) uint8, and their class names."""
    with gzip.open(source) as file:
        tiles = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 28, 28)[:n]
    with gzip.open(str(source).replace("images-idx3", "labels-idx1")) as file:
        marks = np.frombuffer(file.read(), np.uint8, offset=8)[:n]
    large = [np.asarray(Image.fromarray(tile).resize((size, size), Image.Resampling.BICUBIC)) for tile in tiles]
    return np.repeat(np.stack(large)[:, None], 3, axis=1), np.array([FASHION_CLASSES[mark] for mark in marks])


def notices(n: int, size: int, seed: int) -> np.ndarray:
    """Return n rendered notices as (n, 3, size, size) uint8."""
    return np.stack([load_square(make_card_bytes(seed, i)[0], size) for i in range(n)])


def main() -> None:
    """Load everything into memory and train."""
    ask = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ask.add_argument("--photos", type=Path, required=True)
    ask.add_argument("--work", type=Path, default=Path("/tmp/msn-64"))
    ask.add_argument("--epochs", type=int, default=50)
    ask.add_argument("--threads", type=int, default=1)
    ask.add_argument("--out", type=Path, default=ROOT / "assets" / "msn-tiny-64.safetensors")
    ask.add_argument("--log", type=Path, default=ROOT / "docs" / "training" / "msn-tiny-64.csv")
    chosen = ask.parse_args()
    torch.set_num_threads(chosen.threads)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped; start again to go on"))
    config: MsnConfig = preset("tiny-64", {"epochs": chosen.epochs})
    size = config.architecture.input_size
    chosen.work.mkdir(parents=True, exist_ok=True)
    cache = chosen.work / "photos.npz"
    if not cache.exists():
        pixels, items = photos(chosen.photos, size)
        np.savez(cache, pixels=pixels, items=items)
    with np.load(cache) as found:
        pixels, items = found["pixels"], found["items"]
    held_out = np.arange(len(pixels)) % HELD_OUT == 0
    parts = [pixels[~held_out], fashion(N_FASHION, size)[0], notices(N_NOTICES, size, NOTICE_SEED)]
    about = {
        "data": f"{len(parts[0]):,} photos of Caltech-101 (CC BY 4.0), {N_FASHION:,} Fashion-MNIST images (Zalando SE, MIT) "
        f"and {N_NOTICES:,} rendered notices, without labels",
        "licence": "Apache-2.0",
    }
    run(
        torch.from_numpy(np.concatenate(parts)), items, config, work=chosen.work, out=chosen.out, log=chosen.log,
        about=about, watched=torch.from_numpy(pixels), checkpoint_epochs=WATCHED_EPOCHS,
    )  # fmt: skip


if __name__ == "__main__":
    main()
