# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""Making a release the one that runs: switch, restart, gate."""

from __future__ import annotations

import time
from dataclasses import replace

from . import gate, in_place, oneshot, release_around
from .commands import User
from .failure import Failure
from .health import Place
from .judge import mark_of, unhealthy
from .observe import UNKNOWN, running_release
from .prepare import command_environment
from .releases import BAD, Release
from .seat import Seat, plain_seat
from .site import Site
from .unit_check import check_unit

#: Failures that are the release's own fault.
GUILTY = (
    "build_failed", "start_failed", "health_check_failed", "smoke_failed", "hook_failed",
    "migration_failed", "job_failed",
)  # fmt: skip


def activate(site: Site, release: Release, user: User, went_live: bool = True) -> Release:
    """Switch to a release, restart the service, pass the gate, and mark the release good.

    A release that does not start or pass is marked bad. `went_live`: record the time of it.
    """
    with site.report.step("switch") as step:
        release = _switch(site, release, user, step, went_live)
    try:
        if site.layout.in_place:
            in_place.build_here(site, release, user)
            if went_live:
                release_around.before(site, release, user)
        restart(site, release)
        pass_gate(site, release, user, fresh=True)
        if went_live:
            release_around.smoke(site, release, user)
            release_around.after(site, release, user)
    except Failure as failure:
        if failure.code in GUILTY:
            site.ledger.mark(release, BAD)
        raise
    return site.ledger.mark(release, mark_of(site, release))


def _switch(
    site: Site, release: Release, user: User, step: dict[str, object], went_live: bool
) -> Release:
    site.fence.check()
    current = site.ledger.current()
    site.changed = site.changed or site.layout.in_place or current != release.id
    if went_live and current != release.id:
        release = replace(release, deployed_at=time.time(), previous=current)
        site.ledger.write(release)
    if current != release.id:
        site.switched = True
        step["changed"] = True
    if site.layout.in_place:
        in_place.move(site, release, user)
    elif current != release.id:
        site.ledger.switch(release.id)
    return release


def restart(site: Site, release: Release) -> None:
    """Put the release's unit in place when it has one, and restart the service."""
    if site.service.is_job:
        oneshot.install(site, release)
        return
    name = site.service.systemd_service
    with site.report.step("restart") as step:
        site.fence.check()
        text = site.ledger.stored(release.id)[1]
        if text is not None:
            check_unit(site)
        site.changed = step["changed"] = True
        if text is not None:
            site.systemd.install(name, text)
        start_unit(site, name)


def start_unit(site: Site, name: str) -> None:
    """Have a unit started anew; raises Failure `start_failed`."""
    site.restarted_at = time.time()
    limit = site.service.check.deadline + 35  # the old process may take 30 s to stop
    finished = site.systemd.restart(name, limit)
    if finished.code != 0:
        why = f"it took longer than {limit:g} s" if finished.timed_out else _reason(site, name)
        raise Failure(
            "start_failed",
            f"{name} did not start: {why}",
            "read the log of the service; try its command on the host as its user",
            finished.output + site.systemd.journal(name, site.restarted_at),
        )


def _reason(site: Site, name: str) -> str:
    state = site.systemd.show(name)
    return f"{state.active_state} ({state.result}, exit status {state.exit_status})"


def pass_gate(
    site: Site, release: Release, user: User, fresh: bool, seat: Seat | None = None
) -> None:
    """Run the health gate; raises Failure `health_check_failed`. `fresh`: just restarted.

    `seat`: where the release runs; the service's own one when left out.
    """
    service = site.service
    if service.is_job:
        oneshot.pass_gate(site, release, fresh)
        return
    seat = seat or plain_seat(service, site.layout)
    check = seat.check if fresh else replace(seat.check, delay=0.0, min_healthy=0.0)
    with site.report.step("gate"):
        environment = command_environment(site, release.version, release.id, user)
        place = Place(user, seat.folder, {**environment, **seat.environment})
        verdict = gate.require_healthy(check, place, seat.unit, fresh, site.systemd)
        site.gate = verdict.as_dict()
        if not verdict.passed:
            where = f"{service.fraise} ({release.version[:12]})"
            log = site.systemd.journal(seat.unit, site.restarted_at)
            running = site.systemd.show(seat.unit).active
            unhealthy(site, gate.failure(verdict, where, log), running)


def runs(site: Site, release: Release) -> bool:
    """True when the service is up, from this release, under the unit that belongs to it."""
    if site.service.is_job:
        return oneshot.runs(site, release)
    text = site.ledger.stored(release.id)[1]
    name = site.service.systemd_service
    if text is not None and site.systemd.installed_text(name) != text:
        return False
    state = site.systemd.show(name)
    if not state.active or (site.layout.in_place and not in_place.is_at(site, release)):
        return False
    found = running_release(site.layout, state)
    unseen = not (site.layout.in_place and state.main_pid)  # a checkout tells by its process
    return found == release.id or (found == UNKNOWN and unseen)
