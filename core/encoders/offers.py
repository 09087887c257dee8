"""The encoders that could embed a workspace for the first time, and what each costs on this machine.

The hub is asked only by `public_offer`, which is called while a person chooses.
"""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.catalog.models import EncoderRecord
from core.devices import cores, pick_device
from core.encoders.chosen import encoders
from core.encoders.encoder import BATCH_ROWS, DEFAULT_ENCODER, ENCODERS, Encoder, Vit, load_encoder
from core.encoders.hub import ask_hub, on_this_machine
from core.encoders.public import TORCH_SUFFIXES
from core.encoders.vit import Architecture
from core.errors import AppError
from core.wording import counted
from core.workspace import Workspace

VARIABLE = "LASSOSCOPE_ENCODER"
WEIGHTS_FOLDER = "weights"  # beside the workspace's folder
SUFFIXES = (".safetensors", *TORCH_SUFFIXES)
REPOSITORY = "facebook/vit-msn-small"
PUBLIC = f"hf:{REPOSITORY}"
PUBLIC_SHAPE = Architecture(input_size=224, patch_size=16, dim=384, depth=12, heads=6)
PUBLIC_LICENCE = "Apache-2.0 by its model card; the authors' own repository says CC BY-NC 4.0, not for commercial use"
MEASURE_SECONDS = 1.0  # for each encoder, after as long a start


@dataclass(frozen=True)
class Offer:
    """An encoder that could embed a workspace, or why it could not."""

    encoder: str  # what `embed` takes
    kind: str  # for people: where it comes from
    size: int = 0  # input, px
    dim: int = 0  # of the embeddings
    licence: str = ""
    images_per_second: float = 0.0  # on this machine, without decoding, which runs beside it; 0 if not measured
    download: int = 0  # bytes; 0 if it is on this machine
    trouble: str = ""  # why it cannot be used; "" if it can

    def sentence(self, n_images: int) -> str:
        """Describe it, with its cost for n images."""
        if self.trouble:
            return f"{self.encoder}: {self.trouble}"
        if not self.images_per_second:
            return f"{self.encoder}: {self.kind}"
        rate = f"{self.images_per_second:,.0f}" if self.images_per_second >= 10 else f"{self.images_per_second:.1f}"
        first = f" after a download of {self.download / 1e6:,.0f} MB" if self.download else ""
        return (
            f"{self.encoder}: {self.kind}, {self.size} px, {self.dim}-d; {rate} images/s here, "
            f"{_duration(n_images / self.images_per_second)} for {counted(n_images, 'image')}{first}; licence: {self.licence}"
        )


def default_encoder() -> str:
    """Return what embeds a workspace if nobody chooses: what LASSOSCOPE_ENCODER names, else the shipped weights."""
    return os.environ.get(VARIABLE) or DEFAULT_ENCODER


def is_open(workspace: Workspace) -> bool:
    """Tell whether an encoder is still to be chosen: the workspace has no embeddings, and LASSOSCOPE_ENCODER names none."""
    return not encoders(workspace) and not os.environ.get(VARIABLE)


def weights_beside(workspace: Workspace) -> dict[str, Path]:
    """Return the weights files in the folder `weights` beside the workspace by their names without suffix, sorted.

    Names of the registry are left out: they mean the shipped weights.
    """
    folder = workspace.folder.resolve().parent / WEIGHTS_FOLDER
    files = sorted(file for file in folder.glob("*") if file.suffix in SUFFIXES and file.is_file())
    return {name: file for file in files if (name := file.name.removesuffix(file.suffix).removesuffix(".pth")) not in ENCODERS}


def resolve(workspace: Workspace, encoder: str) -> str:
    """Return the path of the weights file if the name is one of `weights_beside`, else the name itself."""
    return str(weights_beside(workspace).get(encoder, encoder))


def offers_here(workspace: Workspace, *, device: str = "auto") -> Iterator[Offer]:
    """Yield the team's default if there is one, then measure the shipped weights and the files beside the workspace."""
    if team := os.environ.get(VARIABLE):
        yield Offer(team, f"the default that {VARIABLE} names")
    shipped = load_encoder(DEFAULT_ENCODER, device=device)
    yield _measured(DEFAULT_ENCODER, "shipped", shipped)
    for name, file in weights_beside(workspace).items():
        try:
            yield _measured(name, f"in {WEIGHTS_FOLDER}/", load_encoder(str(file), device=device))
        except (AppError, OSError) as error:  # one that cannot be read stands in the way of no other
            yield Offer(name, f"in {WEIGHTS_FOLDER}/", trouble=str(error))


def public_offer(*, device: str = "auto") -> Offer:
    """Ask the hub for the public weights unless they are on this machine, and measure an untrained network of their size.

    Raises:
        UnavailableError: if they are not here and the hub does not have them or does not answer.
    """
    download = 0 if on_this_machine(REPOSITORY) else ask_hub(REPOSITORY)
    twin = Encoder("twin", Vit(PUBLIC_SHAPE.build()), PUBLIC_SHAPE, pick_device(device), {"licence": PUBLIC_LICENCE})
    return _measured(PUBLIC, "public", twin, download=download)


def images_per_second(encoder: Encoder, *, seconds: float) -> float:
    """Measure how many images an encoder embeds in a second, for about as long as asked for, after one batch to warm up."""
    n = min(encoder.rows_at_once * cores(), BATCH_ROWS) if encoder.on_cpu else encoder.rows_at_once
    batch = np.random.default_rng(0).integers(0, 256, (n, 3, encoder.input_size, encoder.input_size), np.uint8)
    encoder.encode(batch)
    start, done = time.perf_counter(), 0
    while not done or time.perf_counter() - start < seconds:
        encoder.encode(batch)
        done += n
    return done / (time.perf_counter() - start)


def _measured(name: str, kind: str, encoder: Encoder, *, download: int = 0) -> Offer:
    record: EncoderRecord = encoder.describe()
    return Offer(
        encoder=name,
        kind=kind,
        size=encoder.input_size,
        dim=encoder.dim,
        licence=record.get("licence", "unknown"),
        images_per_second=images_per_second(encoder, seconds=MEASURE_SECONDS),
        download=download,
    )


def _duration(seconds: float) -> str:
    if seconds < 60:
        return "less than a minute"
    minutes = round(seconds / 60)
    return f"about {counted(minutes, 'minute')}" if minutes < 120 else f"about {round(minutes / 60):,} hours"
