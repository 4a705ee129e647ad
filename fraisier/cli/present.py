"""How deployments look: as JSON for programs, and as words and figures for people."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from fraisier.domain.deployment import Deployment, HostRecord
from fraisier.domain.event import Event


def short(version: str) -> str:
    """Return a version as people quote it: seven characters of a commit."""
    return version[:7] if len(version) == 40 else version


def timestamp(microseconds: int | None) -> str | None:
    """Return a time as ISO 8601 in UTC, to the millisecond."""
    if microseconds is None:
        return None
    moment = datetime.fromtimestamp(microseconds / 1e6, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def seconds(start: int | None, end: int | None) -> float | None:
    """Return the seconds between two times in microseconds."""
    return None if start is None or end is None else round((end - start) / 1e6, 3)


def duration(start: int | None, end: int | None) -> str:
    """Return the time between two moments in words: `2.1 s`, `3 min 20 s`."""
    length = seconds(start, end)
    if length is None:
        return "-"
    if length < 60:
        return f"{length:.1f} s"
    return f"{int(length // 60)} min {int(length % 60)} s"


def deployment_json(
    deployment: Deployment, hosts: Sequence[HostRecord] | None = None
) -> dict[str, Any]:
    """Return a deployment as every interface shows it."""
    shown = {
        "id": deployment.id,
        "kind": deployment.kind,
        "fraise": deployment.target.fraise,
        "environment": deployment.target.environment,
        "provider": deployment.target.provider,
        "region": deployment.target.region,
        "status": deployment.status.value,
        "reason": deployment.reason,
        "version": deployment.version,
        "requested_version": deployment.requested_version,
        "strategy": deployment.strategy,
        "triggered_by": deployment.triggered_by,
        "trace_id": deployment.trace_id,
        "created_at": timestamp(deployment.created_at),
        "started_at": timestamp(deployment.started_at),
        "completed_at": timestamp(deployment.completed_at),
        "duration_seconds": seconds(deployment.started_at, deployment.completed_at),
    }
    return shown if hosts is None else {**shown, "hosts": [vars(host) for host in hosts]}


def event_json(event: Event) -> dict[str, Any]:
    """Return an event as every interface shows it."""
    return {**vars(event), "at": timestamp(event.at)}


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
