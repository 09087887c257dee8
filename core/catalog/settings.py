"""A workspace's settings: single JSON values by key."""

from typing import Any

import sqlalchemy as sa

from core.catalog.database import Database
from core.catalog.rows import replace
from core.catalog.schema import SETTING_TYPES, SETTINGS
from core.errors import WHAT_TO_DO, DamageError


class Settings:
    """A workspace's settings: single JSON values by key. Each method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, key: str, default: Any = None) -> Any:
        """Return a stored setting, or `default`.

        Raises:
            DamageError: if it has the wrong type.
        """
        with self._database.reading() as connection:
            found = connection.execute(sa.select(SETTINGS.c.value).where(SETTINGS.c.key == key)).first()
        if found is None:
            return default
        if not isinstance(found[0], SETTING_TYPES.get(key, object)):
            raise DamageError(f"{self._database.where} is damaged (the setting '{key}' is {found[0]!r}); {WHAT_TO_DO}.")
        return found[0]

    def set(self, key: str, value: Any) -> None:
        """Store a JSON value under `key`."""
        with self._database.writing() as connection:
            replace(connection, SETTINGS, [{"key": key, "value": value}])
