# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""What is true of a service in containers now; looking changes nothing."""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import Any

from .compose_containers import Container, containers
from .compose_site import ComposeSite, describe
from .fence import read_holder, running
from .releases import Release
from .switch_note import UNKNOWN


def probe(site: ComposeSite) -> dict[str, Any]:
    """Return the release that is current, the one that runs, its containers, the fence, all."""
    current, releases = site.ledger.current(), site.ledger.all()
    found = containers(site.docker, site.name, site.service.service)
    holder = read_holder(os.path.join(site.layout.state, "fence.json"))
    return {
        "release": describe(site.ledger.get(current)) if current else None,
        "running": running_release(found, releases, current),
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
    }


def running_release(
    found: list[Container], releases: list[Release], current: str | None
) -> str | None:
    """Return the release that the running containers are of; None: none runs; else `unknown`."""
    alive = {(c.image_id, c.hash) for c in found if c.running}
    if not alive:
        return None
    same = [r.id for r in releases if {(r.version, r.spec.get("hash"))} == alive]
    return current if current in same else next(iter(same), UNKNOWN)
