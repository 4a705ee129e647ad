"""The end of a deployment, inside the caller's transaction."""

from __future__ import annotations

from sqlalchemy import Connection, update

from fraisier.domain.deployment import HOLDING, Deployment, Status, check_move
from fraisier.domain.event import Event, Fact
from fraisier.domain.ids import now
from fraisier.store import log
from fraisier.store.tables import deployments, targets


def end(
    connection: Connection,
    deployment: Deployment,
    status: Status,
    reason: str,
    mark: str | None = None,
) -> list[Event]:
    """Record an end: the state, the last events and, where needed, the target's hold."""
    check_move(deployment.status, status)
    one = deployments.c.id == deployment.id
    connection.execute(
        update(deployments)
        .where(one)
        .values(status=status.value, reason=reason, completed_at=now(), paused_at=None)
    )
    if status in HOLDING:
        target = deployment.target
        held = (targets.c.fraise == target.fraise) & (targets.c.environment == target.environment)
        connection.execute(update(targets).where(held).values(held_by=deployment.id))
    return log.append(connection, deployment.id, last_facts(status, reason), mark)


def last_facts(status: Status, reason: str) -> list[Fact]:
    """Return the facts that an end is told by."""
    data = {"status": status.value, "reason": reason}
    named = [] if status is Status.SUCCESS else [Fact(f"deployment.{status.value}", None, data)]
    return [*named, Fact("deployment.completed", None, data)]
