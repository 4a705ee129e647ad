# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""Making a release of containers the one that runs: switch, up, gate."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from typing import Any, Collection, Mapping, Sequence

from . import compose_around, gate
from .commands import Finished
from .compose_containers import Container, containers, half_replaced, names_taken
from .compose_engine import STOP_SECONDS, Docker, compose, last_line, output_of
from .compose_gate import require_healthy
from .compose_images import name_again
from .compose_project import image_of, replicas
from .compose_site import ComposeSite, content_of
from .compose_started import note_first
from .failure import Failure
from .judge import mark_of, unhealthy
from .releases import BAD, Release
from .seat import check_on

#: Failures that are the release's own fault.
GUILTY = ("start_failed", "health_check_failed", "smoke_failed", "hook_failed")
LOG_LINES = 20


def activate(site: ComposeSite, release: Release, went_live: bool = True) -> Release:
    """Make a release current, bring its containers up, pass the gate, and mark it good.

    A release that does not start or pass is marked bad. `went_live`: record the time of it.
    """
    with site.report.step("switch") as step:
        release = _switch(site, release, step, went_live)
    try:
        if went_live or not runs(site, release):  # going back may find it as it was
            release = bring_up(site, release)
        healthy(site, fresh=True)
        if went_live:
            compose_around.smoke(site, release)
            compose_around.after(site, release)
    except Failure as failure:
        if failure.code in GUILTY:
            site.ledger.mark(release, BAD)
        raise
    return site.ledger.mark(release, mark_of(site, release))


def _switch(site: ComposeSite, release: Release, step: dict[str, Any], went_live: bool) -> Release:
    site.fence.check()
    current = site.ledger.current()
    if current == release.id:
        return release
    site.changed = True
    if went_live:
        release = site.ledger.write(replace(release, deployed_at=time.time(), previous=current))
    site.ledger.switch(release.id)
    site.switched = True
    step["changed"] = True
    return release


def bring_up(site: ComposeSite, release: Release) -> Release:
    """Bring the service and what it needs up, from the record of the release alone."""
    service = site.service.service
    run_up(site, release, service, site.layout.file_of(release.id))
    return record_hashes(site, release, plain=True)


def record_hashes(site: ComposeSite, release: Release, plain: bool) -> Release:
    """Record the configuration hashes of the containers that were brought up for a release.

    `hash` is that of its service, where it runs without colours (`plain`); `needs` has those of
    the services that it needs.
    """
    found, own = containers(site.docker, site.name), site.service.service
    names = set(site.stored(release.id)[0]["services"])
    hashes = {c.service: c.hash for c in found if c.service in names}
    mine = hashes.pop(own, "")
    release.spec.update({"hash": mine} if plain else {})
    release.spec["needs"] = hashes
    return site.ledger.write(release)


def run_up(site: ComposeSite, release: Release, service: str, file: str) -> None:
    """Bring a service up, and what it needs, as a resolved file says; raises Failure."""
    project, environment = site.stored(release.id)
    docker, folder = Docker(environment["variables"]), site.layout.state
    words = ["--no-build", "--pull", "never", "--"]
    plain = {site.service.service} - {service}  # as a colour it is called otherwise
    with site.report.step("up") as step:
        limit = site.service.check.deadline + STOP_SECONDS
        begin = [*compose(file, folder, site.name), "--env-file", os.devnull, "up"]
        with site.alone(limit):
            if site.fence.holder is not None:  # else the caller keeps deployments out
                site.fence.check()
                name_again(site, release, project)
            note_first(site, set(project["services"]) - {site.service.service, service})
            site.changed = step["changed"] = True
            finished = Finished(0, "")
            broken = _tidy(site, {service, *project["services"]} - plain)
            if broken:
                anew = ["--no-start", "--no-deps", "--force-recreate"]
                finished = docker.do(*begin, *anew, *words, *broken, timeout=limit)
            if finished.code == 0:
                finished = docker.do(*begin, "--detach", *words, service, timeout=limit)
        if finished.code != 0:
            why = f"it took longer than {limit:g} s"
            why = why if finished.timed_out else last_line(finished.output)
            raise Failure(
                "start_failed",
                f"{service} did not start: {why}",
                "read the log; a port may be taken, or the image's command may be wrong",
                finished.output + logs(site, service),
            )
        site.report.say("up", output_of(["compose", "up", "--detach", *words, service], finished))


def _tidy(site: ComposeSite, services: Collection[str]) -> list[str]:
    """Put right what was left where Compose broke off while it made or replaced containers.

    Returns the services that have containers which never ran: these may lack their configs and
    secrets, so they are to be made anew.
    """
    found = containers(site.docker, site.name)
    broken = half_replaced(found, lambda: names_taken(site.docker))
    for container, name in broken:
        words = ["rename", container.id, name] if name else ["rm", "--force", "--", container.id]
        finished = site.docker.do(*words, timeout=STOP_SECONDS)
        why = "" if finished.code == 0 else f" could not be put right: {last_line(finished.output)}"
        site.report.say("up", f"{container.name}, left where Compose broke off{why}")
    left = containers(site.docker, site.name) if broken else found
    return sorted({c.service for c in left if c.state == "created" and c.service in services})


def healthy(
    site: ComposeSite, fresh: bool = False, name: str | None = None, port: int | None = None
) -> None:
    """Run the health gate; raises Failure `health_check_failed`. `fresh`: just brought up.

    `name` and `port`: the service under another name, asked on another port.
    """
    service, name = site.service, name or site.service.service
    check = service.check if fresh else replace(service.check, delay=0.0, min_healthy=0.0)
    check = check_on(check, port) if port else check
    with site.report.step("gate"):
        found = containers(site.docker, site.name, name)
        verdict = require_healthy(site.docker, check, service.min_healthy, found, fresh)
        site.gate = verdict.as_dict()
        if not verdict.passed:
            images = ", ".join(sorted({container.image for container in found}))
            where = f"{service.fraise} ({images or 'no container'})"
            now = containers(site.docker, site.name, name)
            running = bool(now) and all(container.running for container in now)
            unhealthy(site, gate.failure(verdict, where, logs(site, name)), running)


def logs(site: ComposeSite, name: str | None = None) -> str:
    """Return the last lines that the containers of a service said, by default of the own one."""
    told = []
    for container in containers(site.docker, site.name, name or site.service.service):
        said = site.docker.do("logs", "--tail", str(LOG_LINES), "--", container.id, timeout=30)
        told.append(f"{container.name}:\n{said.output}")
    return "\n".join(told)


def runs(site: ComposeSite, release: Release) -> bool:
    """True when the release's containers are up as `docker compose up` would leave them.

    So is all that they need.
    """
    project, _environment = site.stored(release.id)
    own, found = site.service.service, containers(site.docker, site.name)
    mine = [container for container in found if container.service == own]
    wanted = [c.running and c.image_id == content_of(release) for c in mine]
    same = [c.hash == release.spec.get("hash") for c in mine]
    many = len(mine) == replicas(project, own)
    return bool(mine) and many and all(wanted) and all(same) and needed_run(site, release, found)


def needed_run(site: ComposeSite, release: Release, found: Sequence[Container]) -> bool:
    """True when all that a release's service needs runs as the release was brought up with it."""
    project, _environment = site.stored(release.id)
    names = set(project["services"]) - {site.service.service}
    return all(_stands(release, project, name, found) for name in names)


def _stands(
    release: Release, project: Mapping[str, Any], name: str, found: Sequence[Container]
) -> bool:
    """True when a service that another needs runs, or ended well where it was to end."""
    mine = [container for container in found if container.service == name]
    uses = (service.get("depends_on") or {} for service in project["services"].values())
    conditions = {use[name].get("condition") for use in uses if name in use}
    ends = conditions == {"service_completed_successfully"}
    called = image_of(project, name)
    content = (release.spec.get("images") or {}).get(name)
    hash = (release.spec.get("needs") or {}).get(name)
    return len(mine) == replicas(project, name) and all(
        (c.running or (ends and c.state == "exited" and c.exit_code == 0))
        and c.image == called
        and content in (None, c.image_id)
        and hash in (None, c.hash)
        for c in mine
    )
