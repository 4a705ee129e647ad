# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""What is true of a service at Coolify now; looking changes nothing."""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import Any

from .coolify_site import CoolifySite, describe, last_finished, version_of, version_that_runs
from .fence import read_holder, running
from .switch_note import UNKNOWN


def probe(site: CoolifySite) -> dict[str, Any]:
    """Return the release that is current, the one that runs, Coolify's word, the fence, all."""
    current, releases = site.ledger.current(), site.ledger.all()
    view = site.resource.view()
    holder = read_holder(os.path.join(site.layout.state, "fence.json"))
    state, _colon, health = view.status.partition(":")
    under_way = [each.uuid for each in site.resource.deployments() if each.under_way]
    return {
        "release": describe(site.ledger.get(current)) if current else None,
        "running": _running(site, view.running and version_that_runs(site, view), current),
        "containers": [
            {
                "name": site.service.uuid,
                "image": ":".join(filter(None, (view.name, view.configured or "newest"))),
                "state": state,
                "health": health or None,
                "restarts": 0,
            }
        ],
        "under_way": under_way,
        "fence": {**asdict(holder), "running": running(holder)} if holder else None,
        "releases": [
            {
                "id": release.id,
                "version": release.version,
                "status": release.status,
                "deployed_at": release.deployed_at,
                "uuid": release.spec.get("uuid"),
            }
            for release in releases
        ],
    }


def stand_on_what_runs(site: CoolifySite) -> None:
    """Make the good release current whose version Coolify deployed last, where it is known.

    The release of a run that was cut short is current here, but may never have run.
    """
    view, good, current = site.resource.view(), last_finished(site), site.remembered()
    version = version_of(site, view, good) if good is not None else ""
    if current is None or not view.running or version in ("", current.version):
        return
    found = next((r for r in site.ledger.all() if r.good and r.version == version), None)
    if found is not None:
        site.ledger.switch(found.id)


def _running(site: CoolifySite, version: str | bool, current: str | None) -> str | None:
    """Return the release of the version that runs; None: nothing runs; else `unknown`."""
    if version is False:
        return None
    same = [release.id for release in site.ledger.all() if release.version == version]
    return current if current in same else next(iter(same), UNKNOWN)
