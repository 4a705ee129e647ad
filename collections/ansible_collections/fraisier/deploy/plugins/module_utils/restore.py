# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""Going back on this host: to an earlier release, or to nothing when nothing was there."""

from __future__ import annotations

from dataclasses import dataclass

from . import systemd
from .activate import activate, pass_gate, runs
from .deploy import remembered, sweep
from .releases import BAD, Release, choose
from .site import Site


@dataclass(frozen=True)
class Wanted:
    """Where to go back to: a release id, the newest good release of a version, or nothing at all.

    All of them unset means the release that served before. `mark_bad`: the one that is left
    failed, and is no candidate for a later way back.
    """

    to: str | None = None
    version: str | None = None
    nothing: bool = False
    mark_bad: bool = False


def restore(site: Site, wanted: Wanted) -> None:
    """Make the host run what is wanted; the site tells how it went. Raises Failure."""
    user = site.enter()
    sweep(site)
    site.previous = remembered(site)
    if wanted.nothing:
        _remove_service(site)
        _abandon(site, None, wanted)
        return
    with site.report.step("choose"):
        current = site.previous.id if site.previous else None
        release = choose(site.ledger.all(), current, wanted.to, wanted.version)
    _abandon(site, release, wanted)
    if release.good and current == release.id and runs(site, release):
        pass_gate(site, release, user, fresh=False)
        return
    site.reused = True
    activate(site, release, user, went_live=False)


def preview(site: Site, wanted: Wanted) -> None:
    """Say whether going back would change this host, and change nothing."""
    site.previous = remembered(site)
    if wanted.nothing:
        site.changed = site.previous is not None
        return
    current = site.previous.id if site.previous else None
    site.changed = choose(site.ledger.all(), current, wanted.to, wanted.version).id != current


def _remove_service(site: Site) -> None:
    name = site.service.systemd_service
    with site.report.step("remove") as step:
        site.fence.check()
        if site.service.writes_unit:
            step["changed"] = systemd.remove(name)
        elif site.previous is not None:
            systemd.systemctl("stop", "--", name, timeout=60)
        if site.previous is not None:
            site.ledger.forget_current()
            site.switched = True
            step["changed"] = True
        site.changed = bool(step["changed"])


def _abandon(site: Site, release: Release | None, wanted: Wanted) -> None:
    left = site.ledger.get(site.previous.id) if site.previous else None
    if wanted.mark_bad and left is not None and (release is None or left.id != release.id):
        site.ledger.mark(left, BAD)
