# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""The health gate of a service in containers: the same rules, other places to look at."""

from __future__ import annotations

import socket
import time
from dataclasses import replace
from typing import Sequence

from . import gate, http_try
from .check import Check
from .compose_containers import Container, ContainerWatch
from .compose_engine import Docker
from .health import Place, attempt

#: Seconds that a container without a check of its own must stay up.
STAY_UP = 2.0
#: Seconds in which Docker's own proxy closes a connection that nobody behind it takes.
PROXY_SECONDS = 0.3


def require_healthy(
    docker: Docker, check: Check, min_healthy: float | None, seen: Sequence[Container], fresh: bool
) -> gate.Verdict:
    """Run the gate over a service's containers and return its verdict, good or bad."""
    if not seen:
        return gate.Verdict(check.type, 0, 0.0, "it has no container", False)
    watch = ContainerWatch(docker, seen, fresh)
    if fresh and check.type == "docker" and min_healthy is None and not all(c.health for c in seen):
        check = replace(check, min_healthy=STAY_UP)

    def try_once(limit: float) -> tuple[bool, str]:
        if check.type == "docker":
            return states(list(watch.look().values()))
        if check.type == "tcp":
            return accepts(check.host, check.port, limit)
        if check.type == "exec":
            return _exec(docker, check, seen, limit)
        return attempt(check, Place(), limit)

    ill_before = {c.id for c in seen if c.health == "unhealthy"}

    def hold() -> str:
        """Name the containers whose own check has not decided, or against them since `watch`."""
        now = [c for c in watch.look().values() if c.health not in ("", "healthy")]
        return ", ".join(
            f"{c.name} is {c.health} by its own check" for c in now if c.id not in ill_before
        )

    early = gate.EARLY if fresh and not check.delay and check.type in ("http", "tcp") else 0.0
    held = hold if fresh and check.type != "docker" else (lambda: "")
    return gate.wait_until_healthy(check, try_once, watch, early, hold=held)


def states(found: Sequence[Container]) -> tuple[bool, str]:
    """Return whether all containers run and, where they have a check of their own, pass it."""
    good = [c.running and c.health in ("", "healthy") for c in found]
    said = ", ".join(f"{c.name} is {c.health or c.state}" for c in found)
    return bool(found) and all(good), said or "its containers are gone"


def accepts(host: str, port: int, limit: float) -> tuple[bool, str]:
    """Return whether a port takes a connection and keeps it.

    Docker accepts in the name of a container, and closes again when nobody listens in there.
    """
    try:
        connection = http_try.connect(host, port, time.monotonic() + limit)
    except socket.timeout:
        return False, f"no answer within {limit:g} s"
    except OSError as error:
        return False, http_try.describe(error)
    with connection:
        kept = _is_kept(connection)
    word = "accepts connections" if kept else "closes every connection: nothing listens behind it"
    return kept, f"port {port} {word}"


def _is_kept(connection: socket.socket) -> bool:
    connection.settimeout(PROXY_SECONDS)
    try:
        return connection.recv(1) != b""
    except socket.timeout:
        return True
    except OSError:
        return False


def _exec(
    docker: Docker, check: Check, seen: Sequence[Container], limit: float
) -> tuple[bool, str]:
    end, said = time.monotonic() + limit, ""
    for container in seen:
        inside = replace(check, command=("docker", "exec", container.id, *check.command))
        left = end - time.monotonic()
        if left <= 0:
            return False, f"{container.name}: the checks before left no time of {limit:g} s for it"
        healthy, said = attempt(inside, Place(environment=docker.environment), left)
        if not healthy:
            return False, f"{container.name}: {said}"
    return True, said
