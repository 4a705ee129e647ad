# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""Whether a service can have colours on this host: told before anything changes."""

from __future__ import annotations

from .colour_ground import require_front, traffic
from .colours import COLOURS
from .commands import find_user
from .failure import Failure
from .seat import Seat, colour_seat
from .site import Site
from .unit_check import require_writable, works_in

UNSUITABLE = "colours_unsuitable"


def check_colours(site: Site) -> None:
    """Raise Failure where this service cannot run as two colours here."""
    require_front(site)
    service = site.service
    if site.layout.in_place:
        raise _unsuitable(
            "a checkout that is deployed in_place is one folder, and colours need two",
            "set layout: releases, or leave proxy out",
        )
    if site.systemd.scope == "user" or site.systemd.right:
        raise _unsuitable(
            "colours are units of the system that only root can write and switch",
            "set become: true and leave systemd_scope out, or leave proxy out",
        )
    if "@" in service.systemd_service:
        raise _unsuitable(
            f"{service.systemd_service} is an instance already, and a colour would be one of it",
            "choose a systemd_service without @",
        )
    for colour in COLOURS:
        _check_unit(site, colour_seat(service, site.layout, colour, 0))
    traffic().require()


def _check_unit(site: Site, seat: Seat) -> None:
    if site.service.writes_unit:
        require_writable(site, seat.unit)
        return
    state = site.systemd.show(seat.unit)
    if state.masked:
        raise state.missing("")
    if state.exists:
        _check_template(site, seat)
    else:
        name = seat.unit.partition("@")[0]
        raise _unsuitable(
            f"a colour needs a unit that Fraisier writes, or a template {name}@.service of yours",
            "name the command in exec, or make your unit a template with the folder "
            f"{seat.folder.rpartition('/')[0]}/%i",
        )


def _check_template(site: Site, seat: Seat) -> None:
    """Raise Failure where the team's own template does not start what a colour is."""
    setup, service = site.systemd.setup(seat.unit), site.service
    if not works_in(setup, seat.folder):
        raise Failure(
            "unit_unsuitable",
            f"the unit {seat.unit} does not run from {seat.folder}",
            f"let the template work in {seat.folder.rpartition('/')[0]}/%i",
        )
    if seat.environment_file not in setup.environment_files:
        folder = seat.environment_file.rpartition("/")[0]
        raise Failure(
            "environment_unread",
            f"the unit {seat.unit} does not read {seat.environment_file}, which says its port",
            f"add EnvironmentFile={folder}/%i.environment to its [Service]",
        )
    user = find_user(service.service_user)
    account = setup.user or "root"
    if account not in (user.name, str(user.uid)):
        raise Failure(
            "unit_user_differs",
            f"the unit {seat.unit} runs as {account}, and service_user is {user.name}",
            f"set service_user: {account}, or User={user.name} in the template",
        )


def _unsuitable(why: str, hint: str) -> Failure:
    return Failure(UNSUITABLE, why, hint)
