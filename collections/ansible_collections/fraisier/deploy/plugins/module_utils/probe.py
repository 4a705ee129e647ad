# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""What is true on this host now; looking changes nothing."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from . import systemd
from .fence import read_holder, running
from .ledger import Ledger
from .observe import running_release
from .releases import Layout, Release
from .site import describe


def probe(layout: Layout, unit: str) -> dict[str, Any]:
    """Return the release that is current, the one that runs, the unit, the fence, all releases."""
    state, ledger = systemd.show(unit), Ledger(layout)
    current = ledger.current()
    holder = read_holder(layout.state + "/fence.json")
    return {
        "release": describe(ledger.get(current)) if current else None,
        "running": running_release(layout, state),
        "unit": {
            "name": state.name,
            "active_state": state.active_state,
            "sub_state": state.sub_state,
            "main_pid": state.main_pid,
            "n_restarts": state.n_restarts,
        },
        "fence": {**asdict(holder), "running": running(holder)} if holder else None,
        "releases": [_line(release) for release in ledger.all()],
    }


def _line(release: Release) -> dict[str, Any]:
    return {
        "id": release.id,
        "version": release.version,
        "status": release.status,
        "deployed_at": release.deployed_at,
    }
