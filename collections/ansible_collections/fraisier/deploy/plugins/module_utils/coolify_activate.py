# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""Making a release the one that Coolify runs: settings, deployment, gate."""

from __future__ import annotations

from dataclasses import replace

from .coolify_answers import REFUSED
from .coolify_follow import follow, require_finished, trigger
from .coolify_gate import healthy
from .coolify_resource import View
from .coolify_service import GIT
from .coolify_settings import configure, put_back
from .coolify_site import CoolifySite
from .failure import Failure
from .releases import BAD, GOOD, Release

#: Failures that are the release's own fault.
GUILTY = ("deployment_failed", "deployment_timeout", "health_check_failed")
#: Failures of a request for a deployment that began none.
NOT_BEGUN = (*REFUSED, "deployment_under_way")


def activate(
    site: CoolifySite, release: Release, view: View, known: list[str], went_live: bool = True
) -> Release:
    """Make a release current, have Coolify deploy it, pass the gate, and mark it good.

    From the moment that a deployment is asked for the release counts as switched: what Coolify
    leaves running when it fails is not certain, and is put right by going back. Before that, the
    settings are put back as they were.
    """
    variables = site.variables_of(release)
    version = "" if release.version == "HEAD" else release.version
    try:
        with site.report.step("configure") as step:
            site.fence.check()
            step["changed"] = configure(site, view, version, variables)
        with site.report.step("trigger") as step:
            release = site.switch(release, went_live)
            uuid = trigger(site, known)
            site.changed = step["changed"] = True
    except Failure as failure:
        if failure.code in NOT_BEGUN:
            if site.switched:
                site.unswitch()
            put_back(site, variables)
        raise
    release = site.ledger.write(replace(release, spec={**release.spec, "uuid": uuid}))
    try:
        if uuid is not None:
            release = _followed(site, release, view, uuid)
        healthy(site, fresh=True)
    except Failure as failure:
        if failure.code in GUILTY:
            site.ledger.mark(site.ledger.get(release.id) or release, BAD)
        raise
    finally:
        if uuid is None:
            site.ended()
    return site.ledger.mark(release, GOOD)


def _followed(site: CoolifySite, release: Release, view: View, uuid: str) -> Release:
    with site.report.step("follow"):
        done = follow(site, uuid)
        if view.kind == GIT and done.commit not in ("", "HEAD", release.version):
            release = site.ledger.write(replace(release, version=done.commit))
        require_finished(done)
    return release
