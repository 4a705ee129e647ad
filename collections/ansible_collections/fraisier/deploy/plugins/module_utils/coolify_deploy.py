# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""Deploying a service at Coolify: the sentence of what a deployment is."""

from __future__ import annotations

from typing import Any

from .coolify_activate import activate
from .coolify_follow import require_alone, stop_ours
from .coolify_gate import healthy
from .coolify_resource import View, bare_name
from .coolify_service import GIT, IMAGE, STACK, wanted_version
from .coolify_settings import read_now
from .coolify_site import CoolifySite, runs, version_that_runs
from .releases import FOUND, GOOD, PREPARED, Release, earlier_good, to_prune


def deploy(site: CoolifySite, version: str | None) -> None:
    """Make Coolify run a version (empty: as it is configured there). Raises Failure."""
    claim = site.enter()
    recover(site)
    view, wanted = look(site, version)
    with site.report.step("alone"):
        known = require_alone(site)
    site.previous = previous_of(site, view)
    if version and unchanged(site, view, wanted) and not claim.force:
        healthy(site)
        return
    release = _reusable(site, view, wanted)
    if release is None:
        with site.report.step("record"):
            spec = spec_of(view, wanted)
            new = site.new(wanted or "HEAD", PREPARED, claim.deployment, **spec)
            release = site.record(new, site.service.variables)
    activate(site, release, view, known)
    prune(site)


def recover(site: CoolifySite) -> None:
    """Undo what an earlier run of this machine left at Coolify, so that nothing builds on it."""
    if site.note() is not None:
        with site.report.step("recover"):
            stop_ours(site)


def spec_of(view: View, version: str) -> dict[str, Any]:
    """Return what is recorded of a release: for an image also its name, which may change."""
    if view.kind != IMAGE or version in ("", "HEAD"):
        return {"kind": view.kind}
    return {"kind": view.kind, "settings": view.settings_for(version)}


def look(site: CoolifySite, version: str | None) -> tuple[View, str]:
    """Return how things stand, and the version to deploy (empty: the newest of the branch).

    Raises Failure where Coolify does not answer, or will not let the token do what is to come.
    """
    with site.report.step("look"):
        view = site.resource.view()
        named = wanted_version(view.kind, version)
        wanted = named if view.kind == GIT else named or view.configured
        writes = bool(site.service.variables) or view.configured != wanted
        site.resource.require_abilities(writes)
    return view, wanted


def previous_of(site: CoolifySite, view: View) -> Release | None:
    """Return the release that runs. One that this machine does not know is recorded as found."""
    remembered = site.remembered()
    if not view.running or (remembered and runs(site, view, remembered)):
        return remembered
    version = version_that_runs(site, view) or "HEAD"
    known = [each for each in site.ledger.all() if each.good and each.version == version]
    if known:
        site.ledger.switch(known[0].id)
        return known[0]
    with site.report.step("adopt"):
        variables = read_now(site, site.service.variables)
        found = site.record(site.new(version, GOOD, FOUND, **spec_of(view, version)), variables)
        site.ledger.switch(found.id)
        site.report.say("adopt", f"Coolify runs {version}, which Fraisier did not deploy from here")
    return found


def same_image(view: View, release: Release) -> bool:
    """Return whether a release is of the image that is configured, where its name is recorded."""
    kept = release.spec.get("settings")
    return not kept or bare_name(kept) == view.name


def unchanged(site: CoolifySite, view: View, wanted: str) -> bool:
    """True when just what is asked for, by its version, runs already."""
    release = site.previous
    return bool(
        view.kind in (GIT, IMAGE)
        and wanted
        and release is not None
        and release.good
        and release.version == wanted == view.configured
        and same_image(view, release)
        and site.variables_of(release) == site.service.variables
        and runs(site, view, release)
    )


def _reusable(site: CoolifySite, view: View, wanted: str) -> Release | None:
    same = (
        release
        for release in site.ledger.all()
        if wanted and release.good and release.version == wanted
        and release.spec.get("kind") != STACK
        and same_image(view, release)
        and site.variables_of(release) == site.service.variables
    )  # fmt: skip
    found = next(same, None)
    site.reused = found is not None
    return found


def prune(site: CoolifySite) -> None:
    """Remove the records of releases beyond `keep_releases`."""
    with site.report.step("prune") as step:
        releases, current = site.ledger.all(), site.ledger.current()
        before = earlier_good(releases, current)
        keep = site.service.keep_releases
        for release in to_prune(releases, current, before.id if before else None, keep):
            site.fence.check()
            with site.removing("prune", release.id):
                site.ledger.remove(release.id)
                step["changed"] = True


def preview(site: CoolifySite, version: str | None) -> dict[str, Any]:
    """Say what deploying a version would change: `diff` and `unpredictable`."""
    view, wanted = look(site, version)
    site.try_enter()
    site.previous = site.remembered()
    now = read_now(site, site.service.variables)
    site.changed = not (version and unchanged(site, view, wanted))
    why = "Coolify builds or pulls, starts and looks then"
    return {
        "diff": _difference(site, view, wanted, now),
        "unpredictable": [{"step": "follow", "why": why}] if site.changed else [],
    }


def _difference(
    site: CoolifySite, view: View, wanted: str, now: dict[str, str | None]
) -> list[dict[str, str]]:
    newest = "the newest of the branch"
    plain, hidden = site.service.env_vars, site.service.secrets
    before = [f"version: {view.configured or newest}"]
    after = [f"version: {wanted or newest}"]
    for name in sorted({**plain, **hidden}):
        secret = name in hidden
        if name in now:
            before.append(f"{name}: {'(secret)' if secret or now[name] is None else now[name]}")
        after.append(f"{name}: {'(secret)' if secret else plain[name]}")
    if before == after:
        return []
    return [
        {
            "before_header": "Coolify's settings",
            "after_header": "Coolify's settings",
            "before": "\n".join(before) + "\n",
            "after": "\n".join(after) + "\n",
        }
    ]
