# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""A dry run: every check that can be done, what would change, and what nobody can know before."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from typing import Any

from . import colours, differences, envfile, in_place
from .activate import runs
from .colour_pair import runs_in
from .commands import User
from .deploy import same, served_before
from .differences import Entry
from .git_mirror import Mirror
from .host_check import check_ground, check_host
from .releases import PREPARED, Release, choose
from .restore import Wanted
from .seat import colour_seat, live_seat, unit_text
from .site import Site, describe, remembered, require_sha


def deployment(site: Site, version: str) -> dict[str, Any]:
    """Return what deploying a version would change here: `release`, `diff`, `unpredictable`."""
    require_sha(version)
    user = check_host(site)
    site.try_enter()
    current, site.previous = remembered(site), served_before(site)
    if current is not None and same(site, current, version) and _runs(site, current):
        return _told(describe(current), [], [])
    site.changed = True
    made = {
        "id": None,
        "version": version,
        "status": PREPARED,
        "deployment": site.claim.deployment,
    }
    variables = {**site.service.env_vars, **site.service.secrets}
    diff = [
        *_unit_diff(site, site.unit_text),
        *_environment_diff(site, current, variables, site.service.env_vars),
        *_files_diff(site, current, version, user),
    ]
    told = _told(made, diff, _unpredictable(site))
    found = in_place.to_be_adopted(site, user) if site.layout.in_place else None
    return {**told, "previous": found} if found else told


def promotion(site: Site) -> dict[str, Any]:
    """Return what promoting would change here: `release`, `diff`, `unpredictable`."""
    check_ground(site)
    site.fence.examine(site.claim)
    site.previous = remembered(site)
    record = colours.read(site.layout.state)
    staged = site.ledger.get((record and record.release_of(record.staged)) or "")
    site.changed = staged is not None
    return _told(describe(staged or site.previous), [], [])


def way_back(site: Site, wanted: Wanted) -> dict[str, Any]:
    """Return what going back would change here: `release`, `diff`, `unpredictable`."""
    user = check_ground(site)
    site.fence.examine(site.claim)
    site.previous = current = remembered(site)
    if wanted.nothing:
        site.changed = current is not None
        unit = _unit_diff(site, "") if site.unit_text is not None else []
        return _told(None, unit, [])
    release = choose(site.ledger.all(), current.id if current else None, wanted.to, wanted.version)
    if site.layout.in_place:
        in_place.require_way(site, release.version, user)
    if release.good and current and current.id == release.id and _runs(site, release):
        return _told(describe(release), [], [])
    site.changed = True
    environment, unit_text = site.ledger.stored(release.id)
    variables = envfile.read(environment or "")
    diff = [
        *_unit_diff(site, unit_text),
        *_environment_diff(site, current, variables, release.spec.get("env_vars", {})),
        *_files_diff(site, current, release.version, user),
    ]
    return _told(describe(release), diff, _unpredictable(site))


def _runs(site: Site, release: Release) -> bool:
    """True when the service is up with a release, where it serves on this host."""
    if not site.coloured:
        return runs(site, release)
    record = colours.read(site.layout.state)
    return bool(record and record.live) and runs_in(
        site, live_seat(site.service, site.layout), release
    )


def _told(
    release: dict[str, Any] | None, diff: list[Entry], unpredictable: list[dict[str, str]]
) -> dict[str, Any]:
    return {"release": release, "diff": diff, "unpredictable": unpredictable}


def _unit_diff(site: Site, text: str | None) -> list[Entry]:
    name = site.service.systemd_service
    if text is None:
        return []
    if site.coloured and text:
        name, text = _idle_unit(site)
    before = site.systemd.installed_text(name) or ""
    return differences.of_text(site.systemd.unit_path(name), before, text)


def _idle_unit(site: Site) -> tuple[str, str]:
    """Return the name and the text of the unit that would be started as the idle colour."""
    record = colours.read(site.layout.state)
    idle = record.idle if record else colours.BLUE
    seat = colour_seat(site.service, site.layout, idle, 0)
    wanted = Release("", "", "", PREPARED, 0.0, spec=site.service.spec())
    return seat.unit, unit_text(site.service, wanted, seat) or ""


def _environment_diff(
    site: Site, current: Release | None, variables: dict[str, str], plain: Any
) -> list[Entry]:
    text = site.ledger.stored(current.id)[0] if current else None
    plain_before = current.spec.get("env_vars", {}) if current else {}
    return differences.of_environments(text or "", variables, plain_before, plain)


def _files_diff(site: Site, current: Release | None, version: str, user: User) -> list[Entry]:
    if site.source.pushed:
        return []
    with site.report.step("fetch"), _repository(site, user, version) as repository:
        repository.fetch(version)
        before = current.version if current else None
        if site.layout.in_place:
            before = in_place.require_room(site, repository, version, user)
        return differences.of_commits(repository, before or None, version)


def _repository(site: Site, user: User, sha: str) -> AbstractContextManager[Mirror]:
    """Return a repository that borrows from the one that is here; nothing is written to that."""
    if not site.layout.in_place:
        objects = os.path.join(site.layout.repo, "objects")
        there = objects if os.path.isdir(objects) else None
        return differences.borrowed(there, site.source.access, None, sha)
    checkout = in_place.checkout_of(site, user)
    return differences.borrowed(checkout.objects(), checkout.access, checkout.owner, sha)


def _unpredictable(site: Site) -> list[dict[str, str]]:
    service = site.service
    found = []
    if site.source.pushed:
        found.append(("unpack", "the files are pushed to the host only when they are deployed"))
    if service.build:
        found.append(("build", f"the build commands ({len(service.build)}) are not run"))
    found.append(("restart", f"{service.systemd_service} is not restarted"))
    found.append(("gate", f"the health check ({service.check.type}) would ask what serves now"))
    return [{"step": step, "why": why} for step, why in found]
