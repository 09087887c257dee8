"""Pack photos of many sources for training and for judging, so that no judged picture has a copy in the training.

python -m benchmarks.photo_sets --photos photos72-a.tar --caltech caltech99-128.tar --out FOLDER

FOLDER gets `train.npz` (pixels and sources, no labels), one `.npz` per held-out set (pixels, items, near-duplicate groups), and
`left_out.csv`. Two sources, groceries and hands, are held out whole; of the others with classes a part is. The split depends on
names and pixels only.
"""

import argparse
import csv
import gzip
import hashlib
import io
import re
import tarfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from core.demo.cards import make_card_bytes
from core.demo.datasets import FASHION_CLASSES
from core.images.decode import load_square

SIZE = 64
FASHION = Path("/usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz")  # Debian: dataset-fashion-mnist
N_FASHION, N_NOTICES, NOTICE_SEED = 4_000, 1_000, 64
HELD_OUT = 5  # every fifth photo
BOOKS = ("openstax-books", "openstax-biology")
HELD_SHARE = {"grocery": 1.0, "signdigits": 1.0, "trashnet": 0.5, "openstax-books": 0.25, "openstax-biology": 0.25}
UNSEEN_FASHION, UNSEEN_NOTICES, UNSEEN_SEED = 2_000, 300, 12_345
ALIKE, SAME = 0.98, 0.995  # cosine of thumbnails: near-duplicates stay on one side; copies are left out of the training
THUMB = 16  # px
BURST = 8  # where pictures are numbered as taken, neighbouring numbers of a class often show the same things
SPLIT_IN_BURSTS = ("trashnet",)  # whole bursts are held out
JUDGED_IN_BURSTS = ("grocery",)  # a burst is one near-duplicate group
FLAT = 4.0  # grey levels; a picture with a smaller standard deviation shows nothing
BUSY = 80.0  # grey levels between neighbouring pixels; of the books only the QR codes are above
UNSUITABLE = tuple(  # violence: the dead of a camp and of My Lai, torture, the Klan
    f"openstax-books/{number}.webp" for number in ("01175", "06785", "06997", "18668", "20503")
)


@dataclass(frozen=True)
class Source:
    """The pictures of one source."""

    names: list[str]  # file names in the archive
    items: np.ndarray  # (N,) str, class names; empty where the source has none
    places: list[str]  # where each was found, as the source names it
    pixels: np.ndarray  # (N, 3, SIZE, SIZE) uint8


@dataclass(frozen=True)
class HeldOut:
    """Pictures that no encoder has seen, with their classes."""

    pixels: np.ndarray  # (N, 3, SIZE, SIZE) uint8
    items: np.ndarray  # (N,) str
    groups: np.ndarray  # (N,) int64 in [0, N), near-duplicate groups


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


def read_sources(tar: Path) -> dict[str, Source]:
    """Return the pictures of photos72-a.tar by source, in the order of their names."""
    with tarfile.open(tar) as archive:
        members = {member.name.removeprefix("./"): member for member in archive if member.isfile()}
        table = csv.DictReader(io.TextIOWrapper(archive.extractfile(members["sources.csv"]), encoding="utf-8"))
        rows = sorted(table, key=lambda row: row["file"])
        found = {}
        for name in sorted({row["group"] for row in rows}):
            own = [row for row in rows if row["group"] == name]
            book = name in BOOKS  # their classes are the books, and diagrams
            items = [
                ("diagram" if row["kind"] == "diagram" else row["source_repo"].partition("/")[2])
                if book
                else row["class_folder"]
                for row in own
            ]
            found[name] = Source(
                [row["file"] for row in own],
                np.array(items),
                [row["source_path"] for row in own],
                np.stack([load_square(archive.extractfile(members[row["file"]]).read(), SIZE) for row in own]),
            )
    return found


def thumbs(pixels: np.ndarray) -> torch.Tensor:
    """Return (N, D) float32 unit vectors of thumbnails, each with its own mean removed."""
    small = torch.nn.functional.adaptive_avg_pool2d(torch.from_numpy(pixels).float(), THUMB).flatten(1)
    return torch.nn.functional.normalize(small - small.mean(dim=1, keepdim=True), dim=1)


def connected(n: int, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return (n,) int64: for each picture the first one that the pairs (a, b) connect it to, directly or not."""
    graph = coo_array((np.ones(len(a), bool), (a, b)), shape=(n, n))
    _, first, group = np.unique(connected_components(graph, directed=False)[1], return_index=True, return_inverse=True)
    return first[group]


def alike_groups(pixels: np.ndarray, least: float = ALIKE) -> np.ndarray:
    """Return the (N,) int64 near-duplicate group of each picture, named after its first."""
    x = thumbs(pixels)
    pairs = [
        torch.nonzero(x[start : start + 1_024] @ x.T >= least) + torch.tensor([start, 0]) for start in range(0, len(x), 1_024)
    ]
    return connected(len(x), *torch.cat(pairs).numpy().T)


def bursts(places: list[str]) -> np.ndarray:
    """Return the (N,) int64 group of each picture by folder and number."""
    keys = [f"{Path(place).parent}/{int(re.search(r'[0-9]+$', Path(place).stem)[0]) // BURST}" for place in places]
    return np.unique(keys, return_inverse=True)[1]


def joined(groups: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return the (N,) int64 groups of pictures that are together in either grouping, named after their first."""
    each = np.arange(len(groups))
    firsts = [
        first[code] for _, first, code in (np.unique(g, return_index=True, return_inverse=True) for g in (groups, others))
    ]
    return connected(len(groups), np.concatenate([each, each]), np.concatenate(firsts))


def is_held_out(source: str, name: str) -> bool:
    """Decide by name alone whether a group of pictures is held out, given its first picture's name."""
    share = int.from_bytes(hashlib.blake2b(f"{source}/{name}".encode(), digest_size=4).digest()) / 2**32
    return share < HELD_SHARE.get(source, 0.0)


def flat(pixels: np.ndarray) -> np.ndarray:
    """Return (N,) bool: pictures that show nothing."""
    return pixels.reshape(len(pixels), -1).std(axis=1) < FLAT


def load_held_out(folder: Path) -> dict[str, HeldOut]:
    """Return the held-out sets by name."""
    found = {}
    for file in sorted(folder.glob("held-*.npz")):
        with np.load(file) as content:
            found[file.stem.removeprefix("held-")] = HeldOut(content["pixels"], content["items"], content["groups"])
    return found


def codes(pixels: np.ndarray) -> np.ndarray:
    """Return (N,) bool: QR codes."""
    grey = pixels.mean(axis=1, dtype=np.float32)
    steps = [np.abs(np.diff(grey, axis=axis)).mean(axis=(1, 2)) for axis in (1, 2)]
    return steps[0] + steps[1] > BUSY


def main() -> None:
    """Read everything, split it, and write the folder."""
    ask = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ask.add_argument("--photos", type=Path, required=True)
    ask.add_argument("--caltech", type=Path, required=True)
    ask.add_argument("--fashion", type=Path, default=FASHION.parent, help="folder of Fashion-MNIST's files")
    ask.add_argument("--out", type=Path, required=True)
    chosen = ask.parse_args()
    torch.set_num_threads(1)
    chosen.out.mkdir(parents=True, exist_ok=True)
    parts: list[tuple[str, np.ndarray]] = []
    left_out: list[tuple[str, str]] = []
    held: dict[str, list[tuple[np.ndarray, np.ndarray, np.ndarray]]] = {}
    for name, source in read_sources(chosen.photos).items():
        groups = alike_groups(source.pixels)
        units = joined(groups, bursts(source.places)) if name in SPLIT_IN_BURSTS else groups
        if name in JUDGED_IN_BURSTS:
            groups = joined(groups, bursts(source.places))
        empty, code = flat(source.pixels), codes(source.pixels) & (name in BOOKS)
        unsuitable = np.isin(source.names, UNSUITABLE)
        out = np.array([is_held_out(name, source.names[unit]) for unit in units], bool)
        copies = alike_groups(source.pixels, SAME) != np.arange(len(out))
        for reason, rows in (
            ("shows nothing", empty), ("a QR code", code), ("violence", unsuitable), ("a copy", copies & ~empty & ~code & ~out)
        ):  # fmt: skip
            left_out += [(source.names[row], reason) for row in np.flatnonzero(rows)]
        kept = ~empty & ~code & ~unsuitable
        parts.append((name, source.pixels[kept & ~out & ~copies]))
        if out.any():
            title = "books" if name in BOOKS else name
            rows = np.flatnonzero(kept & out)
            held.setdefault(title, []).append((source.pixels[rows], source.items[rows], groups[rows]))
    pixels, items = photos(chosen.caltech, SIZE)
    out, groups = np.arange(len(pixels)) % HELD_OUT == 0, alike_groups(pixels)  # msn-tiny-64 was trained on the same ones
    parts.append(("caltech", pixels[~out]))
    rows = np.flatnonzero(out & ~np.isin(groups, groups[~out]))
    held["caltech"] = [(pixels[rows], items[rows], groups[rows])]
    garments, kinds = fashion(UNSEEN_FASHION, SIZE, chosen.fashion / "t10k-images-idx3-ubyte.gz")
    held["fashion"] = [(garments, kinds, np.arange(len(garments)))]
    cards = notices(UNSEEN_NOTICES, SIZE, UNSEEN_SEED)
    held["notices"] = [
        *held["caltech"],
        (cards, np.array(["notice"] * len(cards)), np.arange(len(cards))),
    ]
    parts += [
        ("fashion", fashion(N_FASHION, SIZE, chosen.fashion / FASHION.name)[0]),
        ("notices", notices(N_NOTICES, SIZE, NOTICE_SEED)),
    ]
    names = np.concatenate([np.full(len(part), name) for name, part in parts])
    np.savez(chosen.out / "train.npz", pixels=np.concatenate([part for _, part in parts]), sources=names)
    for name, sets in held.items():
        groups, start = [], 0
        for _, _, group in sets:
            groups.append(group + start)
            start += int(group.max()) + 1
        np.savez(
            chosen.out / f"held-{name}.npz",
            pixels=np.concatenate([s[0] for s in sets]),
            items=np.concatenate([s[1] for s in sets]),
            groups=np.unique(np.concatenate(groups), return_inverse=True)[1],
        )
    with (chosen.out / "left_out.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([("file", "reason"), *left_out])
    for name, part in parts:
        print(f"{name}: {len(part):,} for training")
    for name, sets in held.items():
        group = np.concatenate([s[2] for s in sets])
        print(f"{name}: {len(group):,} held out, largest group {np.bincount(group).max()}")


if __name__ == "__main__":
    main()
