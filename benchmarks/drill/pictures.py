"""Embed JPEG files, beside the bare forward loop on pixels that are already on the device."""

import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.drill.clock import Floors, seconds
from benchmarks.drill.record import Recorder
from core.catalog.originals import FilePictures
from core.encoders.encoder import Encoder, Vit, embed_originals, load_encoder
from core.encoders.vit import Architecture
from core.images.decode import load_square

SHAPE = (400, 300)  # px of the files
FILES, SMALL_FILES = 4_096, 8
BATCH = 512
ALIKE = 0.05  # bf16 products differ by this much at most, in parts of the embeddings' root mean square
VIT_S16 = Architecture(input_size=224, patch_size=16, dim=384, depth=12, heads=6)


def run(record: Recorder, device: torch.device, *, small: bool, budget: float) -> None:
    """Embed the same files with both encoders."""
    floors = Floors.of(device)
    with tempfile.TemporaryDirectory() as folder:
        paths = write_pictures(Path(folder), SMALL_FILES if small else FILES)
        for encoder in (load_encoder("msn-tiny-64", device=str(device)), vit_s16(device)):
            try:
                _one(record, encoder, paths, device, floors, most=0.5 if small else budget / 8)
            except Exception as error:  # the other encoder is still measured
                record.fail(encoder.name, error)


def vit_s16(device: torch.device) -> Encoder:
    """Return an untrained ViT-S/16 at 224 px: the speed does not depend on the weights."""
    return Encoder("ViT-S/16, untrained", Vit(VIT_S16.build()), VIT_S16, device, {})


def write_pictures(folder: Path, n: int) -> list[Path]:
    """Write n JPEG files of soft random colours, of about the size and detail of a photo's preview."""

    def write(number: int) -> Path:
        rng = np.random.default_rng(number)
        coarse = Image.fromarray(rng.integers(0, 256, (30, 40, 3), dtype=np.uint8)).resize(SHAPE, Image.Resampling.BICUBIC)
        path = folder / f"{number:05d}.jpg"
        coarse.save(path, quality=85)
        return path

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(write, range(n)))


def _one(record: Recorder, encoder: Encoder, paths: list[Path], device: torch.device, floors: Floors, most: float) -> None:
    side = encoder.input_size
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        squares = np.stack(list(pool.map(lambda path: load_square(path, side), paths)))
        decoding = seconds(torch.device("cpu"), lambda: list(pool.map(lambda path: load_square(path, side), paths)), most=most)
    pixels = torch.from_numpy(squares).to(device)

    def from_files() -> list[np.ndarray]:
        return list(embed_originals(FilePictures(paths), encoder, batch_size=BATCH))

    def bare() -> list[np.ndarray]:
        return [encoder.forward(piece) for piece in pixels.split(BATCH)]

    expected, found = np.concatenate(bare()), np.concatenate(from_files())
    apart = float(np.abs(found - expected).max() / np.sqrt(np.square(expected).mean()))
    files, forward = (len(paths) / seconds(device, work, most=most, repeats=5) for work in (from_files, bare))
    figures = {
        "files": len(paths),
        "from files a second": files,
        "bare forward a second": forward,
        "from files of bare": files / forward,
        "decoding alone a second": len(paths) / decoding,
        "bare MFU of the measured rate": forward * operations(encoder) / floors.rate,
    }
    failed = "" if apart <= ALIKE else f"Embeddings from files differ by {apart:.2g} from those of the same pixels."
    record.add(encoder.name, figures, failed)


def operations(encoder: Encoder) -> float:
    """Return the FLOP of one image's forward pass."""
    side = encoder.input_size
    with FlopCounterMode(display=False) as counter:
        encoder.forward(torch.zeros(1, 3, side, side, dtype=torch.uint8))
    return float(counter.get_total_flops())
