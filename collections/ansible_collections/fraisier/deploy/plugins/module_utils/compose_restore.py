# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""Going back in containers: to an earlier release, or to nothing when nothing was there."""

from __future__ import annotations

from . import compose_around
from .compose_activate import activate, healthy, runs
from .compose_balancer import out_of_balancer
from .compose_conflicts import require_no_conflicts
from .compose_containers import containers
from .compose_engine import STOP_SECONDS, Docker, last_line
from .compose_images import bring_back
from .compose_inputs import with_kept
from .compose_project import text_of
from .compose_retire import retire
from .compose_site import ComposeSite
from .compose_started import stop_started
from .failure import Failure
from .releases import BAD, Release, choose
from .wanted import Wanted


def restore(site: ComposeSite, wanted: Wanted) -> None:
    """Make the service run what is wanted; the site tells how it went. Raises Failure."""
    site.enter()
    site.sweep()
    site.previous = site.remembered()
    if wanted.nothing:
        compose_around.take_back(site)
        retire(site)
        _remove_service(site)
        stop_started(site)
        _abandon(site, None, wanted)
        return
    with site.report.step("choose"):
        release = chosen(site, wanted)
    bring_back(site, release)
    if not runs(site, release):
        require_startable(site, release)
    _abandon(site, release, wanted)
    compose_around.take_back(site)  # in the files of the release that is left
    site.install_files(release.spec.get("files"))
    current, stands = site.previous.id if site.previous else None, runs(site, release)
    if release.good and current == release.id and stands:
        healthy(site)
        retire(site)
        return
    site.reused = True
    if not stands:
        take_back_inputs(site, release)
    with out_of_balancer(site):
        activate(site, release, went_live=False)
    retire(site)


def chosen(site: ComposeSite, wanted: Wanted) -> Release:
    """Return the release to go back to, or raise Failure."""
    current = site.previous.id if site.previous else None
    return choose(site.ledger.all(), current, wanted.to, wanted.version)


def require_startable(site: ComposeSite, release: Release) -> None:
    """Raise Failure where a recorded release cannot be brought up."""
    project, environment = site.stored(release.id)
    require_no_conflicts(site, project, Docker(environment["variables"]).environment)


def take_back_inputs(site: ComposeSite, release: Release) -> None:
    """Let a release that is started have the mounted files that it had, where others are there now.

    A file that containers may write to, and that is not as the release that is left found it, has
    their data: it stays.
    """
    kept = release.spec.get("inputs") or {}
    left = site.ledger.get(site.previous.id) if site.previous else None
    project, environment = site.stored(release.id)
    before = text_of(project)
    gone = with_kept(project, kept, (left.spec.get("inputs") if left else None) or {})
    if text_of(project) != before:
        site.fence.check()
        site.write(release.id, project, environment)
        site.report.say("files", "mounted files have changed since: the release has its own copies")
    if gone:
        text = f"as they are now, for want of a copy or written to since: {', '.join(gone)}"
        site.around["warnings"].append(text)
        site.report.say("files", text)


def _remove_service(site: ComposeSite) -> None:
    """Stop and remove the service's containers; volumes and networks stay."""
    with site.report.step("remove") as step:
        site.fence.check()
        ids = [c.id for c in containers(site.docker, site.name, site.service.service)]
        for words in (["stop", "--", *ids], ["rm", "--", *ids]) if ids else ():
            site.changed = step["changed"] = True
            finished = site.docker.do(*words, timeout=STOP_SECONDS)
            if finished.code != 0:
                raise Failure(
                    "stop_failed",
                    f"{site.service.service} could not be stopped: {last_line(finished.output)}",
                    "see its containers: docker ps --all",
                    finished.output,
                )
        if site.previous is not None:
            site.ledger.forget_current()
            site.changed = site.switched = step["changed"] = True


def _abandon(site: ComposeSite, release: Release | None, wanted: Wanted) -> None:
    left = site.ledger.get(site.previous.id) if site.previous else None
    if wanted.mark_bad and left is not None and (release is None or left.id != release.id):
        site.ledger.mark(left, BAD)
