"""What was told to whom: the relay's progress, and the deliveries of webhooks, both ways."""

import sqlalchemy as sa
from alembic import op

from fraisier.store.migrations.steps import LONG_TEXT, create_index, create_table

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the tables; the story of what is under way will be told from its beginning."""
    _relay()
    _incoming()
    _outgoing()
    _indexes()
    op.execute(
        "INSERT INTO untold (stream_id, kind) SELECT id, 'deployment' FROM deployments "
        "WHERE completed_at IS NULL AND id NOT IN (SELECT stream_id FROM untold)"
    )


def _relay() -> None:
    create_table(
        "untold",
        sa.Column("stream_id", sa.String(40), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.PrimaryKeyConstraint("stream_id", name="pk_untold"),
    )
    create_table(
        "relays",
        sa.Column("sink", sa.String(80), nullable=False),
        sa.Column("worker_id", sa.String(40)),
        sa.Column("seen_at", sa.BigInteger, nullable=False),
        sa.Column("state", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("sink", name="pk_relays"),
    )
    create_table(
        "relay_progress",
        sa.Column("sink", sa.String(80), nullable=False),
        sa.Column("stream_id", sa.String(40), nullable=False),
        sa.Column("sequence", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("sink", "stream_id", name="pk_relay_progress"),
    )


def _incoming() -> None:
    create_table(
        "incoming_deliveries",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("provider", sa.String(16), nullable=False),
        sa.Column("delivery_id", sa.String(255), nullable=False),
        sa.Column("body_digest", sa.String(64), nullable=False),
        sa.Column("received_at", sa.BigInteger, nullable=False),
        sa.Column("event", sa.String(255), nullable=False),
        sa.Column("repository", sa.String(255), nullable=False),
        sa.Column("ref", sa.String(255), nullable=False),
        sa.Column("status", sa.String(32), nullable=False),
        sa.Column("reason", LONG_TEXT, nullable=False),
        sa.Column("push", sa.JSON, nullable=False),
        sa.Column("deployments", sa.JSON, nullable=False),
        sa.Column("trace_id", sa.String(40), nullable=False),
        sa.UniqueConstraint(
            "provider", "delivery_id", name="uq_incoming_deliveries_provider_delivery_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_incoming_deliveries"),
    )


def _outgoing() -> None:
    create_table(
        "endpoints",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("failing_since", sa.BigInteger),
        sa.Column("disabled_at", sa.BigInteger),
        sa.Column("disabled_reason", LONG_TEXT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_endpoints"),
    )
    create_table(
        "outgoing_deliveries",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("endpoint", sa.String(64), nullable=False),
        sa.Column("event_id", sa.String(40), nullable=False),
        sa.Column("event_type", sa.String(64), nullable=False),
        sa.Column("stream_id", sa.String(40), nullable=False),
        sa.Column("body", LONG_TEXT, nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("next_at", sa.BigInteger),
        sa.Column("ended_at", sa.BigInteger),
        sa.UniqueConstraint(
            "endpoint", "event_id", name="uq_outgoing_deliveries_endpoint_event_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_outgoing_deliveries"),
    )
    create_table(
        "delivery_attempts",
        sa.Column("delivery_id", sa.String(40), nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("seconds", sa.Float, nullable=False),
        sa.Column("status_code", sa.Integer),
        sa.Column("problem", LONG_TEXT, nullable=False),
        sa.PrimaryKeyConstraint("delivery_id", "number", name="pk_delivery_attempts"),
        sa.ForeignKeyConstraint(
            ["delivery_id"], ["outgoing_deliveries.id"], name="fk_delivery_attempts_delivery_id"
        ),
    )


def _indexes() -> None:
    create_index("ix_relay_progress_stream", "relay_progress", ["stream_id"])
    create_index("ix_incoming_deliveries_received_at", "incoming_deliveries", ["received_at"])
    create_index("ix_incoming_deliveries_status", "incoming_deliveries", ["status"])
    create_index(
        "ix_outgoing_deliveries_next_at", "outgoing_deliveries", ["endpoint", "status", "next_at"]
    )
    create_index("ix_outgoing_deliveries_created_at", "outgoing_deliveries", ["created_at"])
