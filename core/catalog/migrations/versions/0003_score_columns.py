"""Add the scores that other models gave the images."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "score_columns",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("higher_is_safer", sa.Boolean, nullable=False),
        sa.Column("n_scored", sa.Integer, nullable=False),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("file", sa.Text, nullable=False),
        sa.Column("at", sa.Text, nullable=False),
        sa.Column("scores", sa.LargeBinary, nullable=False),
        if_not_exists=True,
    )
