"""Clusters of a workspace's map: find them, keep them, say what is in each. Each verb takes the workspace."""

import secrets
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from core.arrays import BoolArray, FloatArray, IntArray
from core.catalog.label_book import UNLABELLED
from core.embeddings.embedded import Embedded
from core.errors import InputError
from core.images.dark_text import ON_DARK
from core.map.density import GRAINS, NOISE, Clustering, find_clusters, named_clusters
from core.map.outlines import Outline, outline
from core.maths.representatives import medoids
from core.store.files import atomic_path, read_array
from core.workspace import Workspace

PICTURES = 6  # of each cluster, in its strip
DRAWN = 2_000  # members that the pictures are chosen from


@dataclass(frozen=True)
class ClusterSummary:
    """One line of the table."""

    name: str
    size: int
    pictures: IntArray  # (<= PICTURES,) rows that stand for it
    centre: tuple[float, float]  # median of its places on the map
    labelled: float  # share
    labels: dict[str, int]  # class name -> images, the most frequent first
    score: float  # mean logit of flagged; NaN without a probe
    uncertainty: float  # mean in [0, 1]; NaN without a probe
    near_duplicates: float  # share of images that have a twin in the workspace
    text: float  # share that is text on dark; NaN where none was looked at
    disagreement: float  # share of the labelled ones that the probe takes for another class; NaN where there are none
    outline: Outline  # on the map


def cluster(workspace: Workspace) -> dict[str, Clustering]:
    """Find the clusters of the current map at every grain, and keep them; names go on from the run before.

    Raises:
        InputError: if there is no map.
    """
    embedded = workspace.current
    if embedded.projection is None:
        raise InputError("There is no map to find clusters on; run 'lassoscope embed' and 'lassoscope project' first.")
    found = {}
    for grain in GRAINS:
        named = named_clusters(grain, find_clusters(embedded.xy, grain), clustering(workspace, grain, any_map=True))
        found[grain] = replace(named, pictures=tuple(_pictures(embedded, named.rows(name)) for name in named.names))
    if workspace.current is not embedded:
        raise InputError("Another encoder was chosen while clusters were found on its map; find them again.")
    file = workspace.folder / "clusters" / f"{secrets.token_hex(6)}.npy"
    with atomic_path(file) as aside, aside.open("wb") as opened:
        np.save(opened, np.stack([found[grain].codes for grain in GRAINS]), allow_pickle=False)
    record = {
        "names": {grain: list(c.names) for grain, c in found.items()},
        "next": {grain: c.next_number for grain, c in found.items()},
        "pictures": {grain: [rows.tolist() for rows in c.pictures] for grain, c in found.items()},
    }
    before = kept_record(workspace)
    workspace.catalog.models.set_clusters(embedded.projection["version"], str(file.relative_to(workspace.folder)), record)
    if before is not None:
        (workspace.folder / before["file"]).unlink(missing_ok=True)
    return found


def clustering(workspace: Workspace, grain: str, *, any_map: bool = False) -> Clustering | None:
    """Return the clusters that were kept; None if there are none of the current map.

    Args:
        any_map: also of an older map.
    Raises:
        InputError: if the grain is unknown.
    """
    if grain not in GRAINS:
        raise InputError(f"There is no grain '{grain}'; choose {', '.join(GRAINS)}.")
    record, map_ = kept_record(workspace), workspace.projection
    if record is None:
        return None
    is_current = map_ is not None and map_["version"] == record["projection"]
    if not any_map and not (is_current and "pictures" in record):  # not kept by older versions: to be found again
        return None
    kept = read_array(workspace.folder / record["file"], shape=(len(GRAINS), None), kind="i")
    if kept is None or kept.shape[1] > workspace.n_images:  # lost: to be found again; no new one gets the name of an old one
        nothing = np.full(workspace.n_images, NOISE, np.int32)
        return Clustering(grain, nothing, (), record["next"][grain]) if any_map else None
    known = kept[list(GRAINS).index(grain)]
    codes = np.full(workspace.n_images, NOISE, np.int32)
    codes[: len(known)] = known
    pictures = tuple(np.array(rows, np.int64) for rows in record.get("pictures", {}).get(grain, ()))
    return Clustering(grain, codes, tuple(record["names"][grain]), record["next"][grain], pictures)


def kept_record(workspace: Workspace) -> dict[str, Any] | None:
    """Return what is kept of the newest clusters beside their file; None if nothing is, or it is damaged."""
    kept = workspace.catalog.models.clusters()
    if kept is None or not {"names", "next"} <= kept["record"].keys():
        return None
    record = {**kept["record"], "file": kept["file"], "projection": kept["projection"]}
    return record if all(set(GRAINS) <= set(record[key]) for key in ("names", "next")) else None


def summaries(workspace: Workspace, found: Clustering) -> list[ClusterSummary]:
    """Say what is in each cluster, the largest first."""
    members = np.argsort(found.codes, kind="stable")
    starts = np.searchsorted(found.codes[members], np.arange(len(found.names) + 1))
    twins = np.bincount(workspace.groups, minlength=workspace.n_images)[workspace.groups] > 1
    return [
        _summary(workspace, name, members[start:stop], pictures, twins)
        for name, start, stop, pictures in zip(found.names, starts, starts[1:], found.pictures, strict=False)
    ]


def _summary(workspace: Workspace, name: str, rows: IntArray, pictures: IntArray, twins: BoolArray) -> ClusterSummary:
    codes, fitted = workspace.labels.codes[rows], workspace.fitted
    counts = np.bincount(codes[codes != UNLABELLED], minlength=len(workspace.classes))
    labels = {workspace.class_names[code]: int(counts[code]) for code in np.argsort(-counts, kind="stable") if counts[code]}
    x, y = np.nanmedian(workspace.xy[rows], axis=0).tolist()
    return ClusterSummary(
        name=name,
        size=len(rows),
        pictures=pictures,
        centre=(x, y),
        labelled=float((codes != UNLABELLED).mean()),
        labels=labels,
        score=_mean(fitted.score[rows]) if fitted else np.nan,
        uncertainty=_mean(fitted.uncertainty[rows]) if fitted else np.nan,
        near_duplicates=float(twins[rows].mean()),
        text=text_share(workspace, rows),
        disagreement=_disagreement(codes, fitted.predicted[rows]) if fitted else np.nan,
        outline=outline(name, workspace.xy[rows]),
    )


def _mean(values: FloatArray) -> float:
    return float(np.mean(values)) if np.isfinite(values).all() else float("nan")


def text_share(workspace: Workspace, rows: IntArray) -> float:
    """Return the share of images that are text on dark, NaN where none was looked at."""
    known = workspace.text[rows]
    known = known[~np.isnan(known)]
    return float((known >= ON_DARK).mean()) if len(known) else float("nan")


def _disagreement(codes: IntArray, predicted: IntArray) -> float:
    both = (codes != UNLABELLED) & (predicted != UNLABELLED)
    return float((codes[both] != predicted[both]).mean()) if both.any() else float("nan")


def _pictures(embedded: Embedded, rows: IntArray) -> IntArray:
    """Return the images that stand for these, (<= PICTURES,) rows."""
    rng = np.random.default_rng(0)
    drawn = rows if len(rows) <= DRAWN else np.sort(rng.choice(rows, DRAWN, replace=False))
    drawn = drawn[drawn < embedded.need_matrix().rows]
    return drawn[medoids(embedded.standardisation.apply(embedded.need_matrix().take(drawn)), n=PICTURES, rng=rng)]
