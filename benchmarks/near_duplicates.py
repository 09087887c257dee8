"""Find near-duplicates: 200 changed copies, uploaded later, among 5,000 images. Measures how many are found and joined wrongly.

python -m benchmarks.near_duplicates --photos FOLDER [--encoder NAME] [--share 1.0]: photos are taken from the folder, notices
are rendered, garments are the demo's. Prints a Markdown table, also for the hash of ingest alone.
"""

import argparse
import io
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from core.demo.cards import make_card_bytes
from core.demo.datasets import fashion_tiles
from core.encoders.embed import embed
from core.intake.ingest import ingest
from core.workspace import Workspace

PHOTOS, NOTICES, GARMENTS, COPIES = 3_800, 600, 600, 200
CROP = 0.03


def encoded(image: Image.Image, rng: random.Random) -> tuple[bytes, str]:
    """Return a file's bytes and its suffix."""
    buffer, format_ = io.BytesIO(), rng.choice(("JPEG", "WEBP"))
    image.save(buffer, format_, quality=rng.randint(40, 90))
    return buffer.getvalue(), {"JPEG": ".jpg", "WEBP": ".webp"}[format_]


def resized(image: Image.Image, rng: random.Random) -> Image.Image:
    """Scale by a factor from 0.5 to 1.5."""
    by = rng.uniform(0.5, 1.5)
    return image.resize((max(14, round(image.width * by)), max(14, round(image.height * by))), Image.Resampling.BICUBIC)


def cropped(image: Image.Image, rng: random.Random) -> Image.Image:
    """Crop 3%: from every side, from one side, or from each axis in total."""
    kind, a, b = rng.randrange(3), rng.random(), rng.random()
    left, top, right, bottom = {
        0: (CROP, CROP, CROP, CROP),
        1: tuple(CROP * (side == rng.randrange(4)) for side in range(4)),
        2: (CROP * a, CROP * b, CROP * (1 - a), CROP * (1 - b)),
    }[kind]
    w, h = image.size
    return image.crop((round(left * w), round(top * h), w - round(right * w), h - round(bottom * h)))


CHANGES: dict[str, Callable[[Image.Image, random.Random], Image.Image]] = {
    "re-encoded": lambda image, rng: image,
    "resized to .5 to 1.5": resized,
    "cropped by 3%": cropped,
    "cropped and resized": lambda image, rng: resized(cropped(image, rng), rng),
}


def write_originals(photos: Path, folder: Path, rng: random.Random, share: float) -> list[Path]:
    """Write a share of the 5,000 images and return their files."""
    n_photos, n_notices, n_garments = (round(share * n) for n in (PHOTOS, NOTICES, GARMENTS))
    files = sorted(photos.rglob("*.jpg"))
    for number, file in enumerate(rng.sample(files, n_photos)):
        (folder / f"photo-{number:05}.jpg").write_bytes(file.read_bytes())
    for number in range(n_notices):
        content, suffix = make_card_bytes(11, number)
        (folder / f"notice-{number:05}{suffix}").write_bytes(content)
    tiles, _ = fashion_tiles()
    for number in rng.sample(range(len(tiles)), n_garments):
        Image.fromarray(np.asarray(tiles[number]).reshape(28, 28)).save(folder / f"garment-{number:05}.png")
    return sorted(folder.iterdir())


def main() -> None:
    """Run the benchmark and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--encoder", default=None)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--share", type=float, default=1.0, help="of the images and copies, to see that it works")
    asked = parser.parse_args()
    rng, n_copies = random.Random(asked.seed), round(asked.share * COPIES)
    with tempfile.TemporaryDirectory() as scratch:
        first, later = Path(scratch) / "first", Path(scratch) / "later"
        first.mkdir()
        later.mkdir()
        originals = write_originals(asked.photos, first, rng, asked.share)
        with Workspace.create(Path(scratch) / "w", salt="near-duplicates") as space:
            ingest(space, first)
            by_hash = space.n_copies
            began = time.perf_counter()
            embed(space, asked.encoder, device="cpu")
            print(f"{len(originals):,} originals: the hash joins {by_hash}, with embeddings {space.n_copies}", end="; ")
            print(f"embedding and search took {time.perf_counter() - began:.0f} s.")
            before, kinds, sources = space.groups.copy(), [], []
            for number, source in enumerate(rng.sample(originals, n_copies)):
                kind = list(CHANGES)[number % len(CHANGES)]
                content, suffix = encoded(CHANGES[kind](Image.open(source).convert("RGB"), rng), rng)
                (later / f"copy-{number:04}{suffix}").write_bytes(content)
                kinds.append(kind)
                sources.append(source)
            ingest(space, later)
            rows = space.catalog.images.rows_by_name()
            copies = np.array([rows[str(file.resolve())] for file in sorted(later.iterdir())])
            of = np.array([rows[str(source.resolve())] for source in sources])
            hashed = space.groups.copy()
            embed(space, device="cpu")
            whole = all(len(np.unique(space.is_check[space.groups == group])) == 1 for group in np.unique(space.groups))
            found_by_hash, found = hashed[copies] == hashed[of], space.groups[copies] == space.groups[of]
            pairs = zip(copies.tolist(), of.tolist(), strict=True)
            wrong = sum(bool(joined_others(space.groups, before, copy, source, len(originals))) for copy, source in pairs)
            print(f"Copies joined with a picture that was not in the group of their original: {wrong}.")
            print(f"No group is split between the halves: {whole}.")
            print("\n| change | copies | found by the hash | found |\n| --- | --- | --- | --- |")
            for kind in CHANGES:
                mine = np.array([k == kind for k in kinds])
                print(f"| {kind} | {mine.sum()} | {found_by_hash[mine].mean():.3f} | {found[mine].mean():.3f} |")
            print(f"| all | {n_copies} | {found_by_hash.mean():.3f} | {found.mean():.3f} |")
            print(f"\nPrecision {found.sum()} of {found.sum() + wrong} ({found.sum() / (found.sum() + wrong):.3f}).")


def joined_others(groups: np.ndarray, before: np.ndarray, copy: int, source: int, n: int) -> set[int]:
    """Return the originals that a copy was joined with and that were not in a group with its own original."""
    mine = set(np.flatnonzero(groups[:n] == groups[copy]).tolist())
    return mine - set(np.flatnonzero(before == before[source]).tolist())


if __name__ == "__main__":
    main()
