# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""A service in containers as two colours: its project as one of them, and what speaks against it.

Pure: what is done with it is in `compose_pair`.
"""

from __future__ import annotations

import copy
from typing import Any, Iterator, Mapping, Sequence

from .colours import COLOURS
from .compose_names import colour_name
from .failure import Failure

UNSUITABLE = "colours_unsuitable"


def coloured(
    project: Mapping[str, Any], service: str, colour: str, port: int, inner: int
) -> dict[str, Any]:
    """Return the project of a release in which the service is one of its colours.

    `port`: where it is published on this host's loopback; `inner`: where it listens.
    """
    changed: dict[str, Any] = copy.deepcopy(dict(project))
    own = changed["services"].pop(service)
    published = {"mode": "ingress", "target": inner, "published": str(port), "protocol": "tcp"}
    own["ports"] = [{**published, "host_ip": "127.0.0.1"}]
    environment = dict(own.get("environment") or {})
    own["environment"] = {"PORT": str(inner), **environment, "FRAISIER_COLOUR": colour}
    changed["services"][colour_name(service, colour)] = own
    return changed


def inner_port(project: Mapping[str, Any], service: str, app_port: int | None) -> int:
    """Return the port that the service listens on in its container; raises Failure."""
    if app_port is not None:
        return app_port
    targets = {int(port["target"]) for port in project["services"][service].get("ports") or ()}
    if len(targets) == 1:
        return targets.pop()
    raise Failure(
        UNSUITABLE,
        f"which port of {service} the proxy is to ask is not clear from its `ports`",
        "set proxy.app_port to the port in the container",
    )


def require_suitable(
    project: Mapping[str, Any], service: str, app_port: int | None, dependents: Sequence[str]
) -> None:
    """Raise Failure with all that keeps a service from running as two colours."""
    inner = inner_port(project, service, app_port)
    found = list(_reasons(project["services"][service], inner))
    for name in (colour_name(service, colour) for colour in COLOURS):
        if name in project["services"]:
            found.append(f"there is a service {name} already, as a colour of it would be called")
    for name in dependents:
        found.append(f"{name} depends on it or is linked to it by its name")
    if found:
        raise Failure(
            UNSUITABLE,
            f"{service} cannot run as two colours: {'; '.join(found)}",
            "change that in the Compose file; or give the proxy `hosts` of its own",
        )


def shared_volumes(project: Mapping[str, Any], service: str) -> list[str]:
    """Return the named volumes that both colours write to while they run side by side."""
    mounts = project["services"][service].get("volumes") or ()
    return sorted(
        str(mount.get("source"))
        for mount in mounts
        if mount.get("type") == "volume" and mount.get("source") and not mount.get("read_only")
    )


def _reasons(own: Mapping[str, Any], inner: int) -> Iterator[str]:
    if own.get("container_name"):
        yield f"container_name {own['container_name']} can be had once only"
    mode = str(own.get("network_mode") or "")
    if mode == "host" or mode.startswith(("service:", "container:")):
        yield f"network_mode {mode} gives both the same ports"
    for name, network in (own.get("networks") or {}).items():
        if any((network or {}).get(key) for key in ("ipv4_address", "ipv6_address")):
            yield f"it has a fixed address in the network {name}"
    replicas = max(int((own.get("deploy") or {}).get("replicas") or 1), int(own.get("scale") or 1))
    if replicas > 1:
        yield f"it has {replicas} replicas, and the proxy asks one container of a colour"
    for port in own.get("ports") or ():
        if int(port["target"]) != inner and port.get("published"):
            yield f"port {port['published']} of the host can be published once only"
