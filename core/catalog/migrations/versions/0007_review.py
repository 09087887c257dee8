"""Keep the images that are drawn at random in Review."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Create the table; nothing was drawn before."""
    op.create_table(
        "review_draws",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("point", sa.Text, nullable=False),
        sa.Column("since", sa.Text, nullable=False),
        sa.Column("side", sa.Text, nullable=False),
        sa.Column("row", sa.Integer, nullable=False),
        sa.Column("at", sa.Text, nullable=False),
        sa.UniqueConstraint("point", "since", "row"),
        if_not_exists=True,
    )
