"""Generate a workspace of N images without files: clustered embeddings, a map, shared thumbnails.

python -m benchmarks.generate FOLDER --images 5000000 [--encoder msn-small-64]

With an encoder the made-up embeddings pass for its own, so that images can be added.

Images do not go through `Images.add_batch`: it commits each batch of an ingest by itself, and with millions of random ids every
commit rewrites most of the index. Everything else is written by the product's own functions.
"""

import argparse
import contextlib
import io
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from core.arrays import FloatArray, IntArray
from core.catalog.creation import catalog_file
from core.catalog.models import ProjectionRecord
from core.embeddings.matrix import write_part
from core.encoders.encoder import load_encoder
from core.map.layout import N_NEIGHBOURS, exact_neighbours
from core.maths.halves import check_order, in_check_half
from core.maths.neighbours import unit_rows
from core.store.files import atomic_path
from core.workspace import Workspace

N_CLUSTERS = 200
N_EXPLICIT = 10  # clusters whose gold label is "explicit"
N_PICTURES = 256
BATCH = 100_000  # rows bound at a time
SALT = "benchmark"
CACHE_KB = 2_000_000  # ids are random, so their index is filled in memory
ADD_IMAGES = """
    INSERT INTO images (row, id, path, width, height, n_bytes, format, hash, "group", is_check, check_order)
    VALUES (?1, ?2, printf('/none/%09d.png', ?1), 64, 64, 500, 'PNG', ?2 || ?2, ?2, ?3, ?4)"""
ADD_PATHS = "INSERT INTO paths (path, image_id, n_bytes, mtime_ns) SELECT path, id, n_bytes, 0 FROM images ORDER BY row"
ADD_GOLD = 'INSERT INTO gold (row, "column", value) VALUES (?, ?, ?)'
ADD_THUMBNAILS = """
    INSERT INTO pictures.thumbnails (id, webp)
    SELECT id, webp FROM images JOIN temp.shared ON number = row % (SELECT count(*) FROM temp.shared) ORDER BY id"""


def generate(folder: Path, *, n_images: int, dim: int = 384, seed: int = 0, encoder: str | None = None) -> None:
    """Write the workspace; a random cluster determines each image's gold label, embedding and place on the map.

    Args:
        dim: of the embeddings, unless an encoder is named.
        encoder: as `embed` takes it; whose embeddings the made-up ones pass for.
    """
    name, record = "generated", {"architecture": "none"}
    if encoder is not None:
        loaded = load_encoder(encoder)
        name, dim, record = loaded.name, loaded.dim, {**loaded.describe(), "source": encoder}
    rng = np.random.default_rng(seed)
    cluster = rng.integers(N_CLUSTERS, size=n_images)
    pictures = [_picture(rng) for _ in range(N_PICTURES)]
    Workspace.create(folder, name=f"generated {n_images:,}", salt=SALT).close()
    with _quick_connection(folder) as connection, _without_indexes(connection):
        for start in range(0, n_images, BATCH):
            _add_images(connection, start, cluster[start : start + BATCH], rng)
        connection.execute(ADD_PATHS)
        connection.execute("CREATE TEMP TABLE shared (number INTEGER PRIMARY KEY, webp BLOB)")
        connection.executemany("INSERT INTO temp.shared VALUES (?, ?)", enumerate(pictures))
        connection.execute(ADD_THUMBNAILS)
    with Workspace(folder) as space:
        space.catalog.images.renew_version()
        space.catalog.models.add_encoder(name, dim, record)
        _embed(space, cluster, name, dim, rng)
        _project(space, cluster, name, rng, with_neighbours=encoder is not None)
        space.catalog.settings.set("encoder", name)
    with Workspace(folder):  # keeps a snapshot of the columns, as the first opening after an ingest does
        pass


@contextlib.contextmanager
def _quick_connection(folder: Path) -> Iterator[sqlite3.Connection]:
    """Open both databases of a new workspace without journals: if this fails, the folder is thrown away."""
    with contextlib.closing(sqlite3.connect(catalog_file(folder), isolation_level=None)) as connection:
        connection.execute("ATTACH ? AS pictures", (str(folder / "thumbnails.sqlite"),))
        for database in ("main", "pictures"):
            connection.execute(f"PRAGMA {database}.journal_mode=OFF")
            connection.execute(f"PRAGMA {database}.synchronous=OFF")
            connection.execute(f"PRAGMA {database}.cache_size=-{CACHE_KB}")
        connection.execute("BEGIN")
        yield connection
        connection.execute("COMMIT")


@contextlib.contextmanager
def _without_indexes(connection: sqlite3.Connection) -> Iterator[None]:
    """Drop the indexes of the tables to fill, and build them again at the end: sorted, in a tenth of the time."""
    query = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql NOT NULL AND tbl_name IN ('images', 'paths')"
    indexes = connection.execute(query).fetchall()
    for name, _ in indexes:
        connection.execute(f'DROP INDEX "{name}"')
    yield
    for _, sql in indexes:
        connection.execute(sql)


def _add_images(connection: sqlite3.Connection, start: int, cluster: IntArray, rng: np.random.Generator) -> None:
    n = len(cluster)
    ids = np.frombuffer(rng.bytes(16 * n).hex().encode(), "S32").astype("U32").tolist()
    rows = range(start, start + n)
    check = in_check_half(ids, salt=SALT).tolist()
    connection.executemany(ADD_IMAGES, zip(rows, ids, check, check_order(ids, salt=SALT).tolist(), strict=True))
    gold = np.where(cluster < N_EXPLICIT, "explicit", "neutral").tolist()
    connection.executemany(ADD_GOLD, zip(rows, ["label"] * n, gold, strict=True))


def _embed(space: Workspace, cluster: IntArray, encoder: str, dim: int, rng: np.random.Generator) -> None:
    from core.encoders.parts import PART_ROWS  # imports timm, which tests of this module need not wait for

    centres = rng.standard_normal((N_CLUSTERS, dim), np.float32)
    for position, start in enumerate(range(0, len(cluster), PART_ROWS)):
        mine = cluster[start : start + PART_ROWS]
        x = rng.standard_normal((len(mine), dim), np.float32)
        x += centres[mine]
        file = write_part(space.folder / "embeddings" / encoder, position, x)
        relative = str(file.relative_to(space.folder))
        space.catalog.models.add_part(encoder, position, start, start + len(mine), relative)


def _project(space: Workspace, cluster: IntArray, encoder: str, rng: np.random.Generator, *, with_neighbours: bool) -> None:
    places = rng.uniform(-20, 20, size=(N_CLUSTERS, 2)).astype(np.float32)
    xy: FloatArray = rng.standard_normal((len(cluster), 2), np.float32)
    xy *= np.float32(0.6)
    xy += places[cluster]
    record: ProjectionRecord = {"trustworthiness": None}
    _save(space, "projection/generated.npy", xy)
    if with_neighbours:
        record["neighbours"] = "projection/generated-neighbours.npy"
        space.choose_encoder(encoder)
        _save(space, record["neighbours"], _neighbours(space, cluster))
    space.catalog.models.add_projection(encoder, len(cluster), "projection/generated.npy", record)


def _neighbours(space: Workspace, cluster: IntArray) -> IntArray:
    """Return each image's nearest ones, which are of its cluster, (N, N_NEIGHBOURS); -1 where a cluster has too few."""
    found = np.full((len(cluster), N_NEIGHBOURS), -1, np.int32)
    for number in range(N_CLUSTERS):
        rows = np.flatnonzero(cluster == number)
        if len(rows) > 1:
            unit = unit_rows(torch.from_numpy(space.current.need_matrix().take(rows)))
            near = exact_neighbours(unit, min(N_NEIGHBOURS, len(rows) - 1)).rows
            found[rows, : near.shape[1]] = rows[near]
    return found


def _save(space: Workspace, name: str, array: FloatArray | IntArray) -> None:
    with atomic_path(space.folder / name) as aside, aside.open("wb") as file:
        np.save(file, array)


def _picture(rng: np.random.Generator) -> bytes:
    small = rng.integers(0, 255, size=(4, 4, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(small).resize((64, 64), Image.Resampling.BICUBIC).save(buffer, "WEBP", quality=60)
    return buffer.getvalue()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", type=int, default=1_000_000)
    parser.add_argument("--encoder")
    options = parser.parse_args()
    generate(options.folder, n_images=options.images, encoder=options.encoder)
