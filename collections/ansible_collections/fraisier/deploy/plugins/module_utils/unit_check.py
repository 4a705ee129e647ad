# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""Whether the unit that is there can run what will be deployed: told before anything changes."""

from __future__ import annotations

import re

from . import unit
from .commands import User, find_user
from .failure import Failure
from .releases import Layout
from .service import Service
from .site import Site
from .systemd import UnitSetup


def check_unit(site: Site) -> None:
    """Raise Failure where there is no unit, or one that this deployment could not work with."""
    if site.service.writes_unit:
        require_writable(site, site.service.systemd_service)
        return
    name = site.service.systemd_service
    state = site.systemd.show(name)
    if not state.exists:
        raise state.missing("install it, or name the command in exec and Fraisier writes the unit")
    user = find_user(site.service.service_user)
    check_setup(site.systemd.setup(name), site.service, site.layout, user)


def require_writable(site: Site, name: str) -> None:
    """Raise Failure where a unit that is to be written is somebody else's."""
    text, state = site.systemd.installed_text(name), site.systemd.show(name)
    if state.masked:
        raise state.missing("")
    path = site.systemd.unit_path(name) if text is not None else None
    path = path or state.fragment_path
    if path and not (text is not None and unit.is_ours(text)):
        raise Failure(
            "unit_not_ours",
            f"the unit {name} was not written by Fraisier ({path})",
            "leave exec out to use that unit as it is, or choose another systemd_service",
        )


def check_setup(setup: UnitSetup, service: Service, layout: Layout, user: User) -> None:
    """Raise Failure where somebody's own unit does not fit the service's configuration."""
    name = service.systemd_service
    if not layout.in_place and not works_in(setup, layout.current):
        raise Failure(
            "unit_unsuitable",
            f"the unit {name} does not run from {layout.current}: it says {_told(setup)}",
            f"set layout: in_place if {layout.app_path} is the service's checkout; or let the unit "
            f"work in {layout.current}; or set exec, and Fraisier writes a unit of its own",
        )
    wanted = service.env_vars or service.secrets
    if wanted and layout.environment not in setup.environment_files:
        raise Failure(
            "environment_unread",
            f"env_vars are configured, and the unit {name} does not read {layout.environment}",
            f"add EnvironmentFile=-{layout.environment} to its [Service], best in the drop-in "
            f"50-fraisier.conf: fraisier setup {service.fraise} {service.environment} writes it",
        )
    account = setup.user or "root"
    if service.systemd_scope == "system" and account not in (user.name, str(user.uid)):
        raise Failure(
            "unit_user_differs",
            f"the unit {name} runs as {account}, and service_user is {service.service_user}",
            f"set service_user: {account}, or User={service.service_user} in the unit",
        )


def works_in(setup: UnitSetup, folder: str) -> bool:
    """True where a unit's folder or commands are in that folder."""
    inside = re.compile(re.escape(folder) + r"(?![\w.@+-])")
    return bool(inside.search(f"{setup.working_directory}\n{setup.commands}"))


def _told(setup: UnitSetup) -> str:
    started = re.search(r"argv\[\]=(.*?) ;", setup.commands)
    command = f"ExecStart={started[1] if started else ''}"
    folder = setup.working_directory
    return f"WorkingDirectory={folder}, {command}" if folder else command
