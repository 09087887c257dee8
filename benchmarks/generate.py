"""Generate a workspace of N images without files: clustered embeddings, a map, repeated thumbnails.

python benchmarks/generate.py FOLDER --images 1000000
"""

import argparse
import hashlib
import io
from pathlib import Path

import numpy as np
from PIL import Image

from core.catalog.records import ImageRecord, PathRecord
from core.embeddings.matrix import write_part
from core.encoders.embed import PART_ROWS
from core.store.files import atomic_path
from core.store.thumbnails import ThumbnailStore
from core.workspace import Workspace

N_CLUSTERS = 200
N_PICTURES = 256
BATCH = 50_000


def generate(folder: Path, *, n_images: int, dim: int = 384, seed: int = 0) -> None:
    """Write the workspace; images are numbered, and the cluster determines gold label, embedding and place on the map."""
    rng = np.random.default_rng(seed)
    cluster = rng.integers(N_CLUSTERS, size=n_images)
    pictures = [_picture(rng) for _ in range(N_PICTURES)]
    ids = [hashlib.blake2b(str(i).encode(), digest_size=16).hexdigest() for i in range(n_images)]
    with Workspace.create(folder, name=f"generated {n_images:,}", salt="benchmark") as space:
        store = ThumbnailStore(folder / "thumbnails.sqlite")
        for start in range(0, n_images, BATCH):
            rows = range(start, min(start + BATCH, n_images))
            store.put_many([(ids[i], pictures[i % N_PICTURES]) for i in rows])
            gold = ["explicit" if cluster[i] < N_CLUSTERS // 20 else "neutral" for i in rows]
            space.catalog.images.add_batch(
                [
                    ImageRecord(ids[i], f"/none/{i}.png", 64, 64, 500, "PNG", "0", ids[i], {"label": g})
                    for i, g in zip(rows, gold, strict=True)
                ],
                [PathRecord(f"/none/{i}.png", ids[i], 500, 0) for i in rows],
                [],
            )
        store.close()
        centres = rng.normal(size=(N_CLUSTERS, dim))
        space.catalog.models.add_encoder("generated", dim, {"architecture": "none"})
        for position, start in enumerate(range(0, n_images, PART_ROWS)):
            stop = min(start + PART_ROWS, n_images)
            x = (centres[cluster[start:stop]] + rng.normal(size=(stop - start, dim))).astype(np.float32)
            file = write_part(folder / "embeddings/generated", position, x)
            space.catalog.models.add_part("generated", position, start, stop, str(file.relative_to(folder)))
        places = rng.uniform(-20, 20, size=(N_CLUSTERS, 2))
        xy = (places[cluster] + rng.normal(size=(n_images, 2)) * 0.6).astype(np.float32)
        with atomic_path(folder / "projection/generated.npy") as aside, aside.open("wb") as file_:
            np.save(file_, xy)
        space.catalog.models.add_projection("generated", n_images, "projection/generated.npy", {"trustworthiness": None})
        space.catalog.settings.set("encoder", "generated")


def _picture(rng: np.random.Generator) -> bytes:
    small = rng.integers(0, 255, size=(8, 8, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(small).resize((64, 64), Image.Resampling.BICUBIC).save(buffer, "WEBP")
    return buffer.getvalue()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", type=int, default=1_000_000)
    options = parser.parse_args()
    generate(options.folder, n_images=options.images)
