# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""Going back at Coolify: to an earlier release, or to nothing when nothing was there."""

from __future__ import annotations

import time
from typing import Any

from .coolify_activate import activate
from .coolify_deploy import recover, spec_of
from .coolify_follow import require_alone
from .coolify_gate import healthy
from .coolify_resource import View
from .coolify_service import STACK, wanted_version
from .coolify_settings import change_for
from .coolify_site import CoolifySite, runs
from .failure import Failure
from .releases import BAD, PREPARED, Release, choose
from .wanted import Wanted


def restore(site: CoolifySite, wanted: Wanted) -> None:
    """Make Coolify run what is wanted; the site tells how it went. Raises Failure."""
    site.enter()
    recover(site)
    with site.report.step("look"):
        view = site.resource.view()
    with site.report.step("alone"):
        known = require_alone(site)
    site.previous = site.remembered()
    if wanted.nothing:
        _stop(site, view)
        _abandon(site, None, wanted)
        return
    with site.report.step("choose"):
        release = chosen(site, view, wanted)
    _abandon(site, release, wanted)
    site.reused = True
    current = site.previous.id if site.previous else None
    stands = release.good and current == release.id and runs(site, view, release)
    if stands and (view.kind == STACK or release.version == view.configured):
        change_for(site, view, release, site.variables_of(release)).make(site)
        healthy(site)
        return
    activate(site, release, view, known, went_live=False)


def chosen(site: CoolifySite, view: View, wanted: Wanted) -> Release:
    """Return the release to go back to, or raise Failure.

    A version that this machine has no record of, but Coolify can have, gets one.
    """
    current = site.previous.id if site.previous else None
    try:
        release = choose(site.ledger.all(), current, wanted.to, wanted.version)
    except Failure as failure:
        if failure.code != "release_not_found" or wanted.to or view.kind == STACK:
            raise
        version = wanted_version(view.kind, wanted.version)
        if not version:
            raise
        deployment = site.claim.deployment if site.claim else ""
        new = site.new(version, PREPARED, deployment, **spec_of(view, version))
        return site.record(new, site.service.variables)
    if view.kind != STACK and release.version == "HEAD":
        raise Failure(
            "nothing_to_restore",
            "Coolify did not tell which version the earlier release is",
            "deploy a version by its name instead",
        )
    return release


def preview_restore(site: CoolifySite, wanted: Wanted) -> dict[str, Any]:
    """Say what going back would change."""
    view = site.resource.view()
    site.previous = site.remembered()
    if wanted.nothing:
        site.changed = view.running
        return {"diff": [], "unpredictable": []}
    releases, current = site.ledger.all(), site.previous.id if site.previous else None
    release = choose(releases, current, wanted.to, wanted.version)
    site.changed = release.id != current
    entry = {
        "before_header": "Coolify's settings",
        "after_header": "Coolify's settings",
        "before": f"version: {view.configured}\n",
        "after": f"version: {release.version}\n",
    }
    why = "Coolify builds or pulls, starts and looks then"
    return {
        "diff": [entry] if view.configured != release.version else [],
        "unpredictable": [{"step": "follow", "why": why}] if site.changed else [],
    }


def _stop(site: CoolifySite, view: View) -> None:
    """Stop what runs, and see that it has stopped; nothing is removed at Coolify."""
    with site.report.step("stop") as step:
        site.fence.check()
        if view.running:
            site.changed = step["changed"] = True
            site.resource.stop()
            limit = time.monotonic() + site.service.deadline
            while site.resource.view().running:
                if time.monotonic() >= limit:
                    raise Failure(
                        "stop_failed",
                        f"{site.service} still runs after {site.service.deadline:g} s",
                        "stop it in Coolify",
                    )
                time.sleep(site.service.poll_interval)
        if site.previous is not None:
            site.ledger.forget_current()
            site.changed = site.switched = step["changed"] = True


def _abandon(site: CoolifySite, release: Release | None, wanted: Wanted) -> None:
    left = site.ledger.get(site.previous.id) if site.previous else None
    if wanted.mark_bad and left is not None and (release is None or left.id != release.id):
        site.ledger.mark(left, BAD)
