"""The end of a deployment, inside the caller's transaction."""

from __future__ import annotations

from sqlalchemy import Connection, update

from fraisier.domain.deployment import HOLDING, Deployment, Status, check_move
from fraisier.domain.event import Event, Fact
from fraisier.domain.plain_text import REASON, one_line
from fraisier.store import log
from fraisier.store.tables import deployments, targets


def end(
    connection: Connection,
    deployment: Deployment,
    status: Status,
    reason: str,
    mark: str | None = None,
) -> list[Event]:
    """Record an end: the state, the last events and, where needed, the target's hold.

    The reason may hold what a host said; it is recorded as one line that any terminal can show.
    """
    reason = one_line(reason, REASON)
    check_move(deployment.status, status)
    one, at = deployments.c.id == deployment.id, log.present(connection, deployment.id)
    connection.execute(
        update(deployments)
        .where(one)
        .values(status=status.value, reason=reason, completed_at=at, paused_at=None)
    )
    if status in HOLDING:
        target = deployment.target
        held = (targets.c.fraise == target.fraise) & (targets.c.environment == target.environment)
        connection.execute(update(targets).where(held).values(held_by=deployment.id))
    return log.append(connection, deployment.id, last_facts(deployment, status, reason, at), mark)


def last_facts(deployment: Deployment, status: Status, reason: str, at: int) -> list[Fact]:
    """Return the facts that an end is told by; `at` is when it is, in microseconds."""
    began = deployment.started_at
    seconds = {
        "queue_seconds": _seconds(deployment.created_at, began or at),
        "duration_seconds": None if began is None else _seconds(began, at),
    }
    data = {"status": status.value, "reason": reason, **seconds}
    named = [] if status is Status.SUCCESS else [Fact(f"deployment.{status.value}", None, data)]
    metrics = Fact("metrics.deployment", None, {"status": status.value, **seconds})
    last = Fact("deployment.completed", None, data)
    return [*named, metrics, last]


def _seconds(since: int, until: int) -> float:
    return max(0, until - since) / 1_000_000
