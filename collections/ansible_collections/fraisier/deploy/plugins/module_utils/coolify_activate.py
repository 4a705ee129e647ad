# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""Making a release the one that Coolify runs: settings, deployment, gate."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from .coolify_answers import OPEN, REFUSED
from .coolify_follow import follow, require_finished, trigger
from .coolify_gate import healthy
from .coolify_resource import View
from .coolify_service import GIT
from .coolify_settings import Change, change_for, put_back
from .coolify_site import CoolifySite, uuids_of
from .failure import Failure
from .judge import mark_of
from .releases import BAD, Release

#: Failures that are the release's own fault.
GUILTY = ("deployment_failed", "deployment_timeout", "health_check_failed")
#: Failures of a request for a deployment that began none.
NOT_BEGUN = (*REFUSED, "deployment_under_way", "queue_full")
#: How many of Coolify's deployments are remembered of one release.
REMEMBERED = 20


def activate(
    site: CoolifySite, release: Release, view: View, known: list[str], went_live: bool = True
) -> Release:
    """Make a release current, have Coolify deploy it, pass the gate, and mark it good.

    From the moment that a deployment is asked for the release counts as switched: what Coolify
    leaves running when it fails is not certain, and is put right by going back. Before that, the
    settings are put back as they were.
    """
    change = None
    try:
        with site.report.step("configure") as step:
            site.fence.check()
            change = change_for(site, view, release, site.variables_of(release))
            site.begin(known, change.undo)
            step["changed"] = change.needed
            change.make(site)
        with site.report.step("trigger") as step:
            release = site.switch(release, went_live)
            uuid = trigger(site, known)
            site.changed = step["changed"] = True
    except Failure as failure:
        if change is not None and _is_not_begun(site, failure):
            _take_back(site, change, failure)
        raise
    if uuid is None:
        site.add_to_note(ended=True)
    else:
        uuids = [*uuids_of(release), uuid][-REMEMBERED:]
        spec = {**release.spec, "uuid": uuid, "uuids": uuids}
        release = site.ledger.write(replace(release, spec=spec))
    try:
        if uuid is not None:
            release = _followed(site, release, view, uuid)
        healthy(site, fresh=True)
    except Failure as failure:
        if failure.code == "health_check_failed":  # the same tag may be another image now
            site.switched = True
        if failure.code in GUILTY:
            site.ledger.mark(site.ledger.get(release.id) or release, BAD)
        raise
    release = site.ledger.mark(release, mark_of(site, release))
    site.ended()
    return release


def _is_not_begun(site: CoolifySite, failure: Failure) -> bool:
    """Return whether Coolify began no deployment: it gets the request after the settings."""
    asked = (site.note() or {}).get("asked", True)
    return failure.code in NOT_BEGUN or (failure.code in OPEN and not asked)


def _take_back(site: CoolifySite, change: Change, failure: Failure) -> None:
    """Undo everything before the request; say so, or leave it to the next run."""
    if site.switched:
        site.unswitch()
    with suppress(Failure):
        put_back(site)
        site.ended()
        if change.can_be_undone:
            site.changed = False
            failure.message += "; nothing was changed at Coolify"


def _followed(site: CoolifySite, release: Release, view: View, uuid: str) -> Release:
    with site.report.step("follow"):
        done = follow(site, uuid)
        if view.kind == GIT and done.commit not in ("", "HEAD", release.version):
            release = site.ledger.write(replace(release, version=done.commit))
        require_finished(site, done)
    return release
