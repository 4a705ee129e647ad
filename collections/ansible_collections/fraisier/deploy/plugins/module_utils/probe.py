# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""What is true on this host now; looking changes nothing."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from . import colours, in_place, systemd
from .failure import Failure
from .fence import read_holder
from .fence import running as is_running
from .ledger import Ledger
from .observe import UNKNOWN, running_release
from .proxy import Proxy
from .releases import Layout, Release
from .seat import unit_of
from .site import describe


def probe(layout: Layout, unit: str, manager: systemd.Manager = systemd.SYSTEM) -> dict[str, Any]:
    """Return the release that is current, the one that runs, the unit, the fence, all releases.

    With colours these are the live one's, and `colours` is their record and their `weights`; else
    None. `checkout` is of a checkout its `head` and the files that were changed in it; else None.
    """
    ledger, record = Ledger(layout), colours.read(layout.state)
    state = manager.show(unit_of(unit, record.live) if record and record.live else unit)
    current = (record and record.release_of(record.live)) or ledger.current()
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
        "colours": {**record.as_dict(), "weights": weights(record.backend)} if record else None,
    }


def weights(backend: str) -> dict[str, int] | None:
    """Return what each colour gets of the traffic now; None where the proxy does not answer."""
    try:
        return Proxy().weights(backend)
    except (Failure, OSError):
        return None


def _line(release: Release) -> dict[str, Any]:
    return {
        "id": release.id,
        "version": release.version,
        "status": release.status,
        "deployed_at": release.deployed_at,
    }
