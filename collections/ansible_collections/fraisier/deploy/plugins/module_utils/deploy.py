# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""Deploying a version on this host: the sentence of what a deployment is."""

from __future__ import annotations

from .activate import activate, check_unit, pass_gate, runs
from .commands import User
from .failure import Failure
from .git_url import SHA
from .prepare import prepare, wanted_files
from .releases import Release, earlier_good, to_prune
from .site import Site, require_programs


def deploy(site: Site, version: str) -> None:
    """Make the host run `version` (a full SHA); the site tells how it went. Raises Failure."""
    require_sha(version)
    require_programs()
    user = site.enter()
    sweep(site)
    site.previous = remembered(site)
    if site.previous is not None and unchanged(site, site.previous, version):
        pass_gate(site, site.previous, user, fresh=False)
        return
    with site.report.step("check unit"):
        check_unit(site)
    release = reusable(site, version) or _prepared(site, version, user)
    activate(site, release, user)
    prune(site)


def preview(site: Site, version: str) -> None:
    """Say whether a deployment would change this host, and change nothing."""
    require_sha(version)
    site.previous = remembered(site)
    site.changed = site.previous is None or not unchanged(site, site.previous, version)


def require_sha(version: str | None) -> None:
    """Raise Failure `version_invalid` unless this is a full commit SHA."""
    if not SHA.match(version or ""):
        raise Failure(
            "version_invalid",
            f"version {version!r} is not a full 40-character commit SHA",
            "resolve it first: fraisier.deploy.git_version",
        )


def sweep(site: Site) -> None:
    """Remove what an earlier run left half-made."""
    with site.report.step("sweep") as step:
        swept = site.ledger.sweep()
        step["changed"] = bool(swept)
        if swept:
            site.report.say("sweep", "removed half-made releases: " + ", ".join(swept))


def remembered(site: Site) -> Release | None:
    """Return the current release; one whose record is lost has status `unknown`."""
    current = site.ledger.current()
    if current is None:
        return None
    return site.ledger.get(current) or Release(current, "", "", "unknown", 0.0)


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


def reusable(site: Site, version: str) -> Release | None:
    """Return a release on the disk that need not be built again."""
    found = next((r for r in site.ledger.all() if same(site, r, version)), None)
    site.reused = found is not None
    return found


def prune(site: Site) -> None:
    """Remove releases beyond `keep_releases`."""
    ledger, keep = site.ledger, site.service.keep_releases
    with site.report.step("prune") as step:
        releases, current = ledger.all(), ledger.current()
        before = earlier_good(releases, current)
        for release in to_prune(releases, current, before.id if before else None, keep):
            site.fence.check()
            ledger.remove(release.id)
            step["changed"] = True


def _prepared(site: Site, version: str, user: User) -> Release:
    site.fence.check()
    return prepare(site, version, site.claim.deployment, user)
