"""Fit the pixel baseline that ships in assets/: 64 principal components of the demo images at 32 px, without labels.

python -m benchmarks.fit_pixels --work /tmp/msn-demo
"""

import argparse
from pathlib import Path

import torch

from benchmarks.shipped import ROOT, commit
from benchmarks.train_demo import load_demo
from core.encoders.vit import Architecture, WeightsFormat, normalise, save_tensors

DIM = 64


def main() -> None:
    """Fit and save."""
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("--work", type=Path, default=Path("/tmp/msn-demo"))
    ask.add_argument("--out", type=Path, default=ROOT / "assets" / "pixels-pca.safetensors")
    chosen = ask.parse_args()
    shape = Architecture(dim=DIM, heads=1, depth=1)
    images, _ = load_demo(chosen.work / "images", shape.input_size)
    x = normalise(torch.from_numpy(images).float() / 255, shape).flatten(1)
    mean = x.mean(dim=0)
    values, vectors = torch.linalg.eigh(torch.cov((x - mean).T).double())
    components = vectors[:, -DIM:].flip(1).T
    components *= components.gather(1, components.abs().argmax(dim=1, keepdim=True)).sign()  # eigh's signs are arbitrary
    about = {
        "format": str(WeightsFormat.PIXELS),
        "method": f"PCA of pixels, {float(values[-DIM:].sum() / values.sum()):.1%} of the variance",
        "architecture": shape.to_json(),
        "data": "8,000 Fashion-MNIST images (Zalando SE, MIT) and 421 rendered notices, without labels",
        "licence": "Apache-2.0",
        "commit": commit(),
    }
    save_tensors({"mean": mean.half(), "components": components.half()}, chosen.out, about)
    print(f"{chosen.out}: {about['method']}")


if __name__ == "__main__":
    main()
