"""How things look as JSON: the same in the API, in `--json` and to every front end. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from fraisier.domain.catalogue import Fraise, Provider, Target
from fraisier.domain.deployment import Deployment, HostRecord, Placement
from fraisier.domain.event import Event
from fraisier.domain.health import HostHealth
from fraisier.domain.ids import now
from fraisier.domain.plain_json import plain
from fraisier.domain.plain_text import REASON, one_line
from fraisier.domain.token import Token
from fraisier.domain.worker import Waiting


def timestamp(microseconds: int | None) -> str | None:
    """Return a time as ISO 8601 in UTC, to the millisecond."""
    if microseconds is None:
        return None
    moment = datetime.fromtimestamp(microseconds / 1e6, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def seconds(start: int | None, end: int | None) -> float | None:
    """Return the seconds between two times in microseconds; never less than none.

    Two machines may have told the times, by clocks that differ.
    """
    return None if start is None or end is None else max(0.0, round((end - start) / 1e6, 3))


def target_json(target: Target) -> dict[str, Any]:
    """Return a target as lists show it."""
    return {
        "fraise": target.fraise,
        "environment": target.environment,
        "type": target.type,
        "provider": target.provider,
        "strategy": target.strategy,
        "branch": target.branch,
        "region": target.region,
        "network": target.network,
        "hosts": [host.name for host in target.hosts],
        "inventory": vars(target.inventory) if target.inventory else None,
    }


def fraise_json(fraise: Fraise) -> dict[str, Any]:
    """Return a fraise with its targets."""
    return {
        "name": fraise.name,
        "type": fraise.type,
        "description": fraise.description,
        "environments": [target_json(target) for target in fraise.in_order()],
    }


def provider_json(provider: Provider) -> dict[str, Any]:
    """Return a provider: what it can do and where it was found."""
    return {
        "name": provider.name,
        "description": provider.description,
        "strategies": list(provider.strategies),
        "default_strategy": provider.default_strategy,
        "role": provider.role,
        "source": provider.source,
    }


def deployment_json(
    deployment: Deployment,
    hosts: Sequence[HostRecord] | None = None,
    waiting: Waiting | None = None,
) -> dict[str, Any]:
    """Return a deployment; with `hosts`, what it did to each and what it waits for."""
    shown = {
        "id": deployment.id,
        "kind": deployment.kind,
        "fraise": deployment.target.fraise,
        "environment": deployment.target.environment,
        "provider": deployment.target.provider,
        "region": deployment.target.region,
        "branch": deployment.target.branch,
        "targets": [host.name for host in deployment.target.hosts],
        "status": deployment.status.value,
        "paused": deployment.paused,
        "reason": one_line(deployment.reason, REASON),
        "version": deployment.version,
        "requested_version": deployment.requested_version,
        "strategy": deployment.strategy,
        "triggered_by": deployment.triggered_by,
        "options": dict(deployment.options),
        "trace_id": deployment.trace_id,
        "cancel_requested_by": deployment.cancel_requested_by,
        "resume_requested_by": deployment.resume_requested_by,
        "created_at": timestamp(deployment.created_at),
        "started_at": timestamp(deployment.started_at),
        "completed_at": timestamp(deployment.completed_at),
        "duration_seconds": seconds(deployment.started_at, deployment.completed_at),
    }
    if hosts is None:
        return shown
    waits = {
        "blocked_by": waiting.blocked_by if waiting else None,
        "waiting_for": waiting.reason if waiting else None,
        "position": waiting.position if waiting else None,
    }
    return {**shown, **waits, "hosts": [plain(vars(host)) for host in hosts]}


def event_json(event: Event) -> dict[str, Any]:
    """Return an event."""
    return {**vars(event), "at": timestamp(event.at)}


def token_json(token: Token) -> dict[str, Any]:
    """Return a token, without its secret, which nobody knows."""
    times = (
        "created_at", "expires_at", "last_used_at", "revoked_at", "rotated_at", "previous_until",
    )  # fmt: skip
    return {
        **{name: value for name, value in vars(token).items() if name not in times},
        "targets": list(token.targets),
        "valid": token.valid_at(now()),
        **{name: timestamp(getattr(token, name)) for name in times},
    }


def revoked_json(token: Token, others: Sequence[Token]) -> dict[str, Any]:
    """Return a token that was revoked, with the ids of those that were revoked with it."""
    return {**token_json(token), "revoked_with_it": [each.id for each in others]}


def status_json(
    target: Target,
    last: Deployment | None,
    placements: Mapping[str, Placement],
    held_by: str | None,
    waiting: Waiting | None = None,
    coming: Mapping[str, Any] | None = None,
    health: Sequence[HostHealth] = (),
) -> dict[str, Any]:
    """Return what a target runs, host by host, as its hosts last told.

    `waiting`: why the last deployment has not begun. `coming`: what goes on to it by itself.
    `health`: what the looks at its hosts came to.
    """
    configured = [host.name for host in target.hosts]
    looked = {one.host: one for one in health}
    return {
        "fraise": target.fraise,
        "environment": target.environment,
        "last_deployment": deployment_json(last) if last else None,
        "waiting_for": waiting.reason if waiting else None,
        "held_by": held_by,
        "promotion": dict(coming) if coming else None,
        "hosts": [
            _placed(n, placements.get(n), looked.get(n)) for n in configured or sorted(placements)
        ],
    }


def health_json(found: HostHealth) -> dict[str, Any]:
    """Return what the looks at a host came to."""
    return {
        "health": found.health.value,
        "since": timestamp(found.since),
        "checked_at": timestamp(found.seen_at),
        "reason": one_line(found.reason) or None,
        "failures": found.failures,
    }


def _placed(name: str, found: Placement | None, looked: HostHealth | None) -> dict[str, Any]:
    return {
        "host": name,
        "version": found.version if found else None,
        "release": found.release if found else None,
        "known": found.known if found else True,
        "healthy_when_seen": found.good if found else None,
        "seen_at": timestamp(found.at) if found else None,
        "monitoring": health_json(looked) if looked else None,
    }
