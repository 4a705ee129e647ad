# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""The service that a run is about, as a Compose file describes it: options, checked once."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from typing import Any, Mapping

from . import envfile
from .check import Check
from .compose_names import TAKEN
from .failure import Failure
from .health import parse

PULL = ("always", "missing", "never")
PROJECT = re.compile(r"[a-z0-9][a-z0-9_-]{0,99}\Z")
SERVICE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}\Z")
TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}\Z")
CONTENT = re.compile(r"sha256:[0-9a-f]{64}\Z")


@dataclass(frozen=True)
class ComposeService:
    """One service of a Compose file. Times in seconds; `env_vars` are plain, `secrets` are not.

    `min_healthy` None: as the check says; `project_name` None: as Compose names the project.
    `registries` has user and password of each.
    """

    fraise: str
    environment: str
    file: str
    service: str
    project_name: str | None
    env_vars: Mapping[str, str]
    secrets: Mapping[str, str] = field(repr=False)
    pull: str
    build_timeout: float
    pull_timeout: float
    check: Check
    min_healthy: float | None
    keep_releases: int
    registries: Mapping[str, tuple[str, str]] = field(default_factory=dict, repr=False)
    around: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def variables(self, version: str) -> dict[str, str]:
        """Return what the Compose file may refer to; `version` empty: nobody named one."""
        ours = {"FRAISIER_FRAISE": self.fraise, "FRAISIER_ENVIRONMENT": self.environment}
        if version:
            ours["FRAISIER_VERSION"] = version
        return {**self.env_vars, **self.secrets, **ours}


def from_options(
    options: Mapping[str, Any],
    secrets: Mapping[str, str] | None = None,
    passwords: Mapping[str, str] | None = None,
) -> ComposeService:
    """Return the service of a module's options; raises Failure `service_invalid`."""
    health = options["health_check"] or {"type": "docker"}
    service = ComposeService(
        fraise=options["fraise"],
        environment=options["environment"],
        file=options["docker_compose_file"],
        service=options["service"],
        project_name=options["project_name"],
        env_vars={name: str(value) for name, value in (options["env_vars"] or {}).items()},
        secrets={name: str(value) for name, value in (secrets or {}).items()},
        pull=options["pull"],
        build_timeout=options["build_timeout"],
        pull_timeout=options["pull_timeout"],
        check=parse(health, options["min_healthy_time"], options["healthy_deadline"]),
        min_healthy=options["min_healthy_time"],
        keep_releases=options["keep_releases"],
        registries=_logins(options.get("registries") or {}, passwords or {}),
        around=dict(options.get("around") or {}),
    )
    _check(service)
    return service


def _logins(users: Mapping[str, Any], passwords: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Return the logins of which there is a password; a port's colon may have come as a slash."""
    found = {name.replace("/", ":"): str(password) for name, password in passwords.items()}
    return {name: (str(user), found[name]) for name, user in users.items() if name in found}


def check_version(version: str | None) -> str:
    """Return the version as text, empty for none; raises Failure unless it is a tag or digest."""
    if not version:
        return ""
    if TAG.match(version) or CONTENT.match(version):
        return version
    raise Failure(
        "version_invalid",
        f"version {version!r} is neither an image's tag nor a digest",
        "name a tag such as 1.4.2, or a digest: sha256: and 64 hexadecimal digits",
    )


def _check(service: ComposeService) -> None:
    problems = []
    if not os.path.isabs(service.file):
        problems.append(("docker_compose_file", "must be an absolute path"))
    if not SERVICE.match(service.service):
        problems.append(("service", "must be the name of a service in the file"))
    if service.project_name is not None and not PROJECT.match(service.project_name):
        problems.append(("project_name", "must be small letters, digits, - and _"))
    if service.keep_releases < 2:
        problems.append(("keep_releases", "must be at least 2: the current one and the last good"))
    for name, value in {**service.env_vars, **service.secrets}.items():
        if not envfile.NAME.match(name) or "\0" in value:
            problems.append((f"env_vars {name!r}", "must have a plain name and no NUL character"))
        elif TAKEN.fullmatch(name):
            problems.append((f"env_vars {name!r}", "is read by Docker itself; use another name"))
    for what, problem in problems:
        raise Failure("service_invalid", f"{what} {problem}", f"correct {what.split()[0]}")
