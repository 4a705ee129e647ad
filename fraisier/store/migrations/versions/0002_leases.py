"""Leases: who works, what they hold, in which order requests were accepted."""

import sqlalchemy as sa
from alembic import op

from fraisier.domain.ids import new_id
from fraisier.store.migrations.steps import (
    LONG_TEXT,
    add_column,
    create_index,
    create_table,
    drop_column,
    drop_index,
)

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

LIVE_TARGET = "CASE WHEN status = 'in_progress' THEN target_id END"


def upgrade() -> None:
    """Add workers and pauses, and what a deployment needs to be held by a worker."""
    _create_tables()
    for table in ("targets", "deployments"):
        for name in ("accepted", "fence"):
            column = sa.Column(name, sa.BigInteger, nullable=False, server_default="0")
            add_column(table, column)
    known = sa.Column("known", sa.Boolean, nullable=False, server_default=sa.true())
    add_column("placements", known)
    add_column("deployments", sa.Column("worker_id", sa.String(40)))
    drop_index("uq_deployments_one_live_per_target", "deployments")
    # Only a stored column can have an index on PostgreSQL; SQLite can add none that is stored.
    live = sa.Computed(LIVE_TARGET, persisted=op.get_bind().dialect.name == "postgresql" or None)
    add_column("deployments", sa.Column("live_target", sa.String(40), live))
    create_index("uq_deployments_live_target", "deployments", ["live_target"], unique=True)
    create_index("ix_deployments_target_accepted", "deployments", ["target_id", "accepted"])
    _number_what_is_there()
    _name_the_installation()
    drop_column("deployments", "owner")


def _create_tables() -> None:
    create_table(
        "workers",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("labels", sa.JSON, nullable=False),
        sa.Column("process", sa.JSON, nullable=False),
        sa.Column("at_once", sa.Integer, nullable=False),
        sa.Column("version", sa.String(32), nullable=False),
        sa.Column("started_at", sa.BigInteger, nullable=False),
        sa.Column("lease_until", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_workers"),
    )
    create_table(
        "pauses",
        sa.Column("id", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("by", sa.String(255), nullable=False),
        sa.Column("reason", LONG_TEXT, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_pauses"),
    )


def _number_what_is_there() -> None:
    """Give deployments their place in the order they were accepted in, target by target."""
    op.execute(
        "UPDATE deployments SET accepted = (SELECT count(*) FROM (SELECT * FROM deployments) AS d "
        "WHERE d.target_id = deployments.target_id AND (d.created_at < deployments.created_at "
        "OR (d.created_at = deployments.created_at AND d.id <= deployments.id)))"
    )
    op.execute(
        "UPDATE targets SET accepted = (SELECT count(*) FROM deployments "
        "WHERE deployments.target_id = targets.id)"
    )


def _name_the_installation() -> None:
    """Make the installation's id, where no process of 0.1.0 has."""
    connection = op.get_bind()
    if connection.scalar(sa.text("SELECT count(*) FROM installation")) == 0:
        name = new_id("ins")
        connection.execute(sa.text("INSERT INTO installation (id) VALUES (:id)"), {"id": name})
