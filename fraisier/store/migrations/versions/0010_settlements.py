"""How often workers failed to end what a dead one left, who did last, and when it is due again."""

import sqlalchemy as sa

from fraisier.store.migrations.steps import add_column

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; the time is by the clock of leases."""
    add_column(
        "deployments",
        sa.Column("settle_failures", sa.Integer, nullable=False, server_default="0"),
    )
    add_column("deployments", sa.Column("settle_after", sa.BigInteger))
    add_column("deployments", sa.Column("settle_failed_by", sa.String(40)))
