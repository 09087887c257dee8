"""The catalog's tables. A change of one needs a new SCHEMA_VERSION and a migration in core/catalog/catalog.py."""

from typing import Any

import sqlalchemy as sa

from core.errors import WHAT_TO_DO, DamageError

SCHEMA_VERSION = 1
METADATA = sa.MetaData()


class Record(sa.types.TypeDecorator[dict[str, Any]]):
    """A JSON object; what is none was damaged."""

    impl = sa.JSON
    cache_ok = True

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> dict[str, Any]:
        """Return the object."""
        if not isinstance(value, dict):
            raise DamageError(f"A record of the catalog is damaged (it holds {str(value)[:40]!r}); {WHAT_TO_DO}.")
        return value


# What a setting holds; one that holds something else was damaged. Others may hold anything.
SETTING_TYPES: dict[str, type | tuple[type, ...]] = {
    "schema": int,
    "name": str,
    "salt": str,
    "guideline": str,
    "encoder": (str, type(None)),
    "check_set": dict,
    "sources": list,
    "copies": dict,
    "clusters": dict,
    "notices": dict,
    "guide_dismissed_by": list,
    "limits": dict,
}

SETTINGS = sa.Table("settings", METADATA, sa.Column("key", sa.Text, primary_key=True), sa.Column("value", sa.JSON))
IMAGES = sa.Table(
    "images",
    METADATA,
    sa.Column("row", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("id", sa.Text, nullable=False, unique=True),
    sa.Column("path", sa.Text, nullable=False),
    sa.Column("width", sa.Integer, nullable=False),
    sa.Column("height", sa.Integer, nullable=False),
    sa.Column("n_bytes", sa.Integer, nullable=False),
    sa.Column("format", sa.Text, nullable=False),
    sa.Column("hash", sa.Text, nullable=False),
    sa.Column("group", sa.Text, nullable=False, index=True),
    sa.Column("is_check", sa.Boolean, nullable=False),
    sa.Column("check_order", sa.Float, nullable=False),
)
PATHS = sa.Table(
    "paths",
    METADATA,
    sa.Column("path", sa.Text, primary_key=True),
    sa.Column("image_id", sa.Text, nullable=False, index=True),
    sa.Column("n_bytes", sa.Integer, nullable=False),
    sa.Column("mtime_ns", sa.BigInteger, nullable=False),
)
REJECTED = sa.Table(
    "rejected",
    METADATA,
    sa.Column("path", sa.Text, primary_key=True),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("n_bytes", sa.Integer, nullable=False),
    sa.Column("mtime_ns", sa.BigInteger, nullable=False),
)
GOLD = sa.Table(
    "gold",
    METADATA,
    sa.Column("row", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("column", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)
FRAMES = sa.Table(  # of moving and many-page images; others have no line here
    "frames",
    METADATA,
    sa.Column("row", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("frames", sa.Integer, nullable=False),
    sa.Column("shown", sa.Integer, nullable=False),
    sa.Column("all_seen", sa.Boolean, nullable=False),
)
CLASSES = sa.Table(
    "classes",
    METADATA,
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("name", sa.Text, nullable=False, unique=True),
    sa.Column("colour", sa.Text, nullable=False),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("flagged", sa.Boolean, nullable=False),
)
ACTIONS = sa.Table(
    "actions",
    METADATA,
    sa.Column("seq", sa.Integer, primary_key=True),
    sa.Column("id", sa.Text, nullable=False, unique=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("class_name", sa.Text),
    sa.Column("analyst", sa.Text, nullable=False),
    sa.Column("at", sa.Text, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("criterion", sa.JSON),
    sa.Column("guideline", sa.Text, nullable=False),
    sa.Column("target", sa.Integer),
)
ACTION_IMAGES = sa.Table(
    "action_images",
    METADATA,
    sa.Column("action", sa.Integer, sa.ForeignKey("actions.seq"), primary_key=True),
    sa.Column("row", sa.Integer, primary_key=True, index=True),
)
ENCODERS = sa.Table(
    "encoders",
    METADATA,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("dim", sa.Integer, nullable=False),
    sa.Column("record", Record, nullable=False),
    sa.Column("at", sa.Text, nullable=False),
)
PARTS = sa.Table(
    "parts",
    METADATA,
    sa.Column("encoder", sa.Text, primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("start", sa.Integer, nullable=False),
    sa.Column("stop", sa.Integer, nullable=False),
    sa.Column("file", sa.Text, nullable=False),
)
PROJECTIONS = sa.Table(
    "projections",
    METADATA,
    sa.Column("version", sa.Integer, primary_key=True),
    sa.Column("encoder", sa.Text, nullable=False),
    sa.Column("n_rows", sa.Integer, nullable=False),
    sa.Column("file", sa.Text, nullable=False),
    sa.Column("record", Record, nullable=False),
    sa.Column("at", sa.Text, nullable=False),
)
REVEALS = sa.Table(
    "reveals",
    METADATA,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("check_set", sa.Integer, nullable=False),
    sa.Column("look", sa.Integer, nullable=False),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("probe", sa.Integer, sa.ForeignKey("probes.version"), nullable=False),
    sa.Column("analyst", sa.Text, nullable=False),
    sa.Column("at", sa.Text, nullable=False),
    sa.Column("record", Record, nullable=False),
    sa.UniqueConstraint("check_set", "key"),
)
SECOND_READINGS = sa.Table(
    "second_readings",
    METADATA,
    sa.Column("row", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("class_name", sa.Text, nullable=False),
    sa.Column("analyst", sa.Text, nullable=False),
    sa.Column("at", sa.Text, nullable=False),
    sa.Column("guideline", sa.Text, nullable=False),
)
OPERATING_POINTS = sa.Table(
    "operating_points",
    METADATA,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("reveal", sa.Integer, sa.ForeignKey("reveals.number"), nullable=False),
    sa.Column("threshold", sa.Float, nullable=False),
    sa.Column("analyst", sa.Text, nullable=False),
    sa.Column("at", sa.Text, nullable=False),
)
PROBES = sa.Table(
    "probes",
    METADATA,
    sa.Column("version", sa.Integer, primary_key=True),
    sa.Column("encoder", sa.Text, nullable=False),
    sa.Column("through_action", sa.Integer, nullable=False),
    sa.Column("record", Record, nullable=False),
    sa.Column("weights", sa.LargeBinary, nullable=False),
    sa.Column("at", sa.Text, nullable=False),
)
TEXT_FIGURES = sa.Table(
    "text_figures",
    METADATA,
    sa.Column("row", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("figure", sa.Float, nullable=False),
)
IMAGE_WORDS = sa.Table(
    "image_words",
    METADATA,
    sa.Column("row", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("words", sa.Text, nullable=False),
    sa.Column("at", sa.Text, nullable=False),
)
EXPOSURES = sa.Table(
    "exposures",
    METADATA,
    sa.Column("analyst", sa.Text, primary_key=True),
    sa.Column("day", sa.Text, primary_key=True),
    sa.Column("level", sa.Text, primary_key=True),
    sa.Column("views", sa.Integer, nullable=False),
    sa.Column("seconds", sa.Float, nullable=False),
)
