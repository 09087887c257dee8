"""Fit the weights of `core.images.dark_text`: python -m benchmarks.fit_text --photos FOLDER.

Prints results on held-out images.

Fitted on rendered notices (this machine's typefaces, every second one), the demo's cards, dark screenshots with words, and on
photos, dark photos, drawings, lights, logos, blank grounds, pages, captions and garments, at 28, 64 and 128 px. Held out: the
other typefaces, other photos, other cards. No photo is kept, only the weights.
"""

import argparse
import io
import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from safetensors.numpy import save_file
from sklearn.neural_network import MLPClassifier

from benchmarks.notice_images import NEGATIVES, fonts, notice
from core.demo.cards import render_card
from core.demo.datasets import fashion_tiles
from core.images.dark_text import WEIGHTS, TextNet, grey_square, text_features
from core.images.decode import thumbnail_webp

SIZES = (28, 64, 128)
HIDDEN = 48


def thumbnail(image: Image.Image, size: int) -> np.ndarray:
    """Return the picture's thumbnail as in a workspace, for an original `size` px wide."""
    small = image.copy()
    small.thumbnail((size, size), Image.Resampling.LANCZOS)
    with Image.open(io.BytesIO(thumbnail_webp(small))) as opened:
        return grey_square(opened)


def pictures(photos: Sequence[Path], n: int, size: int, *, held_out: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (thumbnails, whether each is text on dark, kind) of n rounds of every kind."""
    rng, faces = random.Random(f"text/{held_out}/{size}"), fonts(held_out=held_out)
    tiles = np.asarray(fashion_tiles()[0]).reshape(-1, 28, 28)
    made: list[tuple[str, Image.Image]] = []

    def photo() -> Image.Image:
        return Image.open(rng.choice(photos)).convert("RGB")

    for number in range(n):
        made += [(name, make(rng, photo(), rng.choice(faces))) for name, make in NEGATIVES.items()]
        made += [("notice", notice(rng, photo(), rng.choice(faces))) for _ in range(3)]
        made += [("card", render_card(98 + held_out, 7 * number + one)) for one in range(2)]
        made.append(("garment", Image.fromarray(tiles[rng.randrange(len(tiles))]).convert("RGB")))
    kinds = np.array([name for name, _ in made])
    on_dark = np.isin(kinds, ["notice", "card", "dark screenshot"])
    return np.stack([thumbnail(image, size) for _, image in made]), on_dark, kinds


def main() -> None:
    """Fit, write `assets/text-on-dark.safetensors`, print precision and recall."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=480)
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    asked = parser.parse_args()
    files = sorted(asked.photos.rglob("*.jpg"))
    random.Random(0).shuffle(files)
    half = len(files) // 2
    fitting = [pictures(files[:half], asked.rounds, size, held_out=False) for size in SIZES]
    x, y = text_features(np.concatenate([f[0] for f in fitting])), np.concatenate([f[1] for f in fitting])
    mean, scale = x.mean(axis=0), x.std(axis=0)
    net = MLPClassifier((HIDDEN,), alpha=1e-2, max_iter=600, random_state=0).fit(((x - mean) / scale).clip(-4, 4), y)
    weights = {
        "mean": mean,
        "scale": scale,
        "w1": net.coefs_[0],
        "b1": net.intercepts_[0],
        "w2": net.coefs_[1][:, 0],
        "b2": net.intercepts_[1],
    }
    weights = {name: np.ascontiguousarray(value, np.float32) for name, value in weights.items()}
    save_file(weights, asked.out)
    judge = TextNet(**weights)
    print("| px | precision | recall | taken for text on dark |\n| --- | --- | --- | --- |")
    for size in SIZES:
        images, truth, kinds = pictures(files[half:], asked.rounds // 2, size, held_out=True)
        found = judge(images) >= 0.5
        wrong = ", ".join(
            f"{kind} {found[kinds == kind].mean():.0%}" for kind in np.unique(kinds[~truth]) if found[kinds == kind].any()
        )
        print(f"| {size} | {truth[found].mean():.3f} | {found[truth].mean():.3f} | {wrong} |")


if __name__ == "__main__":
    main()
