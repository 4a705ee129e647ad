"""What the health checks of deployed services found, what is told of it, and figures by ends."""

import sqlalchemy as sa

from fraisier.store.migrations.steps import LONG_TEXT, create_index, create_table

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the tables, and let what ended in a period be found without reading everything."""
    create_index("ix_deployments_completed_at", "deployments", ["completed_at"])
    _health()
    _checks()
    _events()
    create_index("ix_health_events_at", "health_events", ["at"])


def _health() -> None:
    create_table(
        "target_health",
        sa.Column("target_id", sa.String(40), nullable=False),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("health", sa.String(16), nullable=False),
        sa.Column("reason", LONG_TEXT, nullable=False),
        sa.Column("since", sa.BigInteger, nullable=False),
        sa.Column("seen_at", sa.BigInteger, nullable=False),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("passed", sa.BigInteger, nullable=False),
        sa.Column("failed", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("target_id", "host", name="pk_target_health"),
        sa.ForeignKeyConstraint(["target_id"], ["targets.id"], name="fk_target_health_target_id"),
    )


def _checks() -> None:
    create_table(
        "target_checks",
        sa.Column("target_id", sa.String(40), nullable=False),
        sa.Column("claim", sa.String(40), nullable=False),
        sa.Column("until", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("target_id", name="pk_target_checks"),
        sa.ForeignKeyConstraint(["target_id"], ["targets.id"], name="fk_target_checks_target_id"),
    )


def _events() -> None:
    create_table(
        "health_events",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("type", sa.String(64), nullable=False),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("fraise", sa.String(64), nullable=False),
        sa.Column("environment", sa.String(64), nullable=False),
        sa.Column("provider", sa.String(64), nullable=False),
        sa.Column("region", sa.String(64), nullable=False),
        sa.Column("data", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_health_events"),
    )
