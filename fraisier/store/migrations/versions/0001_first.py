"""The first schema: targets, deployments, their hosts, events, placements and tokens."""

import sqlalchemy as sa

from fraisier.store.migrations.steps import LONG_TEXT, create_index, create_table, only_partial

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables of 0.1.0."""
    create_table(
        "installation",
        sa.Column("id", sa.String(40), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_installation"),
    )
    create_table(
        "targets",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("fraise", sa.String(64), nullable=False),
        sa.Column("environment", sa.String(64), nullable=False),
        sa.Column("held_by", sa.String(40)),
        sa.PrimaryKeyConstraint("id", name="pk_targets"),
        sa.UniqueConstraint("fraise", "environment", name="uq_targets_fraise_environment"),
    )
    create_table(
        "placements",
        sa.Column("target_id", sa.String(40), nullable=False),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("fence", sa.BigInteger, nullable=False),
        sa.Column("release", sa.String(64)),
        sa.Column("version", sa.String(255)),
        sa.Column("good", sa.Boolean, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("target_id", "host", name="pk_placements"),
        sa.ForeignKeyConstraint(["target_id"], ["targets.id"], name="fk_placements_target_id"),
    )
    _create_deployments()
    _create_details()
    _create_tokens()


def _create_deployments() -> None:
    create_table(
        "deployments",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("target_id", sa.String(40), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("reason", LONG_TEXT, nullable=False),
        sa.Column("version", sa.String(255), nullable=False),
        sa.Column("requested_version", sa.String(255)),
        sa.Column("strategy", sa.String(16), nullable=False),
        sa.Column("triggered_by", sa.String(255), nullable=False),
        sa.Column("trace_id", sa.String(40), nullable=False),
        sa.Column("target", sa.JSON, nullable=False),
        sa.Column("options", sa.JSON, nullable=False),
        sa.Column("owner", sa.JSON),
        sa.Column("last_sequence", sa.Integer, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("started_at", sa.BigInteger),
        sa.Column("completed_at", sa.BigInteger),
        sa.Column("cancel_requested_at", sa.BigInteger),
        sa.Column("cancel_requested_by", sa.String(255)),
        sa.Column("idempotency_key", sa.String(255)),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_deployments"),
        sa.UniqueConstraint(
            "triggered_by", "idempotency_key", name="uq_deployments_triggered_by_idempotency_key"
        ),
        sa.ForeignKeyConstraint(["target_id"], ["targets.id"], name="fk_deployments_target_id"),
    )
    create_index("ix_deployments_target_created", "deployments", ["target_id", "created_at"])
    create_index("ix_deployments_created_at", "deployments", ["created_at"])
    create_index("ix_deployments_status", "deployments", ["status"])
    only_partial(
        "uq_deployments_one_live_per_target",
        "deployments",
        ["target_id"],
        where="status = 'in_progress'",
    )


def _create_details() -> None:
    create_table(
        "deployment_hosts",
        sa.Column("deployment_id", sa.String(40), nullable=False),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("release", sa.String(64)),
        sa.Column("previous", sa.String(64)),
        sa.Column("error", sa.JSON),
        sa.PrimaryKeyConstraint("deployment_id", "host", name="pk_deployment_hosts"),
        sa.ForeignKeyConstraint(
            ["deployment_id"], ["deployments.id"], name="fk_deployment_hosts_deployment_id"
        ),
    )
    create_table(
        "events",
        sa.Column("deployment_id", sa.String(40), nullable=False),
        sa.Column("sequence", sa.Integer, nullable=False),
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("type", sa.String(64), nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("host", sa.String(255)),
        sa.Column("data", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("deployment_id", "sequence", name="pk_events"),
        sa.UniqueConstraint("id", name="uq_events_id"),
        sa.ForeignKeyConstraint(
            ["deployment_id"], ["deployments.id"], name="fk_events_deployment_id"
        ),
    )
    create_table(
        "audit",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("actor", sa.String(255), nullable=False),
        sa.Column("action", sa.String(64), nullable=False),
        sa.Column("subject", sa.String(255), nullable=False),
        sa.Column("reason", LONG_TEXT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit"),
    )


def _create_tokens() -> None:
    create_table(
        "tokens",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("scope", sa.String(16), nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("created_by", sa.String(255), nullable=False),
        sa.Column("expires_at", sa.BigInteger),
        sa.Column("last_used_at", sa.BigInteger),
        sa.Column("revoked_at", sa.BigInteger),
        sa.PrimaryKeyConstraint("id", name="pk_tokens"),
        sa.UniqueConstraint("digest", name="uq_tokens_digest"),
    )
