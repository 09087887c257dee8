"""Made-up embeddings in part files, and how the CPU and a device see them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from core.arrays import FloatArray, IntArray
from core.devices import CPU, to_device, to_host
from core.embeddings.embedded import Embedded
from core.embeddings.matrix import Matrix
from core.embeddings.resident import DeviceMatrix, residents
from core.embeddings.scores import Standardisation, fit_and_score
from core.maths.logistic import Probe
from core.probe.strategies import Pool

DIM = 384
CLUSTERS = 200
SPREAD = 0.7  # of the embeddings in a cluster; the centres' is 1
NOISE = 4.0  # in the rule of the classes, whose own spread is about 20
PART_ROWS = 250_000
N_CLASSES, FLAGGED = 3, (2,)
N_LABELS, N_TAKEN = 1_000, 100  # labelled, and of these given to strategies
FREE_SHARE = 0.5  # of the images may be suggested, as in a workspace: the other half is for checks


class OnDevice(Embedded):
    """Embeddings in pieces on a device, also where that is the CPU, on which the product computes on the mapped files."""

    @property
    def on_device(self) -> DeviceMatrix:
        """Return them; sent there once."""
        return residents(torch.device(self.device)).of(self.need_matrix())


@dataclass(frozen=True)
class World:
    """N embeddings and what is given to the functions, the same for both devices."""

    matrix: Matrix
    codes: IntArray  # (N,) int16 classes by a noisy linear rule

    @cached_property
    def labelled(self) -> IntArray:
        """The labelled rows, ascending: 1,000, fewer in small worlds."""
        return np.linspace(0, self.matrix.rows - 1, min(N_LABELS, self.matrix.rows // 20)).astype(np.int64)

    @cached_property
    def standardisation(self) -> Standardisation:
        """Mean and scale; the CPU's."""
        return self.seen_by(CPU).standardisation

    @cached_property
    def probe_and_score(self) -> tuple[Probe, FloatArray, FloatArray]:
        """A probe of the labelled rows, and the scores and uncertainties by it, (N,) float32 each; the CPU's."""
        probe, scored = fit_and_score(
            self.seen_by(CPU), self.codes, self.labelled, flagged_codes=FLAGGED, n_images=self.matrix.rows
        )
        score, uncertainty = to_host(scored.score, scored.uncertainty)
        return probe, score, uncertainty

    def seen_by(self, device: torch.device, kind: type[Embedded] = Embedded) -> Embedded:
        """Return the embeddings as an encoder's, on a device."""
        return kind(None, self.matrix, None, np.empty((0, 2), np.float32), device=str(device))

    def on_cpu(self) -> "Side":
        """Return the world as the product sees it without a GPU: the CPU twin."""
        return Side(self, CPU, Embedded, name="cpu")

    def on(self, device: torch.device) -> "Side":
        """Return the world in pieces on a device."""
        return Side(self, device, OnDevice, name="cpu, in pieces" if device == CPU else str(device))


class Side:
    """A world on one device: the inputs of the functions, where the functions run."""

    def __init__(self, world: World, device: torch.device, kind: type[Embedded], *, name: str) -> None:
        self.world, self.device, self.name, self.embedded = world, device, name, world.seen_by(device, kind)
        self.as_on_gpu = kind is OnDevice  # computes as on a GPU, also where that is the CPU
        self.probe, *host = world.probe_and_score
        self.score, self.uncertainty = (to_device(array, device) for array in host)
        self.flagged = to_device(np.isin(world.codes, FLAGGED), device)
        free = np.random.default_rng(1).random(world.matrix.rows) < FREE_SHARE
        free[world.labelled] = False
        self.free = to_device(np.flatnonzero(free), device)
        _ = self.embedded.standardisation, self.embedded.norms  # computed once, before anything is timed

    def pool(self) -> Pool:
        """Return the images that may be suggested."""
        return Pool(
            rows=self.free,
            embeddings=lambda rows: self.embedded.standardised(to_host(rows)[0]),
            uncertainty=self.uncertainty,
            score=self.score,
            labelled=to_device(self.world.labelled[: N_TAKEN * len(self.world.labelled) // N_LABELS], self.device),
        )


@contextmanager
def made(n: int, device: torch.device) -> Iterator[World]:
    """Make a world of n embeddings, drawn on the device, in part files that are removed afterwards."""
    with TemporaryDirectory() as folder:
        chance = torch.Generator(device).manual_seed(n)
        centres = torch.randn(CLUSTERS, DIM, generator=chance, device=device)
        rule = torch.randn(DIM, N_CLASSES, generator=chance, device=device)
        files, codes = [], []
        for start in range(0, n, PART_ROWS):
            size = min(PART_ROWS, n - start)
            cluster = torch.randint(CLUSTERS, (size,), generator=chance, device=device)
            x = centres[cluster] + SPREAD * torch.randn(size, DIM, generator=chance, device=device)
            noise = NOISE * torch.randn(size, N_CLASSES, generator=chance, device=device)
            half, code = to_host(x.half(), (x @ rule + noise).argmax(dim=1).to(torch.int16))
            files.append(Path(folder) / f"part-{start}.npy")
            np.save(files[-1], half)
            codes.append(code)
        try:
            yield World(Matrix(files), np.concatenate(codes))
        finally:
            residents(device).clear()
