"""Freezes; and of each note of the audit trail, what came of it."""

import sqlalchemy as sa

from fraisier.store.migrations.steps import LONG_TEXT, add_column, create_index, create_table

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table and the column; whatever was noted so far was done."""
    create_table(
        "freezes",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("fraise", sa.String(64), nullable=False),
        sa.Column("environment", sa.String(64), nullable=False),
        sa.Column("reason", LONG_TEXT, nullable=False),
        sa.Column("by", sa.String(255), nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("starts_at", sa.BigInteger, nullable=False),
        sa.Column("ends_at", sa.BigInteger),
        sa.Column("lifted_at", sa.BigInteger),
        sa.Column("lifted_by", sa.String(255)),
        sa.PrimaryKeyConstraint("id", name="pk_freezes"),
    )
    done = sa.Column("result", sa.String(16), nullable=False, server_default="done")
    add_column("audit", done)
    create_index("ix_freezes_lifted_at", "freezes", ["lifted_at"])
    create_index("ix_audit_at", "audit", ["at"])
