"""Shared by the trainings of shipped weights: a resumable run whose log of accuracy never affects the training."""

import csv
import shutil
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from core.devices import bf16_pays
from core.encoders.vit import normalise
from core.training.loop import MsnConfig, StepMetrics, train
from core.training.msn import Msn

ROOT = Path(__file__).resolve().parent.parent
COLUMNS = ("step", "epoch", "loss", "learning_rate", "ema", "prototypes_used", "spread", "images_per_second", "knn")


def knn_accuracy(x: torch.Tensor, items: np.ndarray, *, k: int = 20) -> float:
    """Return the accuracy of a k-nearest-neighbour vote (cosine): every fourth image is a query, the others vote."""
    classes = torch.from_numpy(np.unique(items, return_inverse=True)[1])
    x = torch.nn.functional.normalize(x - x.mean(dim=0), dim=1)
    asked = torch.arange(len(x)) % 4 == 0
    near = (x[asked] @ x[~asked].T).topk(k, dim=1).indices
    votes = torch.nn.functional.one_hot(classes[~asked][near]).sum(dim=1)
    return float((votes.argmax(dim=1) == classes[asked]).float().mean())


@torch.inference_mode()
def embed(model: Msn, images: torch.Tensor) -> torch.Tensor:
    """Return (N, dim) float32 embeddings by the EMA backbone."""
    vit = model.target_backbone.vit.eval()
    device = next(vit.parameters()).device
    with torch.autocast(device.type, dtype=torch.bfloat16, enabled=bf16_pays(device)):
        blocks = [vit(normalise(b.to(device).float() / 255, model.config.architecture)) for b in images.split(256)]
    vit.train()
    return torch.cat(blocks).float().cpu()


def commit() -> str:
    """Name the checkout's commit."""
    done = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else "before the first commit"


def run(
    pixels: torch.Tensor,
    items: np.ndarray,
    config: MsnConfig,
    *,
    work: Path,
    out: Path,
    log: Path,
    about: Mapping[str, str],
    watched: torch.Tensor | None = None,
    start: Mapping[str, torch.Tensor] | None = None,
    checkpoint_epochs: int = 1,
    device: str = "auto",
) -> None:
    """Train, or resume a run that was stopped, and finally copy weights and log to their places.

    Args:
        pixels: (N, 3, S, S) uint8, the training images.
        items: (M,) item names of the watched images, for the log only.
        config: the run.
        work: folder of the run's state.
        out, log: where weights and log are published.
        about: metadata of the weights.
        watched: (M, 3, S, S) uint8 images whose kNN accuracy is logged, `pixels` if None.
        start: weights to begin with (`core.training.loop.train`).
        checkpoint_epochs: epochs between two checkpoints and log lines.
        device: as for `core.training.loop.train`.
    """
    print(f"{len(pixels):,} images, {config.epochs} epochs", flush=True)
    running = work / "log.csv"
    fresh = not (work / "state.safetensors").exists()
    with running.open("w" if fresh else "a", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        if fresh:
            writer.writerow(COLUMNS)
        last: list[StepMetrics] = []

        def line(model: Msn, step: int) -> None:
            if not last:
                return
            m, knn = last[-1], knn_accuracy(embed(model, pixels if watched is None else watched), items)
            writer.writerow([
                m.step, m.epoch, f"{m.loss:.4f}", f"{m.learning_rate:.2e}", f"{m.ema:.5f}", m.prototypes_used,
                f"{m.spread:.3f}", f"{m.images_per_second:.0f}", f"{knn:.4f}",
            ])  # fmt: skip
            file.flush()
            print(f"{time.strftime('%H:%M:%S')} {m} knn={knn:.4f}", flush=True)

        result = train(
            pixels, config, out=work / "weights.safetensors", state=work / "state.safetensors", resume=True, start=start,
            about=dict(about) | {"commit": commit()}, device=device, checkpoint_epochs=checkpoint_epochs, on_step=last.append,
            on_checkpoint=line,
        )  # fmt: skip
    if result.finished:
        for source, target in ((result.weights, out), (running, log)):
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
        print(f"{result.steps} steps; weights in {out}", flush=True)
