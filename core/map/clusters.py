"""Clusters of a workspace's map: find, store and summarise them. Each verb takes the workspace."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from core.arrays import BoolArray, FloatArray, IntArray
from core.catalog.label_book import UNLABELLED
from core.catalog.models import ClusterRecord, layout_version
from core.embeddings.embedded import Embedded
from core.errors import InputError
from core.images.dark_text import ON_DARK
from core.map.density import GRAINS, NOISE, Clustering, find_clusters, named_clusters
from core.map.outlines import Outline, outline
from core.maths.representatives import medoids
from core.store.files import atomic_path, read_array
from core.workers import Tell, Workers
from core.workspace import Workspace

PICTURES = 6  # shown per cluster
DRAWN = 2_000  # members sampled to choose the pictures from


@dataclass(frozen=True)
class ClusterSummary:
    """What is in one cluster."""

    name: str
    size: int
    pictures: IntArray  # (<= PICTURES,) rows that represent it
    centre: tuple[float, float]  # median of its positions on the map
    labelled: float  # share of its images
    labels: dict[str, int]  # class name -> images, the most frequent first
    score: float  # mean logit of flagged; NaN without a probe
    uncertainty: float  # mean in [0, 1]; NaN without a probe
    near_duplicates: float  # share of its images that have a near-duplicate in the workspace
    text: float  # share of its measured images that are text on dark; NaN if none was measured
    disagreement: float  # share of its labelled images for which the probe predicts another class; NaN if there are none
    outline: Outline  # on the map


@dataclass(frozen=True)
class StoredClusters:
    """The newest clusters as the catalog has them; `clustering` reads one grain of them."""

    projection: int  # version of the map they were found on
    file: str  # of codes, relative to the workspace
    names: dict[str, list[str]]  # by grain, of each code
    next_numbers: dict[str, int]  # by grain, for the next new cluster
    pictures: dict[str, list[list[int]]] | None  # by grain, of each code; None if an older version stored them


def cluster(workspace: Workspace, *, pool: Workers | None = None) -> dict[str, Clustering]:
    """Find the clusters of the current map at every grain and store them; clusters found before keep their names.

    Args:
        pool: processes that do the heavy part; None for this one.
    Raises:
        InputError: if there is no map, or another one was chosen meanwhile.
    """
    workspace.need_writable()
    if workspace.projection is None:
        raise InputError("There is no map to find clusters on; run 'lassoscope embed', then 'lassoscope project'.")
    if pool is None:
        made = _find(workspace)
    else:
        made = pool.submit_telling(find_aside, workspace.folder, workspace.device, on_told=lambda *_: None).result()
    current = workspace.projection
    if workspace.encoder_name != made.encoder or current is None or layout_version(current) != made.layout:
        (workspace.folder / made.file).unlink(missing_ok=True)
        raise InputError("Another map was chosen while the clusters were being found; find them again.")
    before = stored_clusters(workspace)
    workspace.catalog.models.set_clusters(made.layout, made.file, made.record)
    if before is not None:
        (workspace.folder / before.file).unlink(missing_ok=True)
    found = {grain: clustering(workspace, grain) for grain in GRAINS}
    return {grain: known for grain, known in found.items() if known is not None}


@dataclass(frozen=True)
class _Made:
    """Clusters whose file is written, and that no catalog names yet."""

    encoder: str
    layout: int  # `core.catalog.models.layout_version` of their map
    file: str  # relative to the workspace
    record: ClusterRecord


def find_aside(folder: Path, device: str, _tell: Tell) -> _Made:
    """Find the clusters of the workspace in `folder` in a process of its own; the catalog does not change."""
    with Workspace(folder, read_only=True, device=device) as workspace:
        return _find(workspace)


def _find(workspace: Workspace) -> _Made:
    embedded = workspace.current
    assert embedded.projection is not None  # noqa: S101  the caller has looked
    found = {}
    for grain in GRAINS:
        named = named_clusters(grain, find_clusters(embedded.xy, grain), clustering(workspace, grain, any_map=True))
        found[grain] = replace(named, pictures=tuple(_pictures(embedded, named.rows(name)) for name in named.names))
    file = workspace.folder / "clusters" / f"{secrets.token_hex(6)}.npy"
    with atomic_path(file) as aside, aside.open("wb") as opened:
        np.save(opened, np.stack([found[grain].codes for grain in GRAINS]), allow_pickle=False)
    record: ClusterRecord = {
        "names": {grain: list(c.names) for grain, c in found.items()},
        "next": {grain: c.next_number for grain, c in found.items()},
        "pictures": {grain: [rows.tolist() for rows in c.pictures] for grain, c in found.items()},
    }
    return _Made(str(embedded.encoder), layout_version(embedded.projection), str(file.relative_to(workspace.folder)), record)


def clustering(workspace: Workspace, grain: str, *, any_map: bool = False) -> Clustering | None:
    """Return the stored clusters at one grain, None if there are none for the current map.

    Args:
        any_map: accept clusters of an older map, too.
    Raises:
        InputError: if the grain is unknown.
    """
    if grain not in GRAINS:
        raise InputError(f"There is no grain '{grain}'; choose {', '.join(GRAINS)}.")
    stored, map_ = stored_clusters(workspace), workspace.projection
    if stored is None:
        return None
    is_current = map_ is not None and layout_version(map_) == stored.projection
    if not any_map and not (is_current and stored.pictures is not None):
        return None
    known = read_array(workspace.folder / stored.file, shape=(len(GRAINS), None), kind="i")
    if (
        known is None or known.shape[1] > workspace.n_images
    ):  # lost; numbering continues, so that no new cluster gets an old name
        nothing = np.full(workspace.n_images, NOISE, np.int32)
        return Clustering(grain, nothing, (), stored.next_numbers[grain]) if any_map else None
    codes = np.full(workspace.n_images, NOISE, np.int32)
    codes[: known.shape[1]] = known[list(GRAINS).index(grain)]
    codes[workspace.columns.removed_rows] = NOISE
    pictures = tuple(_here(workspace, rows) for rows in (stored.pictures or {}).get(grain, ()))
    return Clustering(grain, codes, tuple(stored.names[grain]), stored.next_numbers[grain], pictures)


def _here(workspace: Workspace, rows: Sequence[int]) -> IntArray:
    """Return those of some rows that were not removed."""
    found = np.array(rows, np.int64)
    return found[~workspace.removed[found]]


def cluster_of(workspace: Workspace, rows: IntArray, *, grain: str = "medium") -> tuple[str, IntArray]:
    """Return the name and the rows of the cluster that most of some images are in.

    Args:
        rows: (K,) rows.
    Raises:
        InputError: if no clusters were found yet, or no image is given, or none of them is in a cluster.
    """
    found = clustering(workspace, grain)
    if found is None:
        raise InputError("This map has no clusters yet; find them in the Clusters tab.")
    if not len(rows):
        raise InputError("Nothing is selected; lasso images or click one on the map first.")
    members = {name: found.rows(name) for name in found.names}
    name = max(members, key=lambda name: int(np.isin(rows, members[name]).sum()), default="")
    if not name or not np.isin(rows, members[name]).any():
        raise InputError("None of these images is in a cluster; grow the selection instead.")
    return name, members[name]


def members(workspace: Workspace, name: str) -> IntArray:
    """Return the rows of a cluster; its name begins with the letter of its grain.

    Raises:
        InputError: if the current map has no such cluster.
    """
    for grain in GRAINS:
        if name[:1] == grain[0].upper() and (found := clustering(workspace, grain)) is not None and name in found.names:
            return found.rows(name)
    raise InputError(f"This map has no cluster '{name}'; choose one in the Clusters tab.")


def stored_clusters(workspace: Workspace) -> StoredClusters | None:
    """Return what the catalog has of the newest clusters; None if there are none, or their record is damaged."""
    row = workspace.catalog.models.clusters()
    record: ClusterRecord = row["record"] if row is not None else {}
    if row is None or not {"names", "next"} <= record.keys():
        return None
    if not (set(GRAINS) <= set(record["names"]) and set(GRAINS) <= set(record["next"])):
        return None
    return StoredClusters(row["projection"], row["file"], record["names"], record["next"], record.get("pictures"))


def summaries(workspace: Workspace, found: Clustering) -> list[ClusterSummary]:
    """Summarise each cluster, largest first."""
    members = np.argsort(found.codes, kind="stable")
    starts = np.searchsorted(found.codes[members], np.arange(len(found.names) + 1))
    twins = np.zeros(workspace.n_images, bool)
    twins[workspace.columns.with_copies] = True
    return [
        _summary(workspace, name, members[start:stop], pictures, twins)
        for name, start, stop, pictures in zip(found.names, starts, starts[1:], found.pictures, strict=False)
        if start < stop  # else all of it was removed
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
    """Return the share of the measured images that are text on dark; NaN if none was measured."""
    known = workspace.text[rows]
    known = known[~np.isnan(known)]
    return float((known >= ON_DARK).mean()) if len(known) else float("nan")


def _disagreement(codes: IntArray, predicted: IntArray) -> float:
    both = (codes != UNLABELLED) & (predicted != UNLABELLED)
    return float((codes[both] != predicted[both]).mean()) if both.any() else float("nan")


def _pictures(embedded: Embedded, rows: IntArray) -> IntArray:
    """Return the images that represent these, (<= PICTURES,) rows."""
    rng = np.random.default_rng(0)
    drawn = rows if len(rows) <= DRAWN else np.sort(rng.choice(rows, DRAWN, replace=False))
    drawn = drawn[drawn < embedded.need_matrix().rows]
    return drawn[embedded.compute(lambda mine: medoids(mine.standardised(drawn), n=PICTURES, rng=rng))]
