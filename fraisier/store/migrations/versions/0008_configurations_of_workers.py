"""The configuration that a worker works with, by its digest."""

import sqlalchemy as sa

from fraisier.store.migrations.steps import add_column

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add what is null for workers of earlier versions."""
    add_column("workers", sa.Column("configuration", sa.String(64)))
