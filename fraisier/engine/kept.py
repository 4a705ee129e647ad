"""The configuration by which a release was healthy: it judges the release on a rollback."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from fraisier.domain.deployment import Deployment, Status
from fraisier.domain.ports import Filter, Store
from fraisier.domain.secret import OF_CHECK
from fraisier.engine.request import service_of

#: So many of a target's successful deployments are looked at, the newest.
LOOKED_AT = 100
#: What judges a release, and what builds it where it shares a checkout with others.
_MAY_LACK = ("health_check", "min_healthy_time", "build")
_ALWAYS = ("healthy_deadline", "build_timeout")

Kept = dict[str, Any]


def kept_for(
    store: Store, deployment: Deployment, hosts: Iterable[str], request: Mapping[str, Any]
) -> tuple[dict[str, Kept], dict[str, Any]]:
    """Return for each host how the release is judged that it goes back to, and its secrets.

    `service`: what to replace in the service of now. `unhealthy`: `warn` where nothing was kept,
    so that the check of now decides nothing, else `fail`. `request` is that of the step. The
    secrets are references to headers of the health checks that were kept.
    """
    past = list(_past(store, deployment))
    asked = request.get("restore_version")
    found: dict[str, Kept] = {}
    secrets: dict[str, Any] = {}
    for host in hosts:
        release = (request.get("restore") or {}).get(host)
        by = next((each for each in past if _had(store, each, host, release, asked)), None)
        kept = _of(by, deployment) if by else {}
        found[host] = {"service": kept, "unhealthy": "fail" if by else "warn"}
        secrets |= _headers_of_check(by) if by else {}
    return found, secrets


def _past(store: Store, deployment: Deployment) -> Iterator[Deployment]:
    """Return the deployments that found a release healthy, newest first.

    A rollback found its release healthy by what was kept of an earlier one.
    """
    target = deployment.target
    wanted = Filter(target.fraise, target.environment, Status.SUCCESS.value, limit=LOOKED_AT)
    for each in store.deployments(wanted):
        if each.kind == "deploy" and each.target.provider == target.provider:
            yield each


def _had(
    store: Store, past: Deployment, host: str, release: str | None, version: str | None
) -> bool:
    """Return whether a host got a release, by its id or its version, from a deployment."""
    if release is None and (version is None or past.version != version):
        return False
    records = (each for each in store.host_records(past.id) if each.host == host)
    return any(each.release is not None and release in (None, each.release) for each in records)


def _headers_of_check(past: Deployment) -> dict[str, Any]:
    secrets = past.target.secrets
    return {name: each for name, each in secrets.items() if name.startswith(OF_CHECK)}


def _of(past: Deployment, now: Deployment) -> Kept:
    old, new = service_of(past), service_of(now)
    kept = {name: old.get(name) for name in _MAY_LACK if name in old or name in new}
    return {**kept, **{name: old[name] for name in _ALWAYS if name in old}}
