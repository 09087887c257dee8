"""Give each entity that was stored as JSON in the settings its own table."""

import sqlalchemy as sa
from alembic import op

from core.catalog.migrations.entities import move_entities

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Create the tables and move the entities out of the settings."""
    op.create_table(
        "check_sets",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("after", sa.Float, nullable=False),
        sa.Column("size", sa.Integer, nullable=False),
        sa.Column("recall", sa.Float, nullable=False),
        sa.Column("confidence", sa.Float, nullable=False),
        sa.Column("live", sa.Boolean, nullable=False),
        sa.Column("started_by", sa.Text, nullable=False),
        sa.Column("started_at", sa.Text, nullable=False),
        if_not_exists=True,
    )
    op.create_table(
        "points_in_force",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("analyst", sa.Text, nullable=False),
        sa.Column("at", sa.Text, nullable=False),
        if_not_exists=True,
    )
    op.create_table(
        "focus_draws",
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
        if_not_exists=True,
    )
    op.create_table(
        "sources",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("path", sa.Text, nullable=False, unique=True),
        if_not_exists=True,
    )
    op.create_table(
        "copy_searches",
        sa.Column("encoder", sa.Text, primary_key=True),
        sa.Column("n_rows", sa.Integer, nullable=False),
        if_not_exists=True,
    )
    op.create_table(
        "gone_classes",
        sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("name", sa.Text, nullable=False, unique=True),
        sa.Column("colour", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("flagged", sa.Boolean, nullable=False),
        if_not_exists=True,
    )
    op.create_table(
        "clusterings",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("projection", sa.Integer, nullable=False),
        sa.Column("file", sa.Text, nullable=False),
        sa.Column("record", sa.JSON, nullable=False),
        if_not_exists=True,
    )
    op.create_table(
        "notice_searches",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("record", sa.JSON, nullable=False),
        if_not_exists=True,
    )
    op.create_table(
        "analysts",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("guide_dismissed", sa.Boolean, nullable=False),
        sa.Column("clear_budget", sa.Integer),
        sa.Column("break_minutes", sa.Integer),
        if_not_exists=True,
    )
    move_entities(op.get_bind())
