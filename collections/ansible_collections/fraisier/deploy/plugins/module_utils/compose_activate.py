# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""Making a release of containers the one that runs: switch, up, gate."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from typing import Any, Mapping

from . import compose_around, gate
from .compose_containers import Container, containers, half_replaced
from .compose_engine import STOP_SECONDS, Docker, compose, last_line, output_of
from .compose_gate import require_healthy
from .compose_project import image_of
from .compose_site import ComposeSite, content_of
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
    site.changed = True
    current = site.ledger.current()
    if current == release.id:
        return release
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
    found = containers(site.docker, site.name, service)
    spec = {**release.spec, "hash": found[0].hash if found else ""}
    return site.ledger.write(replace(release, spec=spec))


def run_up(site: ComposeSite, release: Release, service: str, file: str) -> None:
    """Bring a service up, and what it needs, as a resolved file says; raises Failure."""
    docker, folder = Docker(site.stored(release.id)[1]["variables"]), site.layout.state
    words = ["up", "--detach", "--no-build", "--pull", "never", "--", service]
    with site.report.step("up") as step:
        limit = site.service.check.deadline + STOP_SECONDS
        begin = [*compose(file, folder, site.name), "--env-file", os.devnull]
        with site.alone(limit):
            if site.fence.holder is not None:  # else the caller keeps deployments out
                site.fence.check()
            step["changed"] = True
            _tidy(site)
            finished = docker.do(*begin, *words, timeout=limit)
        if finished.code != 0:
            why = f"it took longer than {limit:g} s"
            why = why if finished.timed_out else last_line(finished.output)
            raise Failure(
                "start_failed",
                f"{service} did not start: {why}",
                "read the log; a port may be taken, or the image's command may be wrong",
                finished.output + logs(site, service),
            )
        site.report.say("up", output_of(["compose", *words], finished))


def _tidy(site: ComposeSite) -> None:
    """Put right what an earlier run left that was killed while Compose replaced a container."""
    for container, name in half_replaced(containers(site.docker, site.name)):
        words = ["rename", container.id, name] if name else ["rm", "--", container.id]
        finished = site.docker.do(*words, timeout=STOP_SECONDS)
        if finished.code != 0:
            why = last_line(finished.output)
            raise Failure(
                "start_failed",
                f"{container.name}, left by a run that was killed, is in the way: {why}",
                f"remove it by hand: docker rm {container.name}",
                finished.output,
            )
        site.report.say("up", f"put right {container.name}, left by a run that was killed")


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
    """True when the release's containers are up, and so is all that they need."""
    project, _environment = site.stored(release.id)
    own, found = site.service.service, containers(site.docker, site.name)
    mine = [container for container in found if container.service == own]
    wanted = [c.running and c.image_id == content_of(release) for c in mine]
    same = [c.hash == release.spec.get("hash") for c in mine]
    needed = all(_stands(project, name, found) for name in project["services"] if name != own)
    return bool(mine) and all(wanted) and all(same) and needed


def _stands(project: Mapping[str, Any], name: str, found: list[Container]) -> bool:
    """True when a service that another needs runs, or ended well where it was to end."""
    mine = [container for container in found if container.service == name]
    uses = (service.get("depends_on") or {} for service in project["services"].values())
    conditions = {use[name].get("condition") for use in uses if name in use}
    ends = conditions == {"service_completed_successfully"}
    called = image_of(project, name)
    return bool(mine) and all(
        (c.running or (ends and c.state == "exited" and c.exit_code == 0)) and c.image == called
        for c in mine
    )
