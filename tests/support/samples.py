"""Answers as the control API gives them, made by the views themselves."""

from __future__ import annotations

from typing import Any
from unittest.mock import Mock

from fraisier.domain.audit import AuditRow
from fraisier.domain.delivery import Attempt, Delivery, DeliveryStatus, Endpoint
from fraisier.domain.deployment import Deployment, HostRecord, Status
from fraisier.domain.event import Event
from fraisier.domain.freeze import Freeze
from fraisier.domain.incoming import Incoming, IncomingStatus
from fraisier.domain.incoming import Outcome as IncomingOutcome
from fraisier.domain.outcome import HostOutcome, Outcome
from fraisier.domain.push import Push
from fraisier.domain.worker import Pause
from fraisier.engine.freezes import freeze_json
from fraisier.engine.hosts import answers
from fraisier.engine.overview import Overview, pause_json
from fraisier.engine.pushes import incoming_json
from fraisier.engine.trail import audit_json
from fraisier.engine.views import (
    deployment_json,
    event_json,
    provider_json,
    status_json,
    target_json,
)
from fraisier.webhooks.outgoing import Outgoing
from fraisier.webhooks.outgoing.desk import delivery_json
from support.fakes import PROVIDER, make_target

ID = "dep_1"
SHA = "5" * 40


def record(status: Status = Status.SUCCESS, **more: Any) -> Deployment:
    """Return a deployment in a state."""
    values: dict[str, Any] = {
        "id": ID,
        "kind": "deploy",
        "status": status,
        "target": make_target("web-1", "web-2"),
        "version": SHA,
        "requested_version": None,
        "strategy": "rolling",
        "triggered_by": "tok_1",
        "trace_id": "t",
        "created_at": 1_000_000,
        "started_at": 2_000_000,
        "completed_at": 4_500_000 if status.terminal else None,
    }
    return Deployment(**{**values, **more})


def deployment(status: Status = Status.SUCCESS, **more: Any) -> dict[str, Any]:
    """Return a deployment as lists have it."""
    return deployment_json(record(status, **more))


def details(status: Status = Status.SUCCESS, **more: Any) -> dict[str, Any]:
    """Return a deployment with its hosts."""
    error = {"code": "x", "message": "it broke", "hint": "mend it"}
    hosts = [HostRecord("web-1", "changed", "r2", "r1"), HostRecord("web-2", "failed", error=error)]
    return deployment_json(record(status, **more), hosts)


def event(sequence: int, type: str, host: str | None = None, **data: Any) -> dict[str, Any]:
    """Return an event."""
    return event_json(Event(f"evt_{sequence}", ID, sequence, type, 1_000_000, host, data))


def status() -> dict[str, Any]:
    """Return what a target runs."""
    return status_json(make_target("web-1"), record(), {}, None)


def tended() -> dict[str, Any]:
    """Return what a host said outside a deployment."""
    (answer,) = answers(Outcome("done", {"web-1": HostOutcome("web-1", "ok", {}, None)}))
    return answer


def target() -> dict[str, Any]:
    """Return a target."""
    return target_json(make_target("web-1"))


def provider() -> dict[str, Any]:
    """Return a provider."""
    return provider_json(PROVIDER)


def plan(**more: Any) -> dict[str, Any]:
    """Return what a deployment to two hosts would do: the first changes, the second does not."""
    release = {"id": "r1", "version": "4" * 40, "status": "good"}
    unit = {"before_header": "unit", "after_header": "unit", "before": "a\nb\n", "after": "a\nc\n"}
    same = {"state": "ok", "unpredictable": [], "diff": [], "error": None, "from": release}
    build = {"step": "build", "why": "commands run only in a deployment"}
    return {
        "fraise": "api",
        "environment": "production",
        "provider": "bare_metal",
        "version": SHA,
        "requested_version": "main",
        "strategy": "rolling",
        "plan": {
            "strategy": "rolling",
            "steps": [{"verb": "deploy", "hosts": ["web-1", "web-2"], "last": True, "args": {}}],
        },
        "hosts": [
            {
                **same,
                "host": "web-1",
                "would_change": True,
                "diff": [unit, {"prepared": "+ prepared line"}],
                "unpredictable": [build],
            },
            {**same, "host": "web-2", "would_change": False},
        ],
        "ok": True,
        "would_change": True,
        **more,
    }


def pause() -> dict[str, Any]:
    """Return a pause of the queue."""
    return pause_json(Pause("tok_1", "the database moves", 1_000_000))


def delivery() -> dict[str, Any]:
    """Return a delivery that went out."""
    plain = ("whk_1", "hook", "evt_1", "deployment.completed", ID, "{}")
    found = Delivery(*plain, DeliveryStatus.DELIVERED, 1, 1_000_000, None, 2_000_000)
    return delivery_json(found, [Attempt(1_000_000, 0.5, 200, "", 1)])


def endpoint() -> dict[str, Any]:
    """Return a receiver."""
    receiver = Endpoint("hook", "webhook", "https://example.com/hook")
    (found,) = Outgoing([receiver], Mock(**{"endpoint_states.return_value": {}}), {}).endpoints()
    return found


def received() -> dict[str, Any]:
    """Return a delivery that came in."""
    push = Push("my-org/my-api", (), "branch", "main", SHA)
    outcome = IncomingOutcome("api", "production", ID)
    status = IncomingStatus.TRIGGERED
    return incoming_json(
        Incoming("whi_1", "github", "1", 1_000_000, "push", "t", status, "", (push,), (outcome,))
    )


def freeze() -> dict[str, Any]:
    """Return a freeze of everything."""
    return freeze_json(Freeze("*", "*", "sales", "cli:ana", 1, id="frz_1", created_at=1), 2)


def audit() -> dict[str, Any]:
    """Return a row of the audit trail."""
    return audit_json(AuditRow("aud_1", 1_000_000, "cli:ana", "freeze", "frz_1", "sales"))


def queue() -> dict[str, Any]:
    """Return a queue in which nothing happens."""
    nothing: dict[str, Any] = {"workers": [], "paused": None, "count": 0, "deployments": []}
    store = Mock(**{f"{name}.return_value": value for name, value in nothing.items()})
    return Overview(store, Mock()).queue()
