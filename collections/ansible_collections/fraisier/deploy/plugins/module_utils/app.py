# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""The service itself, between deployments: how it is, restarting it, a command beside it."""

from __future__ import annotations

import time
from typing import Any, Sequence

from . import envfile, oneshot
from .activate import pass_gate
from .commands import find_user, run
from .deploy import remembered
from .failure import Failure
from .prepare import user_environment
from .probe import probe
from .redaction import shorten
from .releases import Release
from .seat import live_seat
from .site import Site

#: The old process may take 30 s to stop.
STOP_SECONDS = 35.0
_UNSET = ("", "[not set]", str(2**64 - 1))


def status(site: Site) -> dict[str, Any]:
    """Return how the service is: what `release_probe` finds, and `since`, `memory_bytes`, `ok`.

    `since` is in Unix seconds, None while nothing runs; `ok` when the unit is active. Of a job,
    `last_run` tells how it ended, and `ok` is False where it failed or its timer does not work.
    """
    name = live_seat(site.service, site.layout).unit
    found = probe(site.layout, site.service.systemd_service)
    more = site.systemd.properties(name, ("ActiveEnterTimestampMonotonic", "MemoryCurrent"))
    started, memory = more["ActiveEnterTimestampMonotonic"], more["MemoryCurrent"]
    active = found["unit"]["active_state"] == "active"
    ago = time.clock_gettime(time.CLOCK_MONOTONIC) - int(started or 0) / 1e6
    return {
        **found,
        "ok": active,
        "since": round(time.time() - ago, 3) if active else None,
        "memory_bytes": None if memory in _UNSET or not active else int(memory),
        **(oneshot.status(site) if site.service.is_job else {}),
    }


def control(site: Site, verb: str) -> dict[str, Any]:
    """Restart, start or stop the service, then see that it is well; return its status.

    Keeps deployments out while systemd is at it, but not while the gate looks.
    """
    release = require_release(site)
    user = find_user(site.service.service_user)
    with site.report.step(verb) as step:
        site.fence.hold(site.claim)
        try:
            _tell_systemd(site, verb, step)
        finally:
            site.fence.close()
    if verb != "stop" and site.service.is_job:
        oneshot.run(site)
    elif verb != "stop":
        seat = live_seat(site.service, site.layout)
        pass_gate(site, release, user, fresh=step["changed"], seat=seat)
    return status(site)


def _tell_systemd(site: Site, verb: str, step: dict[str, Any]) -> None:
    name = live_seat(site.service, site.layout).unit
    before = site.systemd.show(name)
    if not before.exists:
        raise before.missing("deploy the service")
    if site.service.is_job:
        step["changed"] = site.changed = True
        oneshot.control(site, verb)
        return
    site.restarted_at = time.time()
    step["changed"] = site.changed = verb == "restart" or before.active != (verb == "start")
    limit = site.service.check.deadline + STOP_SECONDS
    if verb == "start":
        site.systemd.tell("reset-failed", name)
    if verb == "restart":
        finished = site.systemd.restart(name, limit)
    else:
        finished = site.systemd.tell(verb, name, timeout=limit)
    if finished.code != 0:
        why = f"systemctl {verb} {name} failed: {shorten(finished.output.strip(), 300)}"
        hint = "read the log of the service: fraisier app logs"
        text = finished.output + site.systemd.journal(name, site.restarted_at)
        if verb == "stop":
            raise Failure("stop_failed", why, hint, text)
        raise Failure("start_failed", why, hint, text)


def execute(site: Site, argv: Sequence[str], timeout: float) -> dict[str, Any]:
    """Run a command as the service's user, in its release, with its environment.

    Returns `exit_status` (-1 when its time ran out), `output` (its ends, where it is long) and
    `timed_out`.
    """
    release = require_release(site)
    user = find_user(site.service.service_user)
    seat = live_seat(site.service, site.layout)
    own = {**variables(site, release), **seat.environment}
    environment = {**user_environment(site, user), **own}
    with site.report.step("exec"):
        site.changed = True  # nobody but the command knows
        finished = run(argv, env=environment, cwd=seat.folder, user=user, timeout=timeout)
    return {
        "exit_status": finished.code,
        "output": finished.output,
        "timed_out": finished.timed_out,
    }


def require_release(site: Site) -> Release:
    """Return the release that is deployed; raises Failure `nothing_deployed`."""
    release = remembered(site)
    if release is None:
        raise Failure(
            "nothing_deployed",
            f"{site.service.fraise} {site.service.environment} is not deployed on this host",
            f"fraisier deploy {site.service.fraise} {site.service.environment}",
        )
    return release


def variables(site: Site, release: Release) -> dict[str, str]:
    """Return the environment of a release as its service gets it."""
    return envfile.parse(site.ledger.stored(release.id)[0] or "")


def secret_values(site: Site) -> set[str]:
    """Return the secrets in the environment of what is deployed: they must not be shown.

    The record of a release names the variables that are no secrets.
    """
    release = remembered(site)
    if release is None:
        return set()
    plain = release.spec.get("env_vars", {})
    return {
        value
        for name, value in variables(site, release).items()
        if name not in plain and not name.startswith("FRAISIER_")
    }
