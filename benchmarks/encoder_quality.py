"""Compare encoders: kNN and linear-probe accuracy, AP of footwear and of notices with all labels and with 100.

python -m benchmarks.encoder_quality --work /tmp/msn-demo --write docs/explanation/encoders.md

Two tables. Held out: every fourth demo image is a query, and the labels of the others are known; MSN was trained on all of
them, without labels. Unseen (if Debian's dataset-fashion-mnist is installed): 4,000 test images and 210 notices of another
seed. Each encoder is measured standardised, as in the product's probe, and with one scale for all dimensions, because
standardising inflates the last principal components and makes PCA look worse than it is.
"""

import argparse
import gzip
import io
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score

from benchmarks.train_demo import load_demo
from core.demo.cards import make_card_bytes
from core.demo.datasets import FASHION_CLASSES, FOOTWEAR, TILE
from core.encoders.encoder import ENCODERS, load_encoder
from core.images.decode import load_square

K = 20
FEW, SEEDS = 100, 10  # labels and draws of the few-label columns
UNSEEN, UNSEEN_NOTICES, UNSEEN_SEED = 4_000, 210, 12_345
START, END = "<!-- figures: benchmarks/encoder_quality.py -->", "<!-- end of figures -->"
HEAD = (
    "| encoder | scale | kNN | linear probe | footwear AP | with 100 labels | notices AP | with 100 labels "
    "| notices beside notices |\n" + "| --- " * 9 + "|"
)


@dataclass(frozen=True)
class Split:
    """Embeddings and item names of the images whose labels are known, and of the queries."""

    x: np.ndarray
    items: np.ndarray
    asked_x: np.ndarray
    asked_items: np.ndarray

    def scaled(self, *, standardised: bool) -> "Split":
        """Return it centred and scaled to standard deviation 1, each dimension on its own or all by one factor."""
        mean, std = self.x.mean(axis=0), self.x.std(axis=0)
        scale = np.maximum(std, 1e-9) if standardised else np.sqrt((std**2).mean())
        return Split((self.x - mean) / scale, self.items, (self.asked_x - mean) / scale, self.asked_items)


def neighbours(split: Split) -> np.ndarray:
    """Return the items of the 20 nearest known images (cosine) of each query."""
    known, asked = (torch.nn.functional.normalize(torch.from_numpy(x), dim=1) for x in (split.x, split.asked_x))
    return split.items[(asked @ known.T).topk(K, dim=1).indices.numpy()]


def vote(split: Split, near: np.ndarray) -> float:
    """Return the accuracy of the neighbours' vote."""
    names = np.unique(split.items)
    votes = names[np.stack([(near == name).sum(axis=1) for name in names], axis=1).argmax(axis=1)]
    return float((votes == split.asked_items).mean())


def average_precision(split: Split, flagged: tuple[str, ...], rows: np.ndarray) -> float:
    """Return the AP on the queries of a logistic regression fitted on the labels of some rows."""
    model = LogisticRegression(max_iter=2_000).fit(split.x[rows], np.isin(split.items[rows], flagged))
    return float(average_precision_score(np.isin(split.asked_items, flagged), model.decision_function(split.asked_x)))


def measure(split: Split) -> str:
    """Return one table row's figures."""
    near = neighbours(split)
    accuracy, cluster = vote(split, near), float((near[split.asked_items == "notice"] == "notice").mean())
    linear = LogisticRegression(C=0.1, max_iter=1_000).fit(split.x, split.items)
    cells = [f"{accuracy:.3f}", f"{linear.score(split.asked_x, split.asked_items):.3f}"]
    for flagged in (FOOTWEAR, ("notice",)):
        cells.append(f"{average_precision(split, flagged, np.arange(len(split.x))):.4f}")
        draws = [np.random.default_rng(s).choice(len(split.x), FEW, replace=False) for s in range(SEEDS)]
        few = [average_precision(split, flagged, rows) for rows in draws if np.isin(split.items[rows], flagged).any()]
        cells.append(f"{np.mean(few):.4f} ± {np.std(few):.4f}")
    return " | ".join([*cells, f"{cluster:.3f}"])


def load_unseen(source: Path, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return (N, 3, size, size) uint8 images that no encoder was fitted on, and their item names."""
    pixels = gzip.decompress((source / "t10k-images-idx3-ubyte.gz").read_bytes())
    marks = gzip.decompress((source / "t10k-labels-idx1-ubyte.gz").read_bytes())
    tiles = np.frombuffer(pixels, np.uint8, offset=16).reshape(-1, TILE, TILE)[:UNSEEN]
    files = [make_card_bytes(UNSEEN_SEED, number)[0] for number in range(UNSEEN_NOTICES)]
    for tile in tiles:
        buffer = io.BytesIO()
        Image.fromarray(tile).save(buffer, "PNG")
        files.append(buffer.getvalue())
    items = [FASHION_CLASSES[c] for c in np.frombuffer(marks, np.uint8, offset=8)[:UNSEEN]]
    return np.stack([load_square(file, size) for file in files]), np.array(["notice"] * UNSEEN_NOTICES + items)


def main() -> None:
    """Print the tables; with --write, put them into the page between its marks."""
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("--work", type=Path, default=Path("/tmp/msn-demo"))
    ask.add_argument("--unseen", type=Path, default=Path("/usr/share/datasets/fashion-mnist"))
    ask.add_argument("--write", type=Path, help="page to put the tables into")
    ask.add_argument("--encoders", nargs="*", default=sorted(ENCODERS), help="registered names or weights files")
    chosen = ask.parse_args()
    held_out, unseen, speeds = [HEAD], [HEAD], []
    for name in chosen.encoders:
        encoder = load_encoder(name)
        images, items = load_demo(chosen.work / "images", encoder.input_size)
        encoder.encode(images[:256])
        since = time.perf_counter()
        x = encoder.encode(images).astype(np.float64)
        speeds.append(f"`{encoder.name}` {len(images) / (time.perf_counter() - since):,.0f}")
        asked = np.arange(len(x)) % 4 == 0
        splits = [(held_out, Split(x[~asked], items[~asked], x[asked], items[asked]))]
        if (chosen.unseen / "t10k-images-idx3-ubyte.gz").exists():
            new, new_items = load_unseen(chosen.unseen, encoder.input_size)
            new_x = encoder.encode(new).astype(np.float64)
            splits.append((unseen, Split(x[~asked], items[~asked], new_x, new_items)))
        for lines, split in splits:
            for standardised, title in ((True, "standardised"), (False, "one scale")):
                row = measure(split.scaled(standardised=standardised))
                lines.append(f"| {encoder.name} | {title} | {row} |")
                print(lines[-1], flush=True)
    text = "Held out:\n\n" + "\n".join(held_out)
    if len(unseen) > 1:
        text += "\n\nUnseen:\n\n" + "\n".join(unseen)
    text += f"\n\nImages per second, forward pass alone: {', '.join(speeds)}."
    print(text)
    if chosen.write:
        before, rest = chosen.write.read_text(encoding="utf-8").split(START)
        chosen.write.write_text(f"{before}{START}\n\n{text}\n\n{END}{rest.split(END)[1]}", encoding="utf-8")


if __name__ == "__main__":
    main()
