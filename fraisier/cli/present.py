"""How deployments look to people: words, figures and rows of tables."""

from __future__ import annotations

from fraisier.domain.deployment import Deployment
from fraisier.engine.views import seconds, timestamp


def short(version: str) -> str:
    """Return a version as people quote it: seven characters of a commit."""
    return version[:7] if len(version) == 40 else version


def duration(start: int | None, end: int | None) -> str:
    """Return the time between two moments in words: `2.1 s`, `3 min 20 s`."""
    length = seconds(start, end)
    if length is None:
        return "-"
    if length < 60:
        return f"{length:.1f} s"
    return f"{int(length // 60)} min {int(length % 60)} s"


def deployment_row(deployment: Deployment) -> dict[str, object]:
    """Return a deployment as a row of a table."""
    return {
        "id": deployment.id,
        "target": f"{deployment.target.fraise} {deployment.target.environment}",
        "kind": deployment.kind,
        "status": deployment.status.value,
        "version": short(deployment.version),
        "when": (timestamp(deployment.created_at) or "")[:19].replace("T", " "),
        "took": duration(deployment.started_at, deployment.completed_at),
        "by": deployment.triggered_by,
    }
