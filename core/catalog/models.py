"""Encoders, embedding parts, projections and probes."""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from core.catalog.database import Database
from core.catalog.rows import inserted_key, now, plain, read_json_or_none
from core.catalog.schema import CLUSTERINGS, ENCODERS, NOTICE_SEARCHES, PARTS, PROBES, PROJECTIONS
from core.errors import DamageError


class Models:
    """Encoders, embedding parts, projections and probes. Each method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add_encoder(self, name: str, dim: int, record: Mapping[str, Any]) -> None:
        """Remember an encoder (once)."""
        with self._database.writing() as connection:
            if connection.execute(sa.select(ENCODERS.c.name).where(ENCODERS.c.name == name)).first() is None:
                connection.execute(sa.insert(ENCODERS).values(name=name, dim=dim, record=dict(record), at=now()))

    def encoders(self) -> list[dict[str, Any]]:
        """Return what is known of every encoder, oldest first: name, dim, record, at."""
        with self._database.reading() as connection:
            return [dict(found) for found in connection.execute(sa.select(ENCODERS).order_by(ENCODERS.c.at)).mappings()]

    def add_part(self, encoder: str, position: int, start: int, stop: int, file: str) -> None:
        """Commit one embedding part; a part that is not named here does not exist."""
        with self._database.writing() as connection:
            connection.execute(sa.insert(PARTS).values(encoder=encoder, position=position, start=start, stop=stop, file=file))

    def parts(self, encoder: str) -> list[tuple[int, int, str]]:
        """Return (start, stop, file) of an encoder's parts in row order."""
        with self._database.reading() as connection:
            query = sa.select(PARTS.c.start, PARTS.c.stop, PARTS.c.file).where(PARTS.c.encoder == encoder)
            return [(a, b, c) for a, b, c in connection.execute(query.order_by(PARTS.c.position))]

    def add_projection(self, encoder: str, n_rows: int, file: str, record: Mapping[str, Any]) -> int:
        """Commit a projection and return its version."""
        with self._database.writing() as connection:
            values = {"encoder": encoder, "n_rows": n_rows, "file": file, "record": dict(record), "at": now()}
            return inserted_key(connection, sa.insert(PROJECTIONS).values(**values))

    def latest_projection(self, encoder: str) -> dict[str, Any] | None:
        """Return the newest projection of an encoder: version, n_rows, file, record, at."""
        return self._latest(PROJECTIONS, encoder)

    def clusters(self) -> dict[str, Any] | None:
        """Return the clusters that are kept: projection, file, record; None if none are."""
        return self._newest(CLUSTERINGS)

    def set_clusters(self, projection: int, file: str, record: Mapping[str, Any]) -> None:
        """Keep clusters in the place of those before."""
        self._renew(CLUSTERINGS, {"projection": projection, "file": file, "record": dict(record)})

    def notices(self) -> dict[str, Any] | None:
        """Return what the newest search for notices found; None if there was none."""
        found = self._newest(NOTICE_SEARCHES)
        return None if found is None else dict(found["record"])

    def set_notices(self, record: Mapping[str, Any]) -> None:
        """Keep what a search for notices found in the place of what was found before."""
        self._renew(NOTICE_SEARCHES, {"record": dict(record)})

    def _newest(self, table: sa.Table) -> dict[str, Any] | None:
        with self._database.reading() as connection:
            found = connection.execute(sa.select(table).order_by(table.c.number.desc()).limit(1)).mappings().first()
        return dict(found) if found else None

    def _renew(self, table: sa.Table, values: dict[str, Any]) -> None:
        with self._database.writing() as connection:
            connection.execute(sa.delete(table))
            connection.execute(sa.insert(table).values(**values))

    def add_probe(self, encoder: str, through_action: int, record: Mapping[str, Any], weights: bytes) -> int:
        """Commit a probe and return its version."""
        with self._database.writing() as connection:
            values = {"encoder": encoder, "through_action": through_action, "record": dict(record), "weights": weights}
            return inserted_key(connection, sa.insert(PROBES).values(**values, at=now()))

    def latest_probe(self, encoder: str) -> dict[str, Any] | None:
        """Return the newest probe of an encoder: version, through_action, record, weights, at."""
        return self._latest(PROBES, encoder)

    def probe_records(self, encoder: str) -> list[tuple[int, dict[str, Any]]]:
        """Return (version, record) of every probe of an encoder, oldest first; one whose record is damaged is left out."""
        with self._database.reading() as connection:
            query = sa.select(PROBES.c.version, PROBES.c.record).where(PROBES.c.encoder == encoder).order_by(PROBES.c.version)
            found = [(int(version), read_json_or_none(record)) for version, record in plain(connection, query)]
        return [(version, record) for version, record in found if isinstance(record, dict)]

    def probe_record(self, version: int) -> dict[str, Any]:
        """Return the record of a probe."""
        with self._database.reading() as connection:
            return dict(self._of_probe(connection, PROBES.c.record, version))

    def probe_weights(self, version: int) -> bytes:
        """Return the weights of a probe, as `Probe.to_bytes` made them."""
        with self._database.reading() as connection:
            return bytes(self._of_probe(connection, PROBES.c.weights, version))

    def _of_probe(self, connection: sa.Connection, column: sa.Column[Any], version: int) -> Any:
        found = connection.execute(sa.select(column).where(PROBES.c.version == version)).scalar()
        if found is None:
            raise DamageError(
                f"The model {version} is lost: {self._database.where} was damaged; restore a copy to see what it gave."
            )
        return found

    def _latest(self, table: sa.Table, encoder: str) -> dict[str, Any] | None:
        with self._database.reading() as connection:
            query = sa.select(table).where(table.c.encoder == encoder).order_by(table.c.version.desc()).limit(1)
            found = connection.execute(query).mappings().first()
        return dict(found) if found else None
