"""Keep policies, and with each opening what it is about: its policy and scorer, and their share of the set's error."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Create the table of policies; earlier openings are about all flagged classes and the probe, alone in their sets."""
    op.create_table(
        "policies",
        sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("name", sa.Text, nullable=False, unique=True),
        sa.Column("classes", sa.JSON, nullable=False),
        sa.Column("recall", sa.Float, nullable=False),
        if_not_exists=True,
    )
    there = {column["name"] for column in sa.inspect(op.get_bind()).get_columns("reveals")}  # if its version was lost
    for column in (
        sa.Column("policy", sa.Text, nullable=False, server_default=""),
        sa.Column("scorer", sa.Text, nullable=False, server_default="probe"),
        sa.Column("family", sa.JSON, nullable=False, server_default='[["", "probe"]]'),
        sa.Column("share", sa.Float, nullable=False, server_default="1"),
    ):
        if column.name not in there:
            op.add_column("reveals", column)
