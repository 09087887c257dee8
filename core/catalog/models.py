"""Encoders, embedding parts, projections, clusters, notices and probes."""

from collections.abc import Mapping
from typing import Any, TypedDict, cast

import sqlalchemy as sa

from core.arrays import JsonObject
from core.catalog.database import Database
from core.catalog.rows import inserted_key, now, plain, read_json_or_none
from core.catalog.schema import CLUSTERINGS, ENCODERS, NOTICE_SEARCHES, PARTS, PROBES, PROJECTIONS
from core.errors import DamageError


class EncoderRecord(TypedDict, total=False):
    """What an encoder says of itself (`Encoder.describe`) and where its weights came from; older ones lack some keys."""

    architecture: str  # for people
    dim: int
    input_size: int  # px
    shape: str  # `Architecture.to_json`; "" if it is not a ViT we can build
    device: str
    dtype: str
    method: str
    data: str
    licence: str
    steps: str
    seed: str
    commit: str
    source: str  # what `load_encoder` was given
    asked_size: int | None  # px, if another input size was asked for


class EncoderRow(TypedDict):
    """One encoder."""

    name: str
    dim: int
    record: EncoderRecord
    at: str  # ISO 8601, UTC


class ProjectionRecord(TypedDict, total=False):
    """How a map was made."""

    seed: int
    engine: str  # as in `core.map.layout.Projection`; older ones have none
    trustworthiness: float | None  # in [0, 1]; None with too few images
    neighbours: str  # file, relative to the workspace
    moved: float  # images on average from the map before, as a share of its radius; none if it was laid out from nothing
    base: int  # version of the layout that images were placed on; none if all were laid out
    laid_out: int  # images of that layout; those from there on were placed


class ProjectionRow(TypedDict):
    """One map."""

    version: int
    encoder: str
    n_rows: int  # images on it
    file: str  # relative to the workspace
    record: ProjectionRecord
    at: str  # ISO 8601, UTC


def layout_version(row: ProjectionRow) -> int:
    """Return the version of the layout that a map shows: its own, or the one on which images were placed."""
    return int(row["record"].get("base", row["version"]))


class ClusterRecord(TypedDict, total=False):
    """Clusters by grain, beside the codes in their file; older ones have no pictures."""

    names: dict[str, list[str]]  # of each code
    next: dict[str, int]  # number for the next new cluster
    pictures: dict[str, list[list[int]]]  # of each code, the rows that stand for it


class ClusteringRow(TypedDict):
    """The newest clusters."""

    number: int
    projection: int  # version of the map they were found on
    file: str  # of codes, relative to the workspace
    record: ClusterRecord


class NoticeRecord(TypedDict):
    """The result of a search for copyright notices, by grain and cluster name."""

    of: str  # file of the clusters
    read: bool  # with OCR
    titles: dict[str, dict[str, str]]
    clusters: dict[str, list[str]]
    unread: dict[str, list[str]]  # those of `clusters` whose pictures are too small to be read
    singles: list[int]  # rows outside of clusters


class ProbeRecord(TypedDict, total=False):
    """What a probe was fitted on; older ones lack some keys."""

    n_labels: int
    classes: list[str]
    flagged: list[str]
    inputs: str  # `core.embeddings.scores.inputs_key`


class ProbeRow(TypedDict):
    """One version of the probe."""

    version: int
    encoder: str
    through_action: int  # newest label action it was fitted with
    record: ProbeRecord
    weights: bytes  # `Probe.to_bytes`
    at: str  # ISO 8601, UTC


class Models:
    """Encoders, embedding parts, projections, clusters, notices and probes. Each method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add_encoder(self, name: str, dim: int, record: Mapping[str, object]) -> None:
        """Add an encoder unless it is known already; `record` as in `EncoderRecord`."""
        with self._database.writing() as connection:
            if connection.execute(sa.select(ENCODERS.c.name).where(ENCODERS.c.name == name)).first() is None:
                connection.execute(sa.insert(ENCODERS).values(name=name, dim=dim, record=dict(record), at=now()))

    def encoders(self) -> list[EncoderRow]:
        """Return all encoders, oldest first."""
        with self._database.reading() as connection:
            query = sa.select(ENCODERS).order_by(ENCODERS.c.at)
            return [cast(EncoderRow, dict(found)) for found in connection.execute(query).mappings()]

    def add_part(self, encoder: str, position: int, start: int, stop: int, file: str) -> None:
        """Commit one embedding part of rows [start, stop) in place of all from its position on; its file counts from then."""
        with self._database.writing() as connection:
            connection.execute(sa.delete(PARTS).where(PARTS.c.encoder == encoder, PARTS.c.position >= position))
            connection.execute(sa.insert(PARTS).values(encoder=encoder, position=position, start=start, stop=stop, file=file))

    def parts(self, encoder: str) -> list[tuple[int, int, str]]:
        """Return (start, stop, file) of an encoder's parts in row order."""
        with self._database.reading() as connection:
            query = sa.select(PARTS.c.start, PARTS.c.stop, PARTS.c.file).where(PARTS.c.encoder == encoder)
            return [(a, b, c) for a, b, c in connection.execute(query.order_by(PARTS.c.position))]

    def add_projection(self, encoder: str, n_rows: int, file: str, record: Mapping[str, object]) -> int:
        """Commit a projection and return its version; `record` as in `ProjectionRecord`."""
        with self._database.writing() as connection:
            values = {"encoder": encoder, "n_rows": n_rows, "file": file, "record": dict(record), "at": now()}
            return inserted_key(connection, sa.insert(PROJECTIONS).values(**values))

    def latest_projection(self, encoder: str) -> ProjectionRow | None:
        """Return the newest projection of an encoder, None if there is none."""
        return cast(ProjectionRow | None, self._latest(PROJECTIONS, encoder))

    def forget_placed(self, encoder: str, before: int) -> list[str]:
        """Forget the maps older than a version that images were placed on, and return their files; layouts stay."""
        with self._database.writing() as connection:
            query = sa.select(PROJECTIONS).where(PROJECTIONS.c.encoder == encoder, PROJECTIONS.c.version < before)
            old = [row for row in connection.execute(query).mappings() if "base" in row["record"]]
            connection.execute(sa.delete(PROJECTIONS).where(PROJECTIONS.c.version.in_([row["version"] for row in old])))
        return [str(row["file"]) for row in old]

    def clusters(self) -> ClusteringRow | None:
        """Return the stored clusters, None if there are none."""
        return cast(ClusteringRow | None, self._newest(CLUSTERINGS))

    def set_clusters(self, projection: int, file: str, record: ClusterRecord) -> None:
        """Store clusters, replacing the previous ones."""
        self._renew(CLUSTERINGS, {"projection": projection, "file": file, "record": dict(record)})

    def notices(self) -> NoticeRecord | None:
        """Return the result of the newest search for notices, None if there was none."""
        found = self._newest(NOTICE_SEARCHES)
        return None if found is None else cast(NoticeRecord, dict(found["record"]))

    def set_notices(self, record: NoticeRecord) -> None:
        """Store the result of a search for notices, replacing the previous one."""
        self._renew(NOTICE_SEARCHES, {"record": dict(record)})

    def _newest(self, table: sa.Table) -> JsonObject | None:
        with self._database.reading() as connection:
            found = connection.execute(sa.select(table).order_by(table.c.number.desc()).limit(1)).mappings().first()
        return dict(found) if found else None

    def _renew(self, table: sa.Table, values: Mapping[str, object]) -> None:
        with self._database.writing() as connection:
            connection.execute(sa.delete(table))
            connection.execute(sa.insert(table).values(**values))

    def add_probe(self, encoder: str, through_action: int, record: Mapping[str, object], weights: bytes) -> int:
        """Commit a probe and return its version; `record` as in `ProbeRecord`."""
        with self._database.writing() as connection:
            values = {"encoder": encoder, "through_action": through_action, "record": dict(record), "weights": weights}
            return inserted_key(connection, sa.insert(PROBES).values(**values, at=now()))

    def latest_probe(self, encoder: str) -> ProbeRow | None:
        """Return the newest probe of an encoder, None if there is none."""
        return cast(ProbeRow | None, self._latest(PROBES, encoder))

    def probe_records(self, encoder: str) -> list[tuple[int, ProbeRecord | None]]:
        """Return (version, record) of every probe of an encoder, oldest first; None for a record that is damaged."""
        with self._database.reading() as connection:
            query = sa.select(PROBES.c.version, PROBES.c.record).where(PROBES.c.encoder == encoder).order_by(PROBES.c.version)
            found = [(int(version), read_json_or_none(record)) for version, record in plain(connection, query)]
        return [(version, cast(ProbeRecord, record) if isinstance(record, dict) else None) for version, record in found]

    def probe_record(self, version: int) -> ProbeRecord:
        """Return the record of a probe.

        Raises:
            DamageError: if it is lost.
        """
        with self._database.reading() as connection:
            return cast(ProbeRecord, dict(self._of_probe(connection, PROBES.c.record, version)))

    def probe_weights(self, version: int) -> bytes:
        """Return the weights of a probe, as written by `Probe.to_bytes`.

        Raises:
            DamageError: if they are lost.
        """
        with self._database.reading() as connection:
            return bytes(self._of_probe(connection, PROBES.c.weights, version))

    def _of_probe(self, connection: sa.Connection, column: sa.Column[Any], version: int) -> Any:
        found = connection.execute(sa.select(column).where(PROBES.c.version == version)).scalar()
        if found is None:
            raise DamageError(
                f"Model {version} is lost because {self._database.where} was damaged; restore a copy to see its results."
            )
        return found

    def _latest(self, table: sa.Table, encoder: str) -> JsonObject | None:
        with self._database.reading() as connection:
            query = sa.select(table).where(table.c.encoder == encoder).order_by(table.c.version.desc()).limit(1)
            found = connection.execute(query).mappings().first()
        return dict(found) if found else None
