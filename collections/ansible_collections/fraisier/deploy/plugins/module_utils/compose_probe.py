# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""What is true of a service in containers now; looking changes nothing."""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import Any

from . import colours
from .compose_containers import Container, containers
from .compose_names import colour_name
from .compose_site import ComposeSite, content_of, describe
from .fence import read_holder, running
from .probe import weights
from .releases import Release
from .switch_note import UNKNOWN


def probe(site: ComposeSite) -> dict[str, Any]:
    """Return the release that is current, the one that runs, its containers, the fence, all."""
    current, releases = site.ledger.current(), site.ledger.all()
    record, found = colours.read(site.layout.state), serving(site)
    if record and record.live:
        current = record.release_of(record.live) or current
    holder = read_holder(os.path.join(site.layout.state, "fence.json"))
    return {
        "release": describe(site.ledger.get(current)) if current else None,
        "running": running_release(found, releases, current)
        if not (record and record.live)
        else _running_colour(found, releases, current),
        "containers": [container.shown() for container in found],
        "fence": {**asdict(holder), "running": running(holder)} if holder else None,
        "releases": [
            {
                "id": release.id,
                "version": release.version,
                "status": release.status,
                "deployed_at": release.deployed_at,
                "image": release.spec.get("image"),
            }
            for release in releases
        ],
        "project": site.name,
        "colours": {**record.as_dict(), "weights": weights(record.backend)} if record else None,
    }


def serving(site: ComposeSite) -> list[Container]:
    """Return the containers of the service; with colours, those of the one that serves."""
    return containers(site.docker, site.name, serving_name(site))


def serving_name(site: ComposeSite) -> str:
    """Return what the service is called in its project; with colours, the one that serves."""
    record, service = colours.read(site.layout.state), site.service.service
    return colour_name(service, record.live) if record and record.live else service


def _running_colour(
    found: list[Container], releases: list[Release], current: str | None
) -> str | None:
    alive = {c.image_id for c in found if c.running}
    if not alive:
        return None
    images = {content_of(r) for r in releases if r.id == current}
    return current if alive == images else UNKNOWN


def running_release(
    found: list[Container], releases: list[Release], current: str | None
) -> str | None:
    """Return the release that the running containers are of; None: none runs; else `unknown`."""
    alive = {(c.image_id, c.hash) for c in found if c.running}
    if not alive:
        return None
    same = [r.id for r in releases if {(content_of(r), r.spec.get("hash"))} == alive]
    return current if current in same else next(iter(same), UNKNOWN)
