r"""Compare msn-tiny-64 with the same network untrained and with PCA of pixels, on photos, notices and Fashion-MNIST.

python -m benchmarks.photo_quality --photos caltech99-128.tar --weights assets/msn-tiny-64.safetensors \
    --write docs/explanation/encoders.md

The queries are images that no encoder was fitted on: every fifth photo, 4,000 Fashion-MNIST test images, 300 notices of another
seed. The known images are those that MSN was trained on without labels (and that PCA was fitted on). All figures are for
standardised embeddings, as in the product's probe.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression

from benchmarks.encoder_quality import FEW, Split, average_precision, neighbours, vote
from benchmarks.train_tiny64 import FASHION, HELD_OUT, N_FASHION, N_NOTICES, NOTICE_SEED, fashion, notices, photos
from core.demo.datasets import FASHION_CLASSES, FOOTWEAR
from core.encoders.encoder import Encoder, Vit, load_encoder
from core.encoders.untrained import initial_backbone
from core.maths.representatives import medoids
from core.training.presets import preset

DRAWS = 20  # sets of labels of the few-label columns
FIRST = 10
UNSEEN_FASHION, UNSEEN_NOTICES, UNSEEN_SEED = 4_000, 300, 12_345
VEHICLES = ("airplanes", "Motorbikes", "car_side", "ketch", "helicopter", "ferry", "schooner")
INSTRUMENTS = (
    "grand_piano", "electric_guitar", "euphonium", "accordion", "gramophone", "mandolin", "saxophone", "metronome"
)  # fmt: skip
START, END = "<!-- figures: benchmarks/photo_quality.py -->", "<!-- end of the photo figures -->"


@dataclass(frozen=True)
class Data:
    """Pixels and names of the known images and of the queries."""

    title: str
    known: np.ndarray  # (N, 3, S, S) uint8
    items: np.ndarray
    asked: np.ndarray
    asked_items: np.ndarray
    tasks: dict[str, tuple[str, ...]]  # title -> the flagged items


def load(tar: Path, size: int) -> list[Data]:
    """Read and render the three data sets."""
    pixels, items = photos(tar, size)
    out = np.arange(len(pixels)) % HELD_OUT == 0
    shown = Data(
        "photos", pixels[~out], items[~out], pixels[out], items[out], {"vehicles": VEHICLES, "instruments": INSTRUMENTS}
    )
    cards, new_cards = notices(N_NOTICES, size, NOTICE_SEED), notices(UNSEEN_NOTICES, size, UNSEEN_SEED)
    mixed = Data(
        "notices among photos",
        np.concatenate([shown.known, cards]),
        np.concatenate([shown.items, ["notice"] * len(cards)]),
        np.concatenate([shown.asked, new_cards]),
        np.concatenate([shown.asked_items, ["notice"] * len(new_cards)]),
        {"notices": ("notice",)},
    )
    garments = Data(
        "Fashion-MNIST",
        *fashion(N_FASHION, size),
        *fashion(UNSEEN_FASHION, size, FASHION.with_name("t10k-images-idx3-ubyte.gz")),
        {"footwear": FOOTWEAR, "bags": (FASHION_CLASSES[8],)},
    )
    return [shown, mixed, garments]


def few_labels(split: Split, flagged: Sequence[str], n: int, *, diverse: bool) -> tuple[float, float]:
    """Return mean and standard deviation over `DRAWS` of the AP with n labels; one class alone gives the AP of chance."""
    found = []
    for seed in range(DRAWS):
        rng = np.random.default_rng(seed)
        pool = rng.choice(len(split.x), min(4_000, len(split.x)), replace=False)
        rows = pool[medoids(torch.from_numpy(split.x[pool].astype(np.float32)), n=n, rng=rng)] if diverse else pool[:n]
        marks = np.isin(split.items[rows], flagged)
        both = marks.any() and not marks.all()
        found.append(
            average_precision(split, tuple(flagged), rows) if both else float(np.isin(split.asked_items, flagged).mean())
        )
    return float(np.mean(found)), float(np.std(found))


def measure(data: Data, name: str, embed: Encoder | PCA) -> list[str]:
    """Return the table rows of one encoder on one data set, one per task."""
    if isinstance(embed, PCA):
        x, asked = (embed.transform(pixels.reshape(len(pixels), -1) / 255.0) for pixels in (data.known, data.asked))
    else:
        x, asked = (embed.encode(pixels).astype(np.float64) for pixels in (data.known, data.asked))
    split = Split(x, data.items, asked, data.asked_items).scaled(standardised=True)
    n = len(data.asked)
    linear = LogisticRegression(C=0.1, max_iter=1_000).fit(split.x, split.items).score(split.asked_x, split.asked_items)
    shares = [f"{share:.3f} ± {np.sqrt(share * (1 - share) / n):.3f}" for share in (vote(split, neighbours(split)), linear)]
    lines = []
    for title, flagged in data.tasks.items():
        share = np.isin(data.items, flagged).mean()
        columns = [few_labels(split, flagged, size, diverse=diverse) for size, diverse in ((FIRST, True), (FEW, False))]
        few = " | ".join(f"{mean:.3f} ± {deviation:.3f}" for mean, deviation in columns)
        everything = average_precision(split, flagged, np.arange(len(split.x)))
        lines.append(f"| {data.title} | {name} | {' | '.join(shares)} | {title} ({share:.0%}) | {few} | {everything:.3f} |")
    return lines


def main() -> None:
    """Print the table; with --write, put it into the page between its marks."""
    ask = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ask.add_argument("--photos", type=Path, required=True)
    ask.add_argument("--weights", type=Path, required=True)
    ask.add_argument("--write", type=Path)
    chosen = ask.parse_args()
    architecture = preset("tiny-64").architecture
    sets = load(chosen.photos, architecture.input_size)
    trained = load_encoder(str(chosen.weights))
    untrained = Encoder("untrained", Vit(initial_backbone(architecture, seed=0).eval()), architecture, torch.device("cpu"), {})
    everything = np.concatenate([sets[1].known, sets[2].known])
    pca = PCA(64, svd_solver="randomized", random_state=0).fit(everything.reshape(len(everything), -1) / np.float32(255))
    lines = [
        f"| images | encoder | kNN | linear probe | flagged | AP, {FIRST} diverse labels | AP, {FEW} random labels | AP, all |",
        "| --- " * 8 + "|",
    ]
    for data in sets:
        for name, embed in (("msn-tiny-64", trained), ("the same, untrained", untrained), ("PCA 64 of the pixels", pca)):
            lines += (found := measure(data, name, embed))
            print(*found, sep="\n", flush=True)
    if chosen.write:
        before, rest = chosen.write.read_text(encoding="utf-8").split(START)
        table = "\n".join(lines)
        chosen.write.write_text(f"{before}{START}\n\n{table}\n\n{END}{rest.split(END)[1]}", encoding="utf-8")


if __name__ == "__main__":
    main()
