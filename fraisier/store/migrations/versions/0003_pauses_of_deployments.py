"""A deployment that waits for a person in the middle, and the wish that it goes on."""

import sqlalchemy as sa

from fraisier.store.migrations.steps import add_column

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add when a deployment paused, and who wished when that it goes on."""
    for name in ("paused_at", "resume_requested_at"):
        add_column("deployments", sa.Column(name, sa.BigInteger))
    add_column("deployments", sa.Column("resume_requested_by", sa.String(255)))
