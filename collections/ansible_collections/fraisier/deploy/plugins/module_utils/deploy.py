# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""Deploying a version on this host: the sentence of what a deployment is."""

from __future__ import annotations

from . import balancer, colours, in_place, release_around
from .activate import activate, pass_gate, runs
from .colour_retire import retire
from .commands import User
from .failure import Failure
from .host_check import check_host
from .prepare import prepare, wanted_files
from .releases import Release, earlier_good, to_prune
from .site import Site, remembered, require_sha


def deploy(site: Site, version: str) -> None:
    """Make the host run `version` (a full SHA); the site tells how it went. Raises Failure."""
    require_sha(version)
    user = check_host(site)
    site.enter(user)
    sweep(site)
    take_over(site, user)
    current, site.previous = remembered(site), served_before(site)
    if current is not None and unchanged(site, current, version):
        pass_gate(site, current, user, fresh=False)
        return
    release = reused(site, version) or _prepared(site, version, user)
    try:
        make_ready(site, release, user)
        with balancer.drained(site, user):
            activate(site, release, user)
        retire(site)
    except (Failure, OSError):
        if not site.switched:  # nobody else will take it back
            release_around.take_back(site, user)
        raise
    prune(site, user)


def make_ready(site: Site, release: Release, user: User) -> None:
    """Do what comes before a release serves; a checkout is not the release's yet."""
    if site.layout.in_place:
        release_around.save(site, release, user)
    else:
        release_around.before(site, release, user)


def take_over(site: Site, user: User) -> None:
    """Record what is checked out already, where the service has a checkout."""
    if site.layout.in_place:
        in_place.adopt(site, in_place.checkout_of(site, user))


def served_before(site: Site) -> Release | None:
    """Return the release to go back to: the current one, or a good one before it if it is not."""
    current = remembered(site)
    if current is None or current.good:
        return current
    earlier = earlier_good(site.ledger.all(), current.id)
    return earlier or (None if current.only_found else current)


def sweep(site: Site) -> None:
    """Remove what an earlier run left half-made."""
    with site.report.step("sweep") as step:
        swept = site.ledger.sweep(lambda release: site.removing("sweep", release))
        step["changed"] = bool(swept)
        if swept:
            site.report.say("sweep", "removed half-made releases: " + ", ".join(swept))


def same(site: Site, release: Release, version: str) -> bool:
    """True for a good release that deploying `version` now would only make again."""
    return (
        release.good
        and release.version == version
        and release.spec == site.service.spec()
        and site.ledger.stored(release.id) == wanted_files(site, version, release.id)
    )


def unchanged(site: Site, release: Release, version: str) -> bool:
    """True when the host runs just what is asked for."""
    return same(site, release, version) and runs(site, release)


def reused(site: Site, version: str) -> Release | None:
    """Return a release on the disk that need not be built again."""
    if site.layout.in_place:
        return None
    found = next((r for r in site.ledger.all() if same(site, r, version)), None)
    site.reused = found is not None
    return found


def prune(site: Site, user: User) -> None:
    """Remove releases beyond `keep_releases`."""
    ledger, keep = site.ledger, site.service.keep_releases
    with site.report.step("prune") as step:
        releases, current = ledger.all(), ledger.current()
        before = earlier_good(releases, current)
        running = colours.running(site.layout.state)
        for release in to_prune(releases, current, before.id if before else None, keep):
            if release.id in running:
                continue
            site.fence.check()
            with site.removing("prune", release.id):
                if site.layout.in_place:
                    in_place.checkout_of(site, user).forget(release.id)
                ledger.remove(release.id)
                step["changed"] = True


def _prepared(site: Site, version: str, user: User) -> Release:
    site.fence.check()
    if site.layout.in_place:
        return in_place.prepare(site, version, in_place.checkout_of(site, user))
    return prepare(site, version, site.claim.deployment, user)
