"""The tables of version 1; those that an even older catalog lacks are created."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create the missing tables and indexes."""
    op.create_table(
        "settings",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("value", sa.JSON),
        if_not_exists=True,
    )
    op.create_table(
        "images",
        sa.Column("row", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("id", sa.Text, nullable=False, unique=True),
        sa.Column("path", sa.Text, nullable=False),
        sa.Column("width", sa.Integer, nullable=False),
        sa.Column("height", sa.Integer, nullable=False),
        sa.Column("n_bytes", sa.Integer, nullable=False),
        sa.Column("format", sa.Text, nullable=False),
        sa.Column("hash", sa.Text, nullable=False),
        sa.Column("group", sa.Text, nullable=False),
        sa.Column("is_check", sa.Boolean, nullable=False),
        sa.Column("check_order", sa.Float, nullable=False),
        if_not_exists=True,
    )
    op.create_table(
        "paths",
        sa.Column("path", sa.Text, primary_key=True),
        sa.Column("image_id", sa.Text, nullable=False),
        sa.Column("n_bytes", sa.Integer, nullable=False),
        sa.Column("mtime_ns", sa.BigInteger, nullable=False),
        if_not_exists=True,
    )
    op.create_table(
        "rejected",
        sa.Column("path", sa.Text, primary_key=True),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("n_bytes", sa.Integer, nullable=False),
        sa.Column("mtime_ns", sa.BigInteger, nullable=False),
        if_not_exists=True,
    )
    op.create_table(
        "gold",
        sa.Column("row", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("column", sa.Text, primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
        if_not_exists=True,
    )
    op.create_table(
        "frames",
        sa.Column("row", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("frames", sa.Integer, nullable=False),
        sa.Column("shown", sa.Integer, nullable=False),
        sa.Column("all_seen", sa.Boolean, nullable=False),
        if_not_exists=True,
    )
    op.create_table(
        "classes",
        sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("name", sa.Text, nullable=False, unique=True),
        sa.Column("colour", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("flagged", sa.Boolean, nullable=False),
        if_not_exists=True,
    )
    op.create_table(
        "actions",
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
        if_not_exists=True,
    )
    op.create_table(
        "action_images",
        sa.Column("action", sa.Integer, sa.ForeignKey("actions.seq"), primary_key=True),
        sa.Column("row", sa.Integer, primary_key=True),
        if_not_exists=True,
    )
    op.create_table(
        "encoders",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("dim", sa.Integer, nullable=False),
        sa.Column("record", sa.JSON, nullable=False),
        sa.Column("at", sa.Text, nullable=False),
        if_not_exists=True,
    )
    op.create_table(
        "parts",
        sa.Column("encoder", sa.Text, primary_key=True),
        sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("start", sa.Integer, nullable=False),
        sa.Column("stop", sa.Integer, nullable=False),
        sa.Column("file", sa.Text, nullable=False),
        if_not_exists=True,
    )
    op.create_table(
        "projections",
        sa.Column("version", sa.Integer, primary_key=True),
        sa.Column("encoder", sa.Text, nullable=False),
        sa.Column("n_rows", sa.Integer, nullable=False),
        sa.Column("file", sa.Text, nullable=False),
        sa.Column("record", sa.JSON, nullable=False),
        sa.Column("at", sa.Text, nullable=False),
        if_not_exists=True,
    )
    op.create_table(
        "probes",
        sa.Column("version", sa.Integer, primary_key=True),
        sa.Column("encoder", sa.Text, nullable=False),
        sa.Column("through_action", sa.Integer, nullable=False),
        sa.Column("record", sa.JSON, nullable=False),
        sa.Column("weights", sa.LargeBinary, nullable=False),
        sa.Column("at", sa.Text, nullable=False),
        if_not_exists=True,
    )
    op.create_table(
        "reveals",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("check_set", sa.Integer, nullable=False),
        sa.Column("look", sa.Integer, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("probe", sa.Integer, sa.ForeignKey("probes.version"), nullable=False),
        sa.Column("analyst", sa.Text, nullable=False),
        sa.Column("at", sa.Text, nullable=False),
        sa.Column("record", sa.JSON, nullable=False),
        sa.UniqueConstraint("check_set", "key"),
        if_not_exists=True,
    )
    op.create_table(
        "second_readings",
        sa.Column("row", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("class_name", sa.Text, nullable=False),
        sa.Column("analyst", sa.Text, nullable=False),
        sa.Column("at", sa.Text, nullable=False),
        sa.Column("guideline", sa.Text, nullable=False),
        if_not_exists=True,
    )
    op.create_table(
        "operating_points",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("reveal", sa.Integer, sa.ForeignKey("reveals.number"), nullable=False),
        sa.Column("threshold", sa.Float, nullable=False),
        sa.Column("analyst", sa.Text, nullable=False),
        sa.Column("at", sa.Text, nullable=False),
        if_not_exists=True,
    )
    op.create_table(
        "text_figures",
        sa.Column("row", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("figure", sa.Float, nullable=False),
        if_not_exists=True,
    )
    op.create_table(
        "image_words",
        sa.Column("row", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("words", sa.Text, nullable=False),
        sa.Column("at", sa.Text, nullable=False),
        if_not_exists=True,
    )
    op.create_table(
        "exposures",
        sa.Column("analyst", sa.Text, primary_key=True),
        sa.Column("day", sa.Text, primary_key=True),
        sa.Column("level", sa.Text, primary_key=True),
        sa.Column("views", sa.Integer, nullable=False),
        sa.Column("seconds", sa.Float, nullable=False),
        if_not_exists=True,
    )
    op.create_index("ix_images_group", "images", ["group"], if_not_exists=True)
    op.create_index("ix_paths_image_id", "paths", ["image_id"], if_not_exists=True)
    op.create_index("ix_action_images_row", "action_images", ["row"], if_not_exists=True)
