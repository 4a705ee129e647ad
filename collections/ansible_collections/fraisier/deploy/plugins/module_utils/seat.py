# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""A seat: where a service runs on a host. A plain service has one, one with colours has two."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from typing import Mapping
from urllib.parse import urlsplit

from . import colours
from .check import Check
from .releases import Layout, Release
from .service import Service
from .unit import render


@dataclass(frozen=True)
class Seat:
    """A unit, the folder that it works in, the check that is asked of it.

    `environment` comes on top of the release's own; `environment_file` holds both.
    """

    unit: str
    folder: str
    check: Check
    environment_file: str
    environment: Mapping[str, str] = field(default_factory=dict)


def plain_seat(service: Service, layout: Layout) -> Seat:
    """Return the seat of a service without colours."""
    return Seat(service.systemd_service, layout.current, service.check, layout.environment)


def colour_seat(service: Service, layout: Layout, colour: str, port: int) -> Seat:
    """Return the seat of a colour, which listens on its own port."""
    return Seat(
        unit=unit_of(service.systemd_service, colour),
        folder=os.path.join(layout.app_path, colour),
        check=check_on(service.check, port),
        environment_file=os.path.join(layout.state, f"{colour}.environment"),
        environment={"PORT": str(port), "FRAISIER_COLOUR": colour},
    )


def live_seat(service: Service, layout: Layout) -> Seat:
    """Return the seat that serves on this host now: the live colour's, where there are colours."""
    record = colours.read(layout.state)
    if record is None or record.live is None:
        return plain_seat(service, layout)
    return colour_seat(service, layout, record.live, record.ports[record.live])


def unit_of(systemd_service: str, colour: str) -> str:
    """Return the unit of a colour: `my-api@blue.service` for `my-api.service`."""
    return f"{systemd_service[: -len('.service')]}@{colour}.service"


def check_on(check: Check, port: int) -> Check:
    """Return a check that asks the same of another port."""
    if check.type == "tcp":
        return replace(check, port=port)
    if check.type != "http":
        return check
    url = urlsplit(check.url)
    account, at, host = url.netloc.rpartition("@")
    name = host if host.endswith("]") else host.rpartition(":")[0] or host
    return replace(check, url=url._replace(netloc=f"{account}{at}{name}:{port}").geturl())


def unit_text(service: Service, release: Release, seat: Seat) -> str | None:
    """Return the unit that runs a release in a seat; None where the unit is the team's own.

    The command and the user are the release's, so that a way back starts what ran then.
    """
    command = release.spec.get("exec")
    if not command:
        return None
    colour = seat.environment.get("FRAISIER_COLOUR", "")
    return render(
        description=f"{service.fraise} ({service.environment}) {colour}".rstrip(),
        user=release.spec.get("service_user") or service.service_user,
        current=seat.folder,
        environment=seat.environment_file,
        command=command,
    )
