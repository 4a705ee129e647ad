# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""Going back on this host: to an earlier release, or to nothing when nothing was there."""

from __future__ import annotations

from . import balancer, in_place, oneshot, release_around
from .activate import activate, pass_gate, runs
from .colour_retire import retire
from .commands import User
from .deploy import sweep
from .host_check import check_ground
from .releases import BAD, Release, choose
from .site import Site, remembered
from .wanted import Wanted


def restore(site: Site, wanted: Wanted) -> None:
    """Make the host run what is wanted; the site tells how it went. Raises Failure."""
    user = check_ground(site)
    site.enter(user)
    sweep(site)
    site.previous = remembered(site)
    if wanted.nothing:
        release_around.take_back(site, user)
        _remove_service(site, user)
        _abandon(site, None, wanted)
        return
    with site.report.step("choose"):
        current = site.previous.id if site.previous else None
        release = choose(site.ledger.all(), current, wanted.to, wanted.version)
        if site.layout.in_place:
            in_place.require_way(site, release.version, user)
    _abandon(site, release, wanted)
    release_around.take_back(site, user)
    if release.good and current == release.id and runs(site, release):
        pass_gate(site, release, user, fresh=False)
        return
    site.reused = True
    with balancer.drained(site, user):
        activate(site, release, user, went_live=False)
    retire(site)


def _remove_service(site: Site, user: User) -> None:
    name = site.service.systemd_service
    with site.report.step("remove") as step:
        site.fence.check()
        oneshot.remove_timer(site)
        if site.unit_text is not None:
            step["changed"] = site.systemd.remove(name)
        elif site.previous is not None:
            site.systemd.tell("stop", name, timeout=60)
        if site.previous is not None:
            if site.layout.in_place:
                in_place.give_back(site, user)
            site.ledger.forget_current()
            site.switched = True
            step["changed"] = True
        site.changed = bool(step["changed"])


def _abandon(site: Site, release: Release | None, wanted: Wanted) -> None:
    left = site.ledger.get(site.previous.id) if site.previous else None
    if wanted.mark_bad and left is not None and (release is None or left.id != release.id):
        site.ledger.mark(left, BAD)
