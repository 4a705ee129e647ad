# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""Stopping what a failed first deployment has started of what its service needs."""

from __future__ import annotations

import os
from typing import Collection, Sequence

from .compose_containers import Container, containers
from .compose_engine import STOP_SECONDS, last_line
from .compose_site import ComposeLayout, ComposeSite, state_folder
from .files import read_json, remove_file, write_json

NOTE = "started.json"


def note_first(site: ComposeSite, services: Collection[str]) -> None:
    """Note which of these services do not run, before a first deployment starts them.

    `absent` have no container at all, `stopped` have some.
    """
    if site.claim is None or site.fence.holder is None or site.previous is not None:
        return
    if (read_json(_path(site)) or {}).get("deployment") == site.claim.deployment:
        return  # an earlier start of this deployment has noted what was there before
    found = containers(site.docker, site.name)
    there = {container.service for container in found}
    running = {container.service for container in found if container.running}
    note = {
        "deployment": site.claim.deployment,
        "absent": sorted(set(services) - there),
        "stopped": sorted((set(services) & there) - running),
    }
    write_json(_path(site), note)


def stop_started(site: ComposeSite) -> None:
    """Stop what this very deployment has started, and remove containers that it made.

    What running services of the project need goes on running; volumes and networks stay.
    """
    note = read_json(_path(site)) or {}
    if site.claim is None or note.get("deployment") != site.claim.deployment:
        return
    absent, stopped = note["absent"], note["stopped"]
    with site.report.step("remove") as step, site.alone(STOP_SECONDS):
        site.fence.check()
        found = containers(site.docker, site.name)
        kept = needed(found, {*absent, *stopped})
        kept |= {name for name in (*absent, *stopped) if _is_deployed(site, name)}
        mine = [c for c in found if c.service in {*absent, *stopped} - kept]
        _do(site, "stop", [c for c in mine if c.state not in ("exited", "created", "dead")])
        _do(site, "rm", [c for c in mine if c.service in absent])
        step["changed"] = bool(mine)
        if kept:
            names = ", ".join(sorted(kept))
            site.report.say("remove", f"others need these, so they go on running: {names}")
        if mine:
            names = ", ".join(sorted({c.service for c in mine}))
            site.report.say("remove", f"stopped what this deployment had started: {names}")
        remove_file(_path(site))


def needed(found: Sequence[Container], started: Collection[str]) -> set[str]:
    """Return which of the services `started` others need that run; all where that is unknown."""
    needs: dict[str, set[str]] = {}
    for container in found:
        needs.setdefault(container.service, set()).update(container.needs or ())
    others = [c for c in found if c.running and c.service not in started]
    if any(container.needs is None for container in others):
        return set(started)
    kept = {c.service for c in others}
    while more := {name for service in kept for name in needs.get(service, ())} - kept:
        kept |= more
    return kept & set(started)


def _do(site: ComposeSite, verb: str, found: Sequence[Container]) -> None:
    if not found:
        return
    site.changed = True
    finished = site.docker.do(verb, "--", *(c.id for c in found), timeout=STOP_SECONDS)
    if finished.code != 0:  # a warning, so that the deployment's own error stays the one reported
        names = ", ".join(c.name for c in found)
        told = f"{names} could not be stopped: {last_line(finished.output)}"
        site.around["warnings"].append(told)
        site.report.say("remove", f"warning: {told}")


def _is_deployed(site: ComposeSite, service: str) -> bool:
    """True where a service of the project has a release of its own by now."""
    return os.path.lexists(ComposeLayout(state_folder(site.name, service)).pointer)


def _path(site: ComposeSite) -> str:
    return os.path.join(site.layout.state, NOTE)
