"""Train assets/msn-tiny-64.safetensors: MSN on photos, Fashion-MNIST as RGB and rendered notices, without labels.

python -m benchmarks.train_tiny64 --photos caltech99-128.tar --work /tmp/msn-64 --epochs 50

Every fifth photo is held out of the training and used only for kNN in the log. Run again with the same folder, it resumes where
it stopped.
"""

import argparse
import signal
import sys
from pathlib import Path

import numpy as np
import torch

from benchmarks.photo_sets import HELD_OUT, N_FASHION, N_NOTICES, NOTICE_SEED, fashion, notices, photos
from benchmarks.shipped import ROOT, run
from core.training.loop import MsnConfig
from core.training.presets import preset

WATCHED_EPOCHS = 2  # between two lines of the log


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
