"""What each token reaches, its secret before the last rotation, and what is left of allowances."""

import sqlalchemy as sa

from fraisier.store.migrations.steps import add_column, create_index, create_table

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add them; the tokens that there are reach every target, as before."""
    reach = sa.Column("targets", sa.String(2000), nullable=False, server_default="*/*")
    add_column("tokens", reach)
    add_column("tokens", sa.Column("rotated_at", sa.BigInteger))
    add_column("tokens", sa.Column("previous_digest", sa.String(64)))
    add_column("tokens", sa.Column("previous_until", sa.BigInteger))
    create_index("ix_tokens_previous_digest", "tokens", ["previous_digest"])
    create_table(
        "rate_limits",
        sa.Column("id", sa.String(80), nullable=False),
        sa.Column("slot", sa.BigInteger, nullable=False),
        sa.Column("used", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_rate_limits"),
    )
