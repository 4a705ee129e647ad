"""What a playbook is told: the deployment's frozen configuration and what this step needs. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fraisier.domain.catalogue import Target
from fraisier.domain.deployment import AS_CONFIGURED, Deployment


def request_for(
    deployment: Deployment,
    installation: str,
    fence: Mapping[str, Mapping[str, int | None]],
    **more: Any,
) -> dict[str, Any]:
    """Return the `fraisier_request` of a step, without secrets.

    `fence` maps each host to the number it was last known to hold (`expected`), the one this
    deployment holds there (`number`), and the step's `turn`. `version` is None where the
    configuration says it. `more` is added as it is: `traffic`, what a step does to the requests.
    """
    return {
        "deployment": deployment.id,
        "installation": installation,
        "version": None if deployment.version == AS_CONFIGURED else deployment.version,
        "force": bool(deployment.options.get("force")),
        "auto_rollback": False,
        "fence": {host: dict(numbers) for host, numbers in fence.items()},
        "service": service_of(deployment),
        "first": first_host(deployment.target),
        "save": not deployment.options.get("no_backup", False),
        **proxy_of(deployment.target),
        **more,
    }


def first_host(target: Target) -> str | None:
    """Return the host on which is done what is done once per target."""
    return target.hosts[0].name if target.hosts else None


def proxy_of(target: Target) -> dict[str, Any]:
    """Return `{"proxy": …}` for a target that has one."""
    return {"proxy": target.proxy.as_request(target.hosts)} if target.proxy else {}


def turn(deployment: Deployment, step: int) -> int:
    """Return the number that orders a step among all that were ever taken for its target.

    A host refuses the late step of an attempt once it has seen a later one.
    """
    return deployment.fence * 1_000_000 + step


def service_of(deployment: Deployment) -> dict[str, Any]:
    """Return the service as this deployment is to find it."""
    service = dict(deployment.target.service)
    delay = deployment.options.get("health_check_delay")
    if delay is not None and service.get("health_check"):
        service["health_check"] = {**service["health_check"], "delay": delay}
    return service
