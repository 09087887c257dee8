"""Keep which images were removed."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Create the table; nothing was removed before."""
    op.create_table(
        "removed",
        sa.Column("row", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("at", sa.Text, nullable=False),
        sa.Column("analyst", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("class_name", sa.Text),
        sa.Column("rank", sa.Integer, nullable=False),
        sa.Column("erased", sa.Boolean, nullable=False),
        if_not_exists=True,
    )
