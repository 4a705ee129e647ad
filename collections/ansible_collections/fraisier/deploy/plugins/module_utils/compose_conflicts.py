# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""Finds taken names and ports and missing networks and volumes before anything changes.

Compose sees a name or a port that is taken only when it has removed the container before.
"""

from __future__ import annotations

import errno
import ipaddress
import re
import socket
from dataclasses import dataclass
from typing import Any, Iterator, Mapping, Sequence

from .colours import COLOURS
from .compose_containers import ONCE_LABEL, PROJECT_LABEL, SERVICE_LABEL
from .compose_engine import Docker
from .compose_inputs import missing_variables
from .compose_names import colour_name
from .compose_project import replicas
from .compose_site import ComposeSite
from .failure import Failure

NUMBER_LABEL = "com.docker.compose.container-number"
_ANY = ("", "0.0.0.0", "::")  # noqa: S104
_HINT = {
    "container_name_taken": "remove or rename that container, or change container_name",
    "port_taken": "stop what has the port, or publish another one",
    "address_taken": "choose another address in the Compose file",
    "network_missing": "create it: docker network create NAME; or take `external` away",
    "volume_missing": "create it: docker volume create NAME; or take `external` away",
    "variable_missing": "name it in env_vars",
}


@dataclass(frozen=True)
class Holder:
    """A container of the engine: what it is called, whose it is, and what it occupies now.

    `ports` are (protocol, address, port), `addresses` (network, address). `on_host`: it has the
    network of the machine, so that its ports look like those of any process.
    """

    name: str
    project: str
    service: str
    number: int
    ports: tuple[tuple[str, str, int], ...]
    addresses: tuple[tuple[str, str], ...]
    on_host: bool = False


def require_no_conflicts(
    site: ComposeSite, project: Mapping[str, Any], environment: Mapping[str, str] | None = None
) -> None:
    """Raise Failure with all that keeps Compose from bringing a project up on this engine.

    What the project's own containers occupy is theirs: they are replaced. `environment`: what the
    file may refer to, if not what the configuration has now.
    """
    with site.report.step("check conflicts"):
        own, wanted = site.service.service, dict(project["services"])
        slots = [colour_name(own, colour) for colour in COLOURS]
        if site.coloured:  # each has a port of its own
            plain = {**wanted.pop(own), "ports": [], "container_name": None}
            wanted.update(dict.fromkeys(slots, plain))
        seen, mine = holders(site.docker), {own, *slots, *wanted}
        ours = [h for h in seen if h.project == site.name and h.service in mine]
        foreign = [h for h in seen if h not in ours]
        found = [
            *_variables(project, site.docker.environment if environment is None else environment),
            *_missing(site.docker, project),
            *_names(site.name, wanted, foreign, ours),
            *_ports(site.docker, wanted, foreign, ours),
            *_addresses(project, wanted, foreign),
        ]
        if found:
            code, reasons = found[0][0], dict.fromkeys(what for _code, what in found)
            raise Failure(
                code,
                f"{own} cannot be brought up: {'; '.join(reasons)}",
                f"{_HINT[code]}; nothing was changed",
            )


def holders(docker: Docker) -> list[Holder]:
    """Return all containers of the engine."""
    ids = docker.ask("ps", "--all", "--quiet", "--no-trunc").out.split()
    found = docker.ask_json("inspect", "--type", "container", "--", *ids) if ids else []
    return [holder(data) for data in found]


def holder(data: Mapping[str, Any]) -> Holder:
    """Read what `docker inspect` says of a container; one that does not run has no ports."""
    labels = data["Config"].get("Labels") or {}
    once = labels.get(ONCE_LABEL) == "True"  # `docker compose run`: nobody replaces it
    number = str(labels.get(NUMBER_LABEL) or "")
    settings = data.get("NetworkSettings") or {}
    ports = [
        (target.partition("/")[2], str(each.get("HostIp") or ""), int(each["HostPort"]))
        for target, published in (settings.get("Ports") or {}).items()
        for each in published or ()
        if each.get("HostPort")
    ]
    networks = (settings.get("Networks") or {}).items()
    addresses = [
        (name, str(network[key]))
        for name, network in networks
        for key in ("IPAddress", "GlobalIPv6Address")
        if (network or {}).get(key)
    ]
    return Holder(
        name=data["Name"].lstrip("/"),
        project=str(labels.get(PROJECT_LABEL, "")),
        service="" if once else str(labels.get(SERVICE_LABEL, "")),
        number=int(number) if number.isdigit() else 0,
        ports=tuple(ports),
        addresses=tuple(addresses),
        on_host=(data.get("HostConfig") or {}).get("NetworkMode") == "host",
    )


def _variables(
    project: Mapping[str, Any], environment: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    for what, variable in missing_variables(project, environment):
        yield "variable_missing", f"{what} is the variable {variable}, which has no value"


def _missing(docker: Docker, project: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the external networks and volumes that the services use and that are not there."""
    for kind in ("network", "volume"):
        for key in sorted(_used(project, kind)):
            entry = (project.get(f"{kind}s") or {}).get(key) or {}
            name = str(entry.get("name") or key)
            if not entry.get("external") or docker.ask_json(kind, "inspect", name):
                continue
            if kind == "volume" or not _in_swarm(docker):
                yield f"{kind}_missing", f"there is no {kind} {name}, which is `external`"


def _in_swarm(docker: Docker) -> bool:
    """True on a node of a swarm, which sees a network of another node when it is first used."""
    return docker.ask("info", "--format", "{{.Swarm.LocalNodeState}}").out.strip() == "active"


def _used(project: Mapping[str, Any], kind: str) -> set[str]:
    if kind == "network":
        return {name for own in project["services"].values() for name in own.get("networks") or ()}
    mounts = [m for own in project["services"].values() for m in own.get("volumes") or ()]
    return {str(m["source"]) for m in mounts if m.get("type") == "volume" and m.get("source")}


def _names(
    project: str, wanted: Mapping[str, Any], foreign: Sequence[Holder], ours: Sequence[Holder]
) -> Iterator[tuple[str, str]]:
    taken = {each.name: each for each in foreign}
    for service, own in wanted.items():
        for name in _names_of(project, service, own, wanted, ours):
            if name in taken:
                yield (
                    "container_name_taken",
                    f"another container is called {name}{_of(taken[name])}",
                )


def _names_of(
    project: str,
    service: str,
    own: Mapping[str, Any],
    wanted: Mapping[str, Any],
    ours: Sequence[Holder],
) -> list[str]:
    """Return what the containers of a service will be called, as Compose numbers them."""
    if own.get("container_name"):
        return [str(own["container_name"])]
    numbers = sorted(each.number for each in ours if each.service == service and each.number)
    many = replicas({"services": wanted}, service)
    first = max(numbers, default=0) + 1
    numbers = [*numbers[:many], *range(first, first + many - len(numbers))]
    return [f"{project}-{service}-{number}" for number in numbers]


def _ports(
    docker: Docker,
    wanted: Mapping[str, Any],
    foreign: Sequence[Holder],
    ours: Sequence[Holder],
) -> Iterator[tuple[str, str]]:
    known = [each for each in foreign if each.ports]
    if not any(own.get("ports") for own in wanted.values()):
        return
    default = None if any(each.on_host for each in ours) else _default_address(docker)
    for service, own in wanted.items():
        many = replicas({"services": wanted}, service)
        published = own.get("ports") or () if own.get("network_mode") in (None, "bridge") else ()
        for each in published:
            protocol, address = str(each.get("protocol") or "tcp"), str(each.get("host_ip") or "")
            numbers = _numbers(str(each.get("published") or ""))
            if not numbers or not many:
                continue
            reasons = [
                _occupant(protocol, address, number, known, ours, default) for number in numbers
            ]
            if reasons.count(None) < many and any(reasons):
                reason = next(reason for reason in reasons if reason)
                yield "port_taken", f"{service} publishes {_shown(address, numbers)}, but {reason}"


def _numbers(published: str) -> range:
    first, _dash, last = published.partition("-")
    if not first.isdigit() or int(first) == 0:
        return range(0)
    return range(int(first), int(last if last.isdigit() else first) + 1)


def _shown(address: str, numbers: range) -> str:
    ports = str(numbers[0]) if len(numbers) == 1 else f"one of {numbers[0]}-{numbers[-1]}"
    return f"{address}:{ports}" if address else f"port {ports}"


def _occupant(
    protocol: str,
    address: str,
    number: int,
    foreign: Sequence[Holder],
    ours: Sequence[Holder],
    default: str | None,
) -> str | None:
    """Say what has a port; None where it is free, or its own container's.

    `default`: see `_default_address`.
    """
    wanted = (protocol, address, number)
    for each in foreign:
        if any(_overlap(wanted, port) for port in each.ports):
            return f"the container {each.name} has it{_of(each)}"
    if any(_overlap(wanted, port) for each in ours for port in each.ports):
        return None
    return None if default is None else _bound(protocol, address or default, number)


def _overlap(one: tuple[str, str, int], other: tuple[str, str, int]) -> bool:
    if (one[0], one[2]) != (other[0], other[2]):
        return False
    if one[1] == other[1] or "" in (one[1], other[1]):
        return True
    same_family = (":" in one[1]) == (":" in other[1])
    return same_family and (one[1] in _ANY or other[1] in _ANY)


def _default_address(docker: Docker) -> str | None:
    """Return the address of this machine that the engine publishes ports on; empty: all.

    None where that is not this machine, as with a remote or rootless engine: its bridge is not one
    of ours.
    """
    bridges = docker.ask_json("network", "inspect", "bridge")
    options = (bridges[0].get("Options") or {}) if bridges else {}
    bridge, address = (
        options.get(f"com.docker.network.bridge.{key}") for key in ("name", "host_binding_ipv4")
    )
    if not bridge or bridge not in {name for _index, name in socket.if_nameindex()}:
        return None
    return "" if address in (None, *_ANY) else str(address)


def _bound(protocol: str, address: str, number: int) -> str | None:
    """Say why a port of this machine cannot be had; None where it can, or that is not known."""
    kind = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}.get(protocol)
    if kind is None:
        return None
    for each in (address,) if address else ("0.0.0.0", "::"):  # noqa: S104
        family = socket.AF_INET6 if ":" in each else socket.AF_INET
        try:
            with socket.socket(family, kind) as probe:
                if kind == socket.SOCK_STREAM:
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                probe.bind((each, number))
                if kind == socket.SOCK_STREAM:
                    probe.listen(1)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return "another process of this machine has it"
            if error.errno == errno.EADDRNOTAVAIL and address:
                return "this machine does not have that address"
    return None


def _addresses(
    project: Mapping[str, Any], wanted: Mapping[str, Any], foreign: Sequence[Holder]
) -> Iterator[tuple[str, str]]:
    for service, own in wanted.items():
        for key, network in (own.get("networks") or {}).items():
            name = str(((project.get("networks") or {}).get(key) or {}).get("name") or key)
            for kind in ("ipv4_address", "ipv6_address"):
                address = _address((network or {}).get(kind))
                for each in foreign:
                    if address and (name, address) in {(n, _address(a)) for n, a in each.addresses}:
                        yield (
                            "address_taken",
                            f"{service} is to have {address} in the network {name}, but the "
                            f"container {each.name} has it{_of(each)}",
                        )


def _address(text: Any) -> str | None:
    try:
        return str(ipaddress.ip_address(str(text))) if text else None
    except ValueError:
        return None


def _of(each: Holder) -> str:
    named = re.fullmatch(r"[a-z0-9][a-z0-9_-]*", each.project)
    return f" (of the project {each.project})" if named else ""
