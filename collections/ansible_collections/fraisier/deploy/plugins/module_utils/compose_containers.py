# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""The containers of a service as the engine shows them, and the watch over them during a check."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Callable, Collection, Mapping, Sequence

from .compose_engine import Docker
from .redaction import last_part

PROJECT_LABEL = "com.docker.compose.project"
SERVICE_LABEL = "com.docker.compose.service"
HASH_LABEL = "com.docker.compose.config-hash"
NEEDS_LABEL = "com.docker.compose.depends_on"
ONCE_LABEL = "com.docker.compose.oneoff"
PASSING = re.compile(r"([0-9a-f]{12})_(.+)")


@dataclass(frozen=True)
class Container:
    """A container; `image_id` is its content, `image` how it is called, `hash` its configuration.

    `state`: created, running, restarting, paused, exited, dead. `health`: empty where the image
    and the file have no check, else starting, healthy or unhealthy, with what was last seen.
    `needs`: the services that its own one depends on, None where Compose did not write them down.
    """

    id: str
    name: str
    service: str
    image: str
    image_id: str
    hash: str
    state: str
    exit_code: int
    health: str
    seen: str
    restarts: int
    started_at: str
    needs: tuple[str, ...] | None = ()

    @property
    def running(self) -> bool:
        """True while its process runs."""
        return self.state == "running"

    def shown(self) -> dict[str, Any]:
        """Return it in the shape the modules return."""
        return {
            "name": self.name,
            "image": self.image,
            "state": self.state,
            "health": self.health or None,
            "restarts": self.restarts,
        }


def containers(docker: Docker, project: str, service: str | None = None) -> list[Container]:
    """Return the containers of a project, or of one of its services, by name."""
    labels = [f"{PROJECT_LABEL}={project}", f"{ONCE_LABEL}=False"]
    labels += [f"{SERVICE_LABEL}={service}"] if service else []
    filters = [word for label in labels for word in ("--filter", f"label={label}")]
    ids = docker.ask("ps", "--all", "--quiet", "--no-trunc", *filters).out.split()
    return inspect(docker, ids)


def names_taken(docker: Docker) -> set[str]:
    """Return the names of all containers of this engine."""
    return set(docker.ask("ps", "--all", "--format", "{{.Names}}").out.replace(",", "\n").split())


def half_replaced(
    found: Sequence[Container], taken: Callable[[], Collection[str]] = tuple
) -> list[tuple[Container, str | None]]:
    """Return what a Compose that broke off left in a project, with what to do about it.

    Compose makes a container's successor as `<id>_<name>`, after the one that it replaces, removes
    that and renames. With a name: the old one is gone, so it is to be renamed; None: the old one
    is there, so it is to be removed. Where somebody else has the name by now (`taken` returns those
    of the engine), it stays: Compose replaces it under another name. A dead container cannot start
    any more, so it is to be removed.
    """
    names = {container.name for container in found}
    left: list[tuple[Container, str | None]] = []
    for container in found:
        match = PASSING.fullmatch(container.name)
        if container.state == "dead":
            left.append((container, None))
        elif match and not container.running:
            others = [c for c in found if c is not container]
            old_is_there = match[2] in names or any(c.id.startswith(match[1]) for c in others)
            if old_is_there or match[2] not in taken():
                left.append((container, None if old_is_there else match[2]))
    return left


def inspect(docker: Docker, ids: Sequence[str]) -> list[Container]:
    """Return these containers by name; those that are gone are left out."""
    if not ids:
        return []
    found = docker.ask_json("inspect", "--type", "container", "--", *ids)
    return sorted((parse(data) for data in found), key=lambda container: container.name)


def parse(data: Mapping[str, Any]) -> Container:
    """Read what `docker inspect` says of a container."""
    state, config = data["State"], data["Config"]
    labels = config.get("Labels") or {}
    health = state.get("Health") or {}
    log = health.get("Log") or [{}]
    return Container(
        id=data["Id"],
        name=data["Name"].lstrip("/"),
        service=labels.get(SERVICE_LABEL, ""),
        image=config.get("Image", ""),
        image_id=data["Image"],
        hash=labels.get(HASH_LABEL, ""),
        state=state["Status"],
        exit_code=state.get("ExitCode", 0),
        health="" if health.get("Status") in (None, "none") else health["Status"],
        seen=last_part(str(log[-1].get("Output", "")).strip(), 200),
        restarts=data.get("RestartCount", 0),
        started_at=state.get("StartedAt", ""),
        needs=_needs(labels.get(NEEDS_LABEL)),
    )


def _needs(label: str | None) -> tuple[str, ...] | None:
    """Return the services in a label such as `db:service_started:false,cache:…`."""
    if label is None:
        return None
    return tuple(each.partition(":")[0] for each in label.split(",") if each)


def judge(before: Container, now: Container | None, restarts: int) -> str | None:
    """Say what is wrong with a container that had so many restarts; None: nothing."""
    if now is None:
        return f"{before.name} is gone"
    if now.restarts > restarts:
        times = now.restarts - restarts
        return f"{now.name} ended and was restarted {times} time{'s' if times > 1 else ''}"
    if now.state in ("exited", "dead", "restarting"):
        return f"{now.name} ended: exit status {now.exit_code}"
    if before.running and now.running and now.started_at != before.started_at:
        return f"{now.name} was restarted by somebody else during the check"
    if now.health == "unhealthy" and before.health != "unhealthy":
        return f"{now.name} is unhealthy: {now.seen or 'its own check failed'}"
    return None


class ContainerWatch:
    """Notices that a container of a service ended, restarted or is gone since it was first seen.

    `fresh` is for containers that were made or started just now: they have not restarted yet.
    """

    def __init__(self, docker: Docker, seen: Sequence[Container], fresh: bool) -> None:
        self._docker = docker
        self._seen = {container.id: container for container in seen}
        self._restarts = {c.id: 0 if fresh else c.restarts for c in seen}

    def look(self) -> dict[str, Container]:
        """Return the containers as they are now, by id."""
        return {c.id: c for c in inspect(self._docker, list(self._seen))}

    def __call__(self, thorough: bool = False) -> str | None:
        """Say what is wrong with the first container that something is wrong with."""
        now = self.look()
        found = (judge(c, now.get(id), self._restarts[id]) for id, c in self._seen.items())
        return next((wrong for wrong in found if wrong), None)
