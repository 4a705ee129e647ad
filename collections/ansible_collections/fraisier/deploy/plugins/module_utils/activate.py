# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""Making a release the one that runs: switch, restart, gate."""

from __future__ import annotations

import os
import time
from dataclasses import replace

from . import gate, systemd, unit
from .commands import User
from .failure import Failure
from .health import Place
from .observe import UNKNOWN, running_release
from .prepare import command_environment
from .releases import BAD, GOOD, Release
from .site import Site

_GUILTY = ("start_failed", "health_check_failed")  # failures that are the release's own fault


def activate(site: Site, release: Release, user: User, went_live: bool = True) -> Release:
    """Switch to a release, restart the service, pass the gate, and mark the release good.

    A release that does not start or pass is marked bad. `went_live`: record the time of it.
    """
    with site.report.step("switch") as step:
        release = _switch(site, release, step, went_live)
    try:
        restart(site, release)
        pass_gate(site, release, user, fresh=True)
    except Failure as failure:
        if failure.code in _GUILTY:
            site.ledger.mark(release, BAD)
        raise
    return site.ledger.mark(release, GOOD)


def _switch(site: Site, release: Release, step: dict[str, object], went_live: bool) -> Release:
    site.fence.check()
    site.changed = True
    current = site.ledger.current()
    if went_live and current != release.id:
        release = replace(release, deployed_at=time.time(), previous=current)
        site.ledger.write(release)
    if current != release.id:
        site.ledger.switch(release.id)
        site.switched = True
        step["changed"] = True
    return release


def restart(site: Site, release: Release) -> None:
    """Put the release's unit in place when it has one, and restart the service."""
    name = site.service.systemd_service
    with site.report.step("restart") as step:
        site.fence.check()
        site.changed = True
        step["changed"] = True
        site.restarted_at = time.time()
        text = site.ledger.stored(release.id)[1]
        if text is not None:
            _install(site, name, text)
        systemd.systemctl("reset-failed", "--", name)
        limit = site.service.check.deadline + 35  # the old process may take 30 s to stop
        finished = systemd.systemctl("restart", "--", name, timeout=limit)
        if finished.code != 0:
            why = f"it took longer than {limit:g} s" if finished.timed_out else _reason(name)
            raise Failure(
                "start_failed",
                f"{name} did not start: {why}",
                "read the log of the service; try its command on the host as its user",
                finished.output + systemd.journal(name, site.restarted_at),
            )


def _install(site: Site, name: str, text: str) -> None:
    check_unit(site)
    if systemd.install(name, text):
        systemd.systemctl("daemon-reload")
    if not os.path.lexists(f"{systemd.UNIT_FOLDER}/multi-user.target.wants/{name}"):
        systemd.systemctl("enable", "--", name)


def _reason(name: str) -> str:
    state = systemd.show(name)
    return f"{state.active_state} ({state.result}, exit status {state.exit_status})"


def check_unit(site: Site) -> None:
    """Raise Failure when the unit is missing, or somebody else's where ours is to be written."""
    name = site.service.systemd_service
    if not site.service.writes_unit:
        if not systemd.show(name).exists:
            raise Failure(
                "unit_missing",
                f"there is no unit {name} on the host",
                "install it, or name the command in exec and Fraisier writes the unit",
            )
        return
    text = systemd.installed_text(name)
    path = systemd.unit_path(name) if text is not None else systemd.show(name).fragment_path
    if path and not (text is not None and unit.is_ours(text)):
        raise Failure(
            "unit_not_ours",
            f"the unit {name} was not written by Fraisier ({path})",
            "leave exec out to use that unit as it is, or choose another systemd_service",
        )


def pass_gate(site: Site, release: Release, user: User, fresh: bool) -> None:
    """Run the health gate; raises Failure `health_check_failed`. `fresh`: just restarted."""
    service = site.service
    check = service.check if fresh else replace(service.check, delay=0.0, min_healthy=0.0)
    with site.report.step("gate"):
        environment = command_environment(site, release.version, release.id, user)
        place = Place(user, site.layout.current, environment)
        verdict = gate.require_healthy(check, place, service.systemd_service, fresh)
        site.gate = verdict.as_dict()
        if not verdict.passed:
            where = f"{service.fraise} ({release.version[:12]})"
            log = systemd.journal(service.systemd_service, site.restarted_at)
            raise gate.failure(verdict, where, log)


def runs(site: Site, release: Release) -> bool:
    """True when the service is up, from this release, under the unit that belongs to it."""
    text = site.ledger.stored(release.id)[1]
    name = site.service.systemd_service
    if text is not None and systemd.installed_text(name) != text:
        return False
    state = systemd.show(name)
    return state.active and running_release(site.layout, state) in (release.id, UNKNOWN)
