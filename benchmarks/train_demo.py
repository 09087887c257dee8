"""Train the weights that ship in assets/: MSN on the demo images and notices; labels are watched, never learned from.

python -m benchmarks.train_demo --minutes 65 --work /tmp/msn-demo

The log (docs/training/msn-demo.csv) has the collapse gauges and, at each checkpoint, the kNN accuracy of the EMA
backbone; nothing in the run depends on that accuracy. Started again with the same folder, it goes on where it stopped.
"""

import argparse
import csv
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch

from core.backbone import Architecture, normalise
from core.demo import write_demo_images
from core.msn import MsnConfig, StepMetrics, train
from core.msn_model import Msn

ROOT = Path(__file__).resolve().parent.parent
COLUMNS = ("step", "epoch", "loss", "learning_rate", "ema", "prototypes_used", "spread", "images_per_second", "knn")


def load_demo(folder: Path, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return (N, 3, size, size) uint8 demo images as the encoder sees them and N item names."""
    from core.images import load_square

    with write_demo_images(folder).open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    return np.stack([load_square(folder / line["path"], size) for line in lines]), np.array([x["item"] for x in lines])


def knn_accuracy(x: torch.Tensor, items: np.ndarray, *, k: int = 20) -> float:
    """Return the accuracy of a k-nearest-neighbour vote (cosine), every fourth image asked, the others asked about."""
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
    blocks = [vit(normalise(b.float() / 255, model.config.architecture)) for b in images.split(256)]
    vit.train()
    return torch.cat(blocks)


def commit() -> str:
    """Name the checkout's commit."""
    done = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else "before the first commit"


def main() -> None:
    """Measure the speed, choose the epochs that fit the time, train, copy weights and log to their places."""
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("--minutes", type=float, default=65)
    ask.add_argument("--epochs", type=int, help="instead of --minutes")
    ask.add_argument("--patch", type=int, default=8)
    ask.add_argument("--threads", type=int, default=1)
    ask.add_argument("--work", type=Path, default=Path("/tmp/msn-demo"))
    ask.add_argument("--out", type=Path, default=ROOT / "assets" / "msn-demo.safetensors")
    ask.add_argument("--log", type=Path, default=ROOT / "docs" / "training" / "msn-demo.csv")
    chosen = ask.parse_args()
    torch.set_num_threads(chosen.threads)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped; start again to go on"))
    shape = Architecture(patch_size=chosen.patch)
    images, items = load_demo(chosen.work / "images", shape.input_size)
    pixels = torch.from_numpy(images)
    plan = chosen.work / "epochs.txt"
    if chosen.epochs:
        plan.write_text(str(chosen.epochs))
    elif not plan.exists():
        seconds = []
        train(
            pixels, MsnConfig(shape, epochs=1), out=chosen.work / "speed.safetensors", log_steps=5,
            on_step=lambda m: seconds.append(1 / m.images_per_second), stop=lambda: len(seconds) == 8,
        )  # fmt: skip
        plan.write_text(str(max(1, int(chosen.minutes * 60 / (float(np.median(seconds)) * len(images))))))
    config = MsnConfig(shape, epochs=int(plan.read_text()))
    print(f"{len(images):,} images, {config.epochs} epochs", flush=True)
    log = chosen.work / "log.csv"
    fresh = not (chosen.work / "state.safetensors").exists()
    with log.open("w" if fresh else "a", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        if fresh:
            writer.writerow(COLUMNS)
        last: list[StepMetrics] = []

        def line(model: Msn, step: int) -> None:
            m, knn = last[-1], knn_accuracy(embed(model, pixels), items)
            writer.writerow([
                m.step, m.epoch, f"{m.loss:.4f}", f"{m.learning_rate:.2e}", f"{m.ema:.5f}", m.prototypes_used,
                f"{m.spread:.3f}", f"{m.images_per_second:.0f}", f"{knn:.4f}",
            ])  # fmt: skip
            file.flush()
            print(f"{time.strftime('%H:%M:%S')} {m} knn={knn:.4f}", flush=True)

        result = train(
            pixels, config, out=chosen.work / "weights.safetensors", state=chosen.work / "state.safetensors",
            resume=True,
            about={
                "data": "8,000 Fashion-MNIST images (Zalando SE, MIT) and 421 rendered notices, without labels",
                "licence": "Apache-2.0",
                "commit": commit(),
            },
            checkpoint_epochs=max(1, config.epochs // 40), on_step=last.append, on_checkpoint=line,
        )  # fmt: skip
    publish = [(result.weights, chosen.out), (log, chosen.log)]
    for source, target in publish:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    print(f"{result.steps} steps; weights in {chosen.out}", flush=True)


if __name__ == "__main__":
    main()
