"""Demo images: a part of Fashion-MNIST (MIT) and rendered notices, shipped; other data sets through torchvision.

Labels in the manifests are gold: read by the study, never by a model. File names do not reveal the class.
"""

import csv
import gzip
import hashlib
import io
import os
import random
import socket
import tarfile
import zipfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from core.arrays import Progress, ignore
from core.assets import ASSETS
from core.demo.cards import make_card_bytes
from core.errors import InputError, UnavailableError
from core.store.files import atomic_path

DEMO_ASSETS = ASSETS / "demo"
MOSAIC, MOSAIC_LABELS = "fashion-mnist.png", "fashion-mnist.csv"
TILE = 28  # px
TILES_A_ROW = 80
PER_CLASS = 800
PACK_SEED = 20_170_825  # of the choice from the 60,000; changing it changes every demo
NOTICE_SHARE = 0.05
FASHION_CLASSES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip
FOOTWEAR = ("Sandal", "Sneaker", "Ankle boot")  # the flagged stand-in of the embedded demo
NETWORK_TIMEOUT = 10.0  # s; without a network the error should come soon

NEUTRAL, NOTICE = "neutral", "copyright"


@dataclass(frozen=True)
class DemoFile:
    """One file of a demo folder before it is written."""

    label: str  # gold
    item: str
    source: int  # tile or data set position, or number of the notice


@dataclass(frozen=True)
class Downloadable:
    """A data set that torchvision can fetch, with a harmless class group standing in for flagged pictures."""

    title: str
    flagged: str  # the stand-in's label
    flagged_items: tuple[str, ...]
    limit: int  # images taken at most
    open: Callable[[Path], tuple[Any, Sequence[str]]]  # folder -> data set of (PIL image, class), class names


# -- the packed Fashion-MNIST --


def pack_fashion_mnist(source: Path, out: Path = DEMO_ASSETS) -> Path:
    """Pack 800 training images of each class into one grey PNG mosaic and a CSV; losslessly and reproducibly.

    Args:
        source: folder with `train-images-idx3-ubyte.gz` and `train-labels-idx1-ubyte.gz`.
        out: folder to write to.
    Returns:
        the mosaic's path.
    Raises:
        InputError: if the two files are not there.
    """
    try:
        raw = gzip.decompress((source / "train-images-idx3-ubyte.gz").read_bytes())
        labels = np.frombuffer(gzip.decompress((source / "train-labels-idx1-ubyte.gz").read_bytes()), np.uint8, offset=8)
    except OSError as error:
        raise InputError(f"{source} has no Fashion-MNIST training set ({error}); give the folder of its .gz files.") from None
    images = np.frombuffer(raw, np.uint8, offset=16).reshape(-1, TILE, TILE)
    rng = random.Random(PACK_SEED)
    chosen = [int(n) for c in range(10) for n in rng.sample(np.flatnonzero(labels == c).tolist(), PER_CLASS)]
    rng.shuffle(chosen)
    tiles = images[chosen].reshape(-1, TILES_A_ROW, TILE, TILE).swapaxes(1, 2)
    mosaic = Image.fromarray(tiles.reshape(-1, TILES_A_ROW * TILE))
    with atomic_path(out / MOSAIC) as aside:
        mosaic.save(aside, "PNG", optimize=True)
    with atomic_path(out / MOSAIC_LABELS) as aside, aside.open("w", newline="", encoding="utf-8") as file:
        lines = csv.writer(file, lineterminator="\n")
        lines.writerow(["tile", "training_image", "item"])
        lines.writerows((tile, n, FASHION_CLASSES[labels[n]]) for tile, n in enumerate(chosen))
    return out / MOSAIC


def fashion_tiles(assets: Path = DEMO_ASSETS) -> tuple[np.ndarray[Any, np.dtype[np.uint8]], list[str]]:
    """Unpack the mosaic.

    Returns:
        (N, 28, 28) uint8 grey images, white on black as Fashion-MNIST has them; N class names.
    Raises:
        InputError: if the assets are missing.
    """
    try:
        with Image.open(assets / MOSAIC) as mosaic:
            pixels = np.asarray(mosaic)
        with (assets / MOSAIC_LABELS).open(encoding="utf-8", newline="") as file:
            items = [line["item"] for line in csv.DictReader(file)]
    except OSError as error:
        raise InputError(f"The demo images are missing ({error}); run from a whole checkout of the repository.") from None
    tiles = pixels.reshape(-1, TILE, TILES_A_ROW, TILE).swapaxes(1, 2).reshape(-1, TILE, TILE)
    return tiles[: len(items)], items


# -- writing a demo folder --


def write_demo_images(folder: Path, *, n_images: int | None = None, seed: int = 0, on_progress: Progress = ignore) -> Path:
    """Write the shipped demo: Fashion-MNIST images and about 5% notices, in random order.

    A folder with its manifest is complete: only lost files are written again.

    Args:
        folder: written to `folder/uploads` and `folder/manifest.csv`.
        n_images: in all, None for all 8,421.
        seed: of the notices and the order.
        on_progress: told (written, total).
    Returns:
        the manifest, a CSV with columns path, label (gold: footwear, copyright, neutral) and item.
    Raises:
        InputError: if more images are asked for than there are, or fewer than 1.
    """
    tiles, items = fashion_tiles()
    n_notices = round(len(tiles) * NOTICE_SHARE / (1 - NOTICE_SHARE))
    if n_images is not None:
        if not 1 <= n_images <= len(tiles) + n_notices:
            raise InputError(f"The demo has 1 to {len(tiles) + n_notices:,} images, got {n_images:,}.")
        n_notices = round(n_images * NOTICE_SHARE)
        items = items[: n_images - n_notices]
    files = [DemoFile("footwear" if i in FOOTWEAR else NEUTRAL, i, n) for n, i in enumerate(items)]
    return _write_folder(folder, files, n_notices, lambda n: _encoded(Image.fromarray(tiles[n]), n), seed, on_progress)


def _encoded(image: Image.Image, number: int) -> tuple[bytes, str]:
    """Return a picture's file and suffix, alternating PNG and JPEG, so that the suffix does not reveal the notices."""
    buffer = io.BytesIO()
    if number % 2:
        image.save(buffer, "JPEG", quality=95)
        return buffer.getvalue(), ".jpg"
    image.save(buffer, "PNG")
    return buffer.getvalue(), ".png"


def _claim(folder: Path, files: list[DemoFile], seed: int) -> None:
    """Record which demo a folder holds, so that its files are not mistaken for another one's.

    Raises:
        InputError: if the folder holds another demo.
    """
    plan = repr([seed, [(f.label, f.item, f.source) for f in files]])
    claim, mine = folder / "demo.txt", hashlib.blake2b(plan.encode(), digest_size=16).hexdigest()
    if claim.exists() and claim.read_text(encoding="utf-8").strip() != mine:
        raise InputError(f"{folder} holds a different selection of demo images; give an empty folder, or remove this one.")
    with atomic_path(claim) as aside:
        aside.write_text(mine + "\n", encoding="utf-8")


def _write_folder(
    folder: Path,
    files: list[DemoFile],
    n_notices: int,
    picture: Callable[[int], tuple[bytes, str]],
    seed: int,
    on_progress: Progress,
) -> Path:
    files = [*files, *(DemoFile(NOTICE, "notice", number) for number in range(n_notices))]
    random.Random(f"demo-order/v1/{seed}").shuffle(files)
    _claim(folder, files, seed)
    uploads = folder / "uploads"
    uploads.mkdir(parents=True, exist_ok=True)
    manifest = folder / "manifest.csv"  # written last: without it the files of a call that was stopped may be cut off
    there = {p.stem: p.name for p in uploads.iterdir() if p.stat().st_size} if manifest.exists() else {}

    def written(number: int, file: DemoFile) -> tuple[str, str, str]:
        stem = f"{number:06d}"
        if (name := there.get(stem)) is None:
            content, suffix = make_card_bytes(seed, file.source) if file.label == NOTICE else picture(file.source)
            name = f"{stem}{suffix}"
            (uploads / name).write_bytes(content)
        return f"uploads/{name}", file.label, file.item

    lines: list[tuple[str, str, str]] = []
    # Drawing, encoding and the disk leave the interpreter to the other threads.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for line in pool.map(written, range(len(files)), files):
            lines.append(line)
            on_progress(len(lines), len(files))
    with atomic_path(manifest) as aside, aside.open("w", newline="", encoding="utf-8") as file_of_all:
        csv.writer(file_of_all, lineterminator="\n").writerows([("path", "label", "item"), *lines])
    return manifest


# -- data sets that torchvision fetches --


def fetch_dataset(
    name: str, folder: Path, *, n_images: int | None = None, seed: int = 0, on_progress: Progress = ignore
) -> Path:
    """Fetch a public data set through torchvision and write it as a demo folder, notices mixed in.

    Args:
        name: a key of `DATASETS`.
        folder: download and demo folder; a second call after an interruption writes the files anew.
        n_images: of the data set, None for its usual number.
        seed: of the choice, the notices and the order.
        on_progress: told (written, total).
    Returns:
        the manifest, as `write_demo_images` writes it.
    Raises:
        InputError: if the name is unknown.
        UnavailableError: if the data set is not here and cannot be fetched.
    """
    if name not in DATASETS:
        raise InputError(f"There is no demo data set '{name}'; choose from {', '.join(sorted(DATASETS))}.")
    chosen = DATASETS[name]
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(NETWORK_TIMEOUT)
    try:
        data, class_names = chosen.open(folder / "download")
    except (OSError, RuntimeError, ImportError, EOFError, tarfile.TarError, zipfile.BadZipFile) as error:
        reason = str(error).splitlines()[0][:160] if str(error) else type(error).__name__
        raise UnavailableError(
            f"{chosen.title} could not be downloaded ({reason}); connect this machine to the network, or use the embedded demo."
        ) from None
    finally:
        socket.setdefaulttimeout(before)
    targets = _targets(data)
    positions = list(range(len(targets)))
    random.Random(f"demo-choice/v1/{seed}").shuffle(positions)
    items = {n: class_names[targets[n]] for n in positions[: n_images or chosen.limit]}
    files = [DemoFile(chosen.flagged if i in chosen.flagged_items else NEUTRAL, i, n) for n, i in items.items()]
    n_notices = round(len(files) * NOTICE_SHARE / (1 - NOTICE_SHARE))
    return _write_folder(folder, files, n_notices, lambda n: _encoded(data[n][0].convert("RGB"), n), seed, on_progress)


def _targets(data: Any) -> list[int]:
    for name in ("targets", "y", "_labels"):  # what CIFAR10, Caltech101 and OxfordIIITPet call them
        if hasattr(data, name):
            return [int(t) for t in getattr(data, name)]
    raise InputError(f"{type(data).__name__} has no list of classes; use another data set.")


def _open_cifar10(folder: Path) -> tuple[Any, Sequence[str]]:
    from torchvision.datasets import CIFAR10

    data = CIFAR10(str(folder), train=True, download=True)
    return data, data.classes


def _open_caltech101(folder: Path) -> tuple[Any, Sequence[str]]:
    from torchvision.datasets import Caltech101

    data = Caltech101(str(folder), download=True)
    return data, data.categories


def _open_pets(folder: Path) -> tuple[Any, Sequence[str]]:
    from torchvision.datasets import OxfordIIITPet

    data = OxfordIIITPet(str(folder), download=True)
    return data, data.classes


DATASETS: dict[str, Downloadable] = {
    "caltech101": Downloadable(
        "Caltech-101",
        "vehicles",
        ("airplanes", "car_side", "ferry", "helicopter", "ketch", "Motorbikes", "schooner"),
        9_000,
        _open_caltech101,
    ),
    "cifar10": Downloadable("CIFAR-10", "vehicles", ("airplane", "automobile", "ship", "truck"), 10_000, _open_cifar10),
    "pets": Downloadable(
        "Oxford-IIIT Pet",
        "cats",
        (
            "Abyssinian", "Bengal", "Birman", "Bombay", "British Shorthair", "Egyptian Mau", "Maine Coon", "Persian",
            "Ragdoll", "Russian Blue", "Siamese", "Sphynx",
        ),
        4_000,
        _open_pets,
    ),
}  # fmt: skip
