"""What a playbook is told: the deployment's frozen configuration and what this step needs. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fraisier.domain.deployment import Deployment


def request_for(
    deployment: Deployment,
    installation: str,
    fence: Mapping[str, Mapping[str, int | None]],
    **more: Any,
) -> dict[str, Any]:
    """Return the `fraisier_request` of a step, without secrets.

    `fence` maps each host to the number it was last known to hold (`expected`) or the one this
    deployment holds there (`number`). `more` is added as it is.
    """
    return {
        "deployment": deployment.id,
        "installation": installation,
        "version": deployment.version,
        "force": bool(deployment.options.get("force")),
        "auto_rollback": False,
        "fence": {host: dict(numbers) for host, numbers in fence.items()},
        "service": _service(deployment),
        **more,
    }


def secret_references(deployment: Deployment) -> Mapping[str, Any]:
    """Return the references that this deployment's secrets are read from, by variable."""
    references: Mapping[str, Any] = deployment.target.service.get("secret_references", {})
    return references


def _service(deployment: Deployment) -> dict[str, Any]:
    service = {
        name: value
        for name, value in deployment.target.service.items()
        if name != "secret_references"
    }
    delay = deployment.options.get("health_check_delay")
    if delay is not None and service.get("health_check"):
        service["health_check"] = {**service["health_check"], "delay": delay}
    return service
