"""Finding copyright notices: python -m benchmarks.notices --photos FOLDER. Precision and recall at 28, 64 and 224 px.

By the figure for text on dark alone, by the words alone, and by both, against photos, dark photos, drawings, lights, logos,
blank grounds, pages, captions, dark screenshots (text on dark, but no notice) and garments. Typefaces, photos and cards are
held out.
"""

import argparse
import random
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.fit_text import thumbnail
from benchmarks.notice_images import NEGATIVES, fonts, notice
from core.demo.cards import render_card
from core.demo.datasets import fashion_tiles
from core.images.dark_text import ON_DARK, text_net
from core.notices.find import says_copyright
from core.notices.ocr import read_words

SIZES = (28, 64, 224)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--each", type=int, default=12)
    asked = parser.parse_args()
    rng, faces = random.Random("notices"), fonts(held_out=True)
    files = sorted(asked.photos.rglob("*.jpg"))
    random.Random(0).shuffle(files)
    held_out = files[len(files) // 2 :]
    tiles = np.asarray(fashion_tiles()[0]).reshape(-1, 28, 28)
    made: list[tuple[str, Image.Image]] = []
    for number in range(asked.each):
        photo = Image.open(rng.choice(held_out)).convert("RGB")
        made += [(name, make(rng, photo, rng.choice(faces))) for name, make in NEGATIVES.items()]
        made.append(("garment", Image.fromarray(tiles[rng.randrange(len(tiles))]).convert("RGB")))
        made += [("notice", notice(rng, photo, rng.choice(faces))) for _ in range(4)]
        made += [("card", render_card(99, 7 * number + one)) for one in range(3)]
    kinds = np.array([kind for kind, _ in made])
    truth = np.isin(kinds, ["notice", "card"])
    print(f"{truth.sum()} notices, {(~truth).sum()} others.\n\n| px | by | precision | recall | taken for a notice |")
    print("| --- | --- | --- | --- | --- |")
    for size in SIZES:
        scaled = []
        for _, image in made:
            small = image.copy()
            small.thumbnail((size, size), Image.Resampling.LANCZOS)
            scaled.append(small)
        dark = text_net()(np.stack([thumbnail(image, 128) for image in scaled])) >= ON_DARK
        said = np.array([says_copyright(read_words(image)) for image in scaled])
        for by, found in (("text on dark", dark), ("words", said), ("both", dark & said)):
            wrong = {kind: (found & (kinds == kind)).sum() for kind in np.unique(kinds[~truth])}
            named = ", ".join(f"{kind} {n} of {asked.each}" for kind, n in wrong.items() if n) or "none"
            precision = f"{truth[found].mean():.3f}" if found.any() else "not defined"
            print(f"| {size} | {by} | {precision} | {found[truth].mean():.3f} | {named} |", flush=True)


if __name__ == "__main__":
    main()
