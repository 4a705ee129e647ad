"""The keys of requests that are no deployments, and indexes for lists of many deployments."""

import sqlalchemy as sa

from fraisier.store.migrations.steps import LONG_TEXT, create_index, create_table, drop_index

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

NEWEST = ["created_at", "id"]


def upgrade() -> None:
    """Add the table, and the new indexes before the old ones go."""
    create_table(
        "idempotency_keys",
        sa.Column("token_id", sa.String(40), nullable=False),
        sa.Column("key", sa.String(255), nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("holder", sa.String(40), nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("status", sa.Integer),
        sa.Column("answer", LONG_TEXT),
        sa.Column("location", sa.String(255)),
        sa.UniqueConstraint("holder", name="uq_idempotency_keys_holder"),
        sa.PrimaryKeyConstraint("token_id", "key", name="pk_idempotency_keys"),
    )
    create_index("ix_idempotency_keys_created_at", "idempotency_keys", ["created_at"])
    create_index("ix_deployments_newest", "deployments", NEWEST)
    create_index("ix_deployments_status_newest", "deployments", ["status", *NEWEST])
    create_index("ix_deployments_target_newest", "deployments", ["target_id", *NEWEST])
    create_index(
        "ix_deployments_target_status_newest", "deployments", ["target_id", "status", *NEWEST]
    )
    for name in ("created_at", "status", "target_created"):
        drop_index(f"ix_deployments_{name}", "deployments")
