"""What the health checks of deployed services found, what is told of it, and figures by ends."""

from fraisier.store.migrations.steps import create_index

revision = "0007"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Let what ended in a period be found without reading everything."""
    create_index("ix_deployments_completed_at", "deployments", ["completed_at"])
