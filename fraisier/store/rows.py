"""Between rows and the domain's values."""

from __future__ import annotations

from typing import Any

from fraisier.domain.catalogue import Target
from fraisier.domain.deployment import Deployment, HostRecord, Placement, Status
from fraisier.domain.event import Event
from fraisier.domain.ids import new_id
from fraisier.domain.notice import DEFAULT_REGION, Notice
from fraisier.domain.ports import NewDeployment

Row = Any


def deployment_from(row: Row) -> Deployment:
    """Return the deployment that a row records."""
    return Deployment(
        id=row.id,
        kind=row.kind,
        status=Status(row.status),
        target=Target.from_json(row.target),
        version=row.version,
        requested_version=row.requested_version,
        strategy=row.strategy,
        triggered_by=row.triggered_by,
        trace_id=row.trace_id,
        created_at=row.created_at,
        reason=row.reason,
        options=row.options,
        started_at=row.started_at,
        completed_at=row.completed_at,
        cancel_requested_at=row.cancel_requested_at,
        cancel_requested_by=row.cancel_requested_by,
        accepted=row.accepted,
        fence=row.fence,
        worker_id=row.worker_id,
        paused_at=row.paused_at,
        resume_requested_at=row.resume_requested_at,
        resume_requested_by=row.resume_requested_by,
        settle_failures=row.settle_failures,
    )


def values_of(
    deployment_id: str,
    new: NewDeployment,
    target_id: str,
    accepted: int,
    worker_id: str | None,
    at: int,
) -> dict[str, Any]:
    """Return the row of a deployment that has just been accepted; None: any worker may take it."""
    return {
        "id": deployment_id,
        "target_id": target_id,
        "kind": new.kind,
        "status": Status.PENDING.value,
        "reason": "",
        "version": new.version,
        "requested_version": new.requested_version,
        "strategy": new.strategy,
        "triggered_by": new.triggered_by,
        "trace_id": new.trace_id or new_id("trace"),
        "target": new.target.as_json(),
        "options": dict(new.options),
        "accepted": accepted,
        "worker_id": worker_id,
        "last_sequence": 0,
        "created_at": at,
        "idempotency_key": new.idempotency_key,
        "fingerprint": new.fingerprint,
    }


def event_from(row: Row) -> Event:
    """Return the event that a row records."""
    return Event(row.id, row.deployment_id, row.sequence, row.type, row.at, row.host, row.data)


def host_record_from(row: Row) -> HostRecord:
    """Return what a row says of one host in one deployment."""
    return HostRecord(row.host, row.state, row.release, row.previous, row.error)


def placement_from(row: Row) -> Placement:
    """Return what a row says a host runs."""
    return Placement(row.host, row.fence, row.release, row.version, row.good, row.at, row.known)


def notice_from(event: Event, deployment: Row) -> Notice:
    """Return an event of a deployment as the world is told of it."""
    return Notice(
        event_id=event.id,
        event_type=event.type,
        stream_id=deployment.id,
        sequence=event.sequence,
        at=event.at,
        host=event.host,
        data=event.data,
        triggered_by=deployment.triggered_by,
        **_of_deployment(deployment),
    )


def notice_of_audit(note: Row, deployment: Row | None = None) -> Notice:
    """Return a note of the audit trail as the world is told of it.

    `deployment` is the one that it is about; None where it is about none, or that is removed.
    """
    names = ("actor", "action", "subject", "reason", "result")
    about = note.subject if note.subject.startswith("dep_") else None
    known = {"deployment_id": about} if deployment is None else _of_deployment(deployment)
    return Notice(
        event_id=note.id,
        event_type=f"audit.{note.action}",
        stream_id=note.id,
        sequence=1,
        at=note.at,
        host=None,
        data={name: getattr(note, name) for name in names},
        triggered_by=note.actor,
        **known,
    )


def _of_deployment(deployment: Row) -> dict[str, Any]:
    """Return what every notice about a deployment says of it."""
    target = deployment.target
    return {
        "region": target.get("region") or DEFAULT_REGION,
        "deployment_id": deployment.id,
        "fraise": target["fraise"],
        "environment": target["environment"],
        "provider": target["provider"],
        "version": deployment.version,
        "strategy": deployment.strategy,
        "kind": deployment.kind,
        "trace_id": deployment.trace_id,
    }


def notice_of_health(row: Row) -> Notice:
    """Return a change of health outside of deployments, as the world is told of it.

    Without a host it is about all hosts of a target.
    """
    names = ("region", "fraise", "environment", "provider", "at", "data")
    return Notice(
        host=row.host or None,
        event_id=row.id,
        event_type=row.type,
        stream_id=row.id,
        sequence=1,
        **{name: getattr(row, name) for name in names},
    )
