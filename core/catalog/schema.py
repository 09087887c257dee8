"""The catalog's tables. Changing one needs a migration in `core/catalog/migrations/versions` and its number as VERSION."""

from typing import Any

import sqlalchemy as sa

from core.arrays import JsonObject
from core.errors import WHAT_TO_DO, DamageError

VERSION = "0008"
IMAGES_VERSION = "images_version"  # the setting that changes with the columns of images that are kept in memory
METADATA = sa.MetaData()


class Record(sa.types.TypeDecorator[JsonObject]):
    """A column of JSON objects; any other value is damage."""

    impl = sa.JSON
    cache_ok = True

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> JsonObject:
        """Return the object.

        Raises:
            DamageError: if the column holds anything else.
        """
        if not isinstance(value, dict):
            raise DamageError(f"A record of the catalog is damaged (it holds {str(value)[:40]!r}); {WHAT_TO_DO}.")
        return value


# Types of the known settings; any other type is damage. Unknown settings may hold anything.
SETTING_TYPES: dict[str, type | tuple[type, ...]] = {
    "name": str,
    "salt": str,
    "guideline": str,
    "encoder": (str, type(None)),
    "inboxes": list,
    IMAGES_VERSION: str,
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
FRAMES = sa.Table(  # animated and multi-page images only
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
    sa.Column("policy", sa.Text, nullable=False, server_default=""),
    sa.Column("scorer", sa.Text, nullable=False, server_default="probe"),
    sa.Column("family", sa.JSON, nullable=False, server_default='[["", "probe"]]'),
    sa.Column("share", sa.Float, nullable=False, server_default="1"),
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
VERSIONS = sa.Table("alembic_version", METADATA, sa.Column("version_num", sa.String(32), primary_key=True))
CHECK_SETS = sa.Table(
    "check_sets",
    METADATA,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("after", sa.Float, nullable=False),
    sa.Column("size", sa.Integer, nullable=False),
    sa.Column("recall", sa.Float, nullable=False),
    sa.Column("confidence", sa.Float, nullable=False),
    sa.Column("live", sa.Boolean, nullable=False),
    sa.Column("started_by", sa.Text, nullable=False),
    sa.Column("started_at", sa.Text, nullable=False),
)
POINTS_IN_FORCE = sa.Table(
    "points_in_force",
    METADATA,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("analyst", sa.Text, nullable=False),
    sa.Column("at", sa.Text, nullable=False),
)
FOCUS_DRAWS = sa.Table(
    "focus_draws",
    METADATA,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("check_set", sa.Integer, nullable=False),
    sa.Column("after", sa.Float, nullable=False),
    sa.Column("until", sa.Float, nullable=False),
    sa.Column("probe", sa.Integer, nullable=False),
    sa.Column("encoder", sa.Text, nullable=False),
    sa.Column("n_asked", sa.Integer, nullable=False),
    sa.Column("n_frame", sa.Integer, nullable=False),
    sa.Column("rows", sa.JSON, nullable=False),
    sa.Column("analyst", sa.Text, nullable=False),
    sa.Column("at", sa.Text, nullable=False),
)
SOURCES = sa.Table(
    "sources",
    METADATA,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("path", sa.Text, nullable=False, unique=True),
)
COPY_SEARCHES = sa.Table(
    "copy_searches",
    METADATA,
    sa.Column("encoder", sa.Text, primary_key=True),
    sa.Column("n_rows", sa.Integer, nullable=False),
)
GONE_CLASSES = sa.Table(
    "gone_classes",
    METADATA,
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("name", sa.Text, nullable=False, unique=True),
    sa.Column("colour", sa.Text, nullable=False),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("flagged", sa.Boolean, nullable=False),
)
POLICIES = sa.Table(
    "policies",
    METADATA,
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("name", sa.Text, nullable=False, unique=True),
    sa.Column("classes", sa.JSON, nullable=False),
    sa.Column("recall", sa.Float, nullable=False),
)
CLUSTERINGS = sa.Table(
    "clusterings",
    METADATA,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("projection", sa.Integer, nullable=False),
    sa.Column("file", sa.Text, nullable=False),
    sa.Column("record", Record, nullable=False),
)
NOTICE_SEARCHES = sa.Table(
    "notice_searches",
    METADATA,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("record", Record, nullable=False),
)
ANALYSTS = sa.Table(
    "analysts",
    METADATA,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("guide_dismissed", sa.Boolean, nullable=False),
    sa.Column("clear_budget", sa.Integer),
    sa.Column("break_minutes", sa.Integer),
)
SCORE_COLUMNS = sa.Table(
    "score_columns",
    METADATA,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("higher_is_safer", sa.Boolean, nullable=False),
    sa.Column("n_scored", sa.Integer, nullable=False),
    sa.Column("version", sa.Text, nullable=False),
    sa.Column("file", sa.Text, nullable=False),
    sa.Column("at", sa.Text, nullable=False),
    sa.Column("scores", sa.LargeBinary, nullable=False),
)
ADDITIONS = sa.Table(  # rows are given in the order of ingest, so a time holds from its first row to the next one's
    "additions",
    METADATA,
    sa.Column("first_row", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("at", sa.Text, nullable=False),
)
REMOVED = sa.Table(
    "removed",
    METADATA,
    sa.Column("row", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("at", sa.Text, nullable=False),
    sa.Column("analyst", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("class_name", sa.Text),
    sa.Column("rank", sa.Integer, nullable=False),
    sa.Column("erased", sa.Boolean, nullable=False),
)
NAMED_VIEWS = sa.Table(
    "named_views",
    METADATA,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("query", sa.Text, nullable=False),
    sa.Column("analyst", sa.Text, nullable=False),
    sa.Column("at", sa.Text, nullable=False),
)
JOBS = sa.Table(
    "jobs",
    METADATA,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("arguments", Record, nullable=False),
    sa.Column("analyst", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False, index=True),
    sa.Column("starts", sa.Integer, nullable=False),
    sa.Column("created_at", sa.Text, nullable=False),
    sa.Column("started_at", sa.Text),
    sa.Column("ended_at", sa.Text),
    sa.Column("stage", sa.Text, nullable=False),
    sa.Column("done", sa.Integer, nullable=False),
    sa.Column("total", sa.Integer, nullable=False),
    sa.Column("rate", sa.Float),
    sa.Column("message", sa.Text, nullable=False),
    sa.Column("result", Record, nullable=False),
)
REVIEW_DRAWS = sa.Table(  # images drawn at random while a point is in force; `since` tells its times in force apart
    "review_draws",
    METADATA,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("point", sa.Text, nullable=False),
    sa.Column("since", sa.Text, nullable=False),
    sa.Column("side", sa.Text, nullable=False),
    sa.Column("row", sa.Integer, nullable=False),
    sa.Column("at", sa.Text, nullable=False),
    sa.UniqueConstraint("point", "since", "row"),
)
