"""The order of deliveries by number, and the time of each log's last event; neither by a clock."""

import sqlalchemy as sa
from alembic import op

from fraisier.store.migrations.steps import add_column, create_index

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; what is under way gets the time of its last event."""
    add_column("deployments", sa.Column("last_event_at", sa.BigInteger))
    of_live = sa.text(
        "UPDATE deployments SET last_event_at = "
        "(SELECT MAX(at) FROM events WHERE events.deployment_id = deployments.id) "
        "WHERE status IN ('pending', 'in_progress')"
    )
    op.execute(of_live)
    add_column(
        "outgoing_deliveries",
        sa.Column("number", sa.BigInteger, nullable=False, server_default="0"),
    )
    create_index("ix_outgoing_deliveries_number", "outgoing_deliveries", ["endpoint", "number"])
