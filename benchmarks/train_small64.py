"""Train assets/msn-small-64.safetensors: MSN on the pictures of many sources, without labels, best on a GPU.

python -m benchmarks.photo_sets --photos photos72-a.tar --caltech caltech99-128.tar --out FOLDER
python -m benchmarks.train_small64 FOLDER --photos photos72-a.tar --work /tmp/small-64 [--device cuda]

The held-out pictures of three sources are used only for kNN in the log. Run again with the same folder, it resumes where it
stopped. Beside the weights it writes the list of sources, their commits and licences.
"""

import argparse
import csv
import io
import signal
import sys
import tarfile
from collections import Counter
from pathlib import Path

import numpy as np
import torch

from benchmarks.photo_sets import load_held_out
from benchmarks.shipped import ROOT, run
from core.training.presets import preset

EPOCHS = 208  # what 220 seconds of an H200 allowed
CHECKPOINTS = 10
WATCHED = ("caltech", "trashnet", "books")
OWN = (
    ("Caltech-101 (Fei-Fei, Fergus, Perona 2004)", "", "CC BY 4.0", "one public copy's card, not confirmed at the source"),
    ("Fashion-MNIST (Zalando SE)", "", "MIT", "the Debian package dataset-fashion-mnist"),
    ("notices, rendered by core.demo.cards", "", "Apache-2.0", "this repository"),
)
ATTRIBUTED = ("source_repo", "commit", "licence", "licence_read_in")


def main() -> None:
    """Load everything into memory and train."""
    ask = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ask.add_argument("folder", type=Path, help="what benchmarks.photo_sets wrote")
    ask.add_argument("--photos", type=Path, required=True, help="the archive, for its list of sources")
    ask.add_argument("--work", type=Path, default=Path("/tmp/small-64"))
    ask.add_argument("--epochs", type=int, default=EPOCHS)
    ask.add_argument("--device", default="auto")
    ask.add_argument("--out", type=Path, default=ROOT / "assets" / "msn-small-64.safetensors")
    ask.add_argument("--log", type=Path, default=ROOT / "docs" / "training" / "msn-small-64.csv")
    chosen = ask.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped; start again to go on"))
    chosen.work.mkdir(parents=True, exist_ok=True)
    with np.load(chosen.folder / "train.npz") as found:
        pixels, sources = torch.from_numpy(found["pixels"]), found["sources"]
    sets = load_held_out(chosen.folder)
    names = chosen.out.with_suffix(".sources.csv")
    write_sources(names, chosen.photos, set(sources.tolist()))
    about = {
        "data": f"{len(pixels):,} pictures without labels: photos (Caltech-101 among them), Fashion-MNIST and other garments, "
        f"screenshots, paintings and rendered notices; {names.name} lists them",
        "licence": "Apache-2.0",
    }
    run(
        pixels, np.concatenate([sets[name].items for name in WATCHED]), preset("small-64", {"epochs": chosen.epochs}),
        work=chosen.work, out=chosen.out, log=chosen.log, about=about, device=chosen.device,
        watched=torch.from_numpy(np.concatenate([sets[name].pixels for name in WATCHED])),
        checkpoint_epochs=max(1, chosen.epochs // CHECKPOINTS),
    )  # fmt: skip


def write_sources(target: Path, archive: Path, groups: set[str]) -> None:
    """List where the pictures of these groups of the archive are from: repository, commit, licence, where it was read."""
    with tarfile.open(archive) as tar:
        content = tar.extractfile("sources.csv")
        if content is None:
            sys.exit(f"{archive} has no sources.csv")
        lines = [line for line in csv.DictReader(io.TextIOWrapper(content, "utf-8")) if line["group"] in groups]
    counted = Counter(tuple(line[column] for column in ATTRIBUTED) for line in lines)
    with target.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow((*ATTRIBUTED, "pictures_in_the_archive"))
        writer.writerows((*row, n) for row, n in sorted(counted.items()))
        writer.writerows((*row, "") for row in OWN)


if __name__ == "__main__":
    main()
