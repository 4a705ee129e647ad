# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""The service that a run is about: what the provider's configuration says, checked once."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from typing import Any, Mapping, Sequence

from . import envfile, unit
from .check import Check
from .failure import Failure
from .health import parse
from .paths import check_app_path, check_shared_paths
from .releases import IN_PLACE

#: The types of services that come to an end.
JOBS = ("scheduled", "etl", "backup")

Command = Any  # a string for /bin/sh, or an argument list


@dataclass(frozen=True)
class Service:
    """One service on one host. Times in seconds; `env_vars` are plain, `secrets` are not."""

    fraise: str
    environment: str
    repository: str
    app_path: str
    layout: str
    systemd_service: str
    systemd_scope: str
    service_user: str
    build: Sequence[Command]
    build_timeout: float
    exec: Sequence[str]
    env_vars: Mapping[str, str]
    secrets: Mapping[str, str] = field(repr=False)
    shared: Sequence[str]
    check: Check
    keep_releases: int
    around: Mapping[str, Any] = field(default_factory=dict, repr=False)
    type: str = "api"
    schedule: str | None = None
    run_now: bool = False
    run_timeout: float = 3600.0

    @property
    def writes_unit(self) -> bool:
        """True when the unit is Fraisier's to write."""
        return bool(self.exec)

    @property
    def is_job(self) -> bool:
        """True for a service that comes to an end: it is run, by a timer or when asked to."""
        return self.type in JOBS

    def variables(self, version: str, release: str) -> dict[str, str]:
        """Return what the service and its build commands find in their environment."""
        return {
            **self.env_vars,
            **self.secrets,
            "FRAISIER_FRAISE": self.fraise,
            "FRAISIER_ENVIRONMENT": self.environment,
            "FRAISIER_VERSION": version,
            "FRAISIER_RELEASE": release,
        }

    def spec(self) -> dict[str, Any]:
        """Return what makes two releases of one version the same; it holds no secret."""
        return {
            "repository": self.repository,
            "layout": self.layout,
            "systemd_service": self.systemd_service,
            "service_user": self.service_user,
            "build": [
                command if isinstance(command, str) else list(command) for command in self.build
            ],
            "exec": list(self.exec),
            "env_vars": dict(self.env_vars),
            "shared": list(self.shared),
            **self._job(),
        }

    def _job(self) -> dict[str, Any]:
        if not self.is_job:
            return {}
        schedule = self.schedule if self.type == "scheduled" else None
        return {"type": self.type, "schedule": schedule, "run_timeout": self.run_timeout}

    def unit_text(self, current: str, environment_file: str) -> str | None:
        """Return the unit for a release; None when the unit is not ours to write."""
        if not self.writes_unit:
            return None
        if self.is_job:
            return unit.render_job(
                description=f"{self.fraise} ({self.environment})",
                user=None if self.systemd_scope == "user" else self.service_user,
                current=current,
                environment=environment_file,
                command=self.exec,
                seconds=self.run_timeout,
            )
        return unit.render(
            description=f"{self.fraise} ({self.environment})",
            user=None if self.systemd_scope == "user" else self.service_user,
            current=current,
            environment=environment_file,
            command=self.exec,
        )


def from_options(options: Mapping[str, Any], secrets: Mapping[str, str] | None) -> Service:
    """Return a Service from the `service` option of a module; raises Failure `service_invalid`."""
    service = Service(
        fraise=options["fraise"],
        environment=options["environment"],
        repository=options["repository"],
        app_path=options["app_path"],
        layout=options["layout"],
        systemd_service=options["systemd_service"] or f"{options['service_name']}.service",
        systemd_scope=options["systemd_scope"],
        service_user=options["service_user"],
        build=tuple(options["build"] or ()),
        build_timeout=options["build_timeout"],
        exec=tuple(options["exec"] or ()),
        env_vars=dict(options["env_vars"] or {}),
        secrets=dict(secrets or {}),
        shared=tuple(options["shared"] or ()),
        check=parse(
            options["health_check"], options["min_healthy_time"], options["healthy_deadline"]
        ),
        keep_releases=options["keep_releases"],
        around=dict(options.get("around") or {}),
        type=options.get("type") or "api",
        schedule=options.get("schedule"),
        run_now=bool(options.get("run_now")),
        run_timeout=options.get("run_timeout") or 3600.0,
    )
    _check(service)
    return service


def argument_list(command: Command) -> list[str]:
    """Return a build command as the argument list that is run: strings go to `/bin/sh -e`."""
    if isinstance(command, str):
        return ["/bin/sh", "-e", "-c", command]
    return [str(argument) for argument in command]


def shown(command: Command) -> str:
    """Return a build command as a person would type it."""
    return command if isinstance(command, str) else shlex.join(map(str, command))


def _check(service: Service) -> None:
    problems = [("app_path", check_app_path(service.app_path))]
    for at, problem in check_shared_paths(service.shared):
        problems.append((f"shared {service.shared[at]!r}", problem))
    if not unit.UNIT_NAME.match(service.systemd_service):
        problems.append(("systemd_service", "must be a unit's name that ends in .service"))
    if service.layout == IN_PLACE and service.shared:
        problems.append(("shared", "has no meaning with the layout in_place: files stay anyway"))
    if service.is_job and service.writes_unit is False and service.type == "scheduled":
        problems.append(("exec", "is missing: Fraisier writes the unit of a scheduled service"))
    if service.type == "scheduled" and not unit.SCHEDULE.match(service.schedule or ""):
        problems.append(("schedule", "must be a time as systemd's OnCalendar has it"))
    if service.keep_releases < 2:
        problems.append(("keep_releases", "must be at least 2: the current one and the last good"))
    for name, value in {**service.env_vars, **service.secrets}.items():
        if not envfile.NAME.match(name) or "\0" in str(value):
            problems.append((f"env_vars {name!r}", "must have a plain name and no NUL character"))
    for what, problem in problems:
        if problem:
            raise Failure("service_invalid", f"{what} {problem}", f"correct {what.split()[0]}")
