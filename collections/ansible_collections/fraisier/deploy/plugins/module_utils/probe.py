# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""What is true on this host now; looking changes nothing."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from . import in_place, systemd
from .fence import read_holder
from .fence import running as is_running
from .ledger import Ledger
from .observe import UNKNOWN, running_release
from .releases import Layout, Release
from .site import describe


def probe(layout: Layout, unit: str, manager: systemd.Manager = systemd.SYSTEM) -> dict[str, Any]:
    """Return the release that is current, the one that runs, the unit, the fence, all releases.

    Of a checkout also its `head` and the files that were changed in it; else `checkout` is None.
    """
    state, ledger = manager.show(unit), Ledger(layout)
    current = ledger.current()
    release = ledger.get(current) if current else None
    holder = read_holder(layout.state + "/fence.json")
    checkout = in_place.look(layout) if layout.in_place else None
    running = running_release(layout, state)
    if checkout and release and running == release.id and checkout["head"] != release.version:
        running = UNKNOWN  # somebody moved the checkout, before the process started or after
    return {
        "release": describe(release),
        "running": running,
        "checkout": checkout,
        "unit": {
            "name": state.name,
            "active_state": state.active_state,
            "sub_state": state.sub_state,
            "main_pid": state.main_pid,
            "n_restarts": state.n_restarts,
        },
        "fence": {**asdict(holder), "running": is_running(holder)} if holder else None,
        "releases": [_line(release) for release in ledger.all()],
    }


def _line(release: Release) -> dict[str, Any]:
    return {
        "id": release.id,
        "version": release.version,
        "status": release.status,
        "deployed_at": release.deployed_at,
    }
