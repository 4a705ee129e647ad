# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""A service in containers between deployments: how it is, restarting it, a command inside."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, Sequence

from . import colours
from .compose_activate import bring_up, healthy, logs, run_up
from .compose_containers import Container
from .compose_engine import STOP_SECONDS, last_line
from .compose_probe import probe, serving, serving_name
from .compose_site import ComposeSite
from .failure import Failure
from .releases import Release

_UNITS = {"B": 1, "kB": 1000, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3, "TiB": 1024**4}


def status(site: ComposeSite) -> dict[str, Any]:
    """Return how the service is: what `compose_probe` finds, and `since`, `memory_bytes`, `ok`.

    `since` is in Unix seconds, of the container that started last; None while one does not run.
    `unit` tells of the containers as one in the words of systemd.
    """
    found = serving(site)
    ok = bool(found) and all(c.running and c.health != "unhealthy" for c in found)
    states = sorted({c.state for c in found}) or ["none"]
    healths = sorted({c.health for c in found if c.health}) or ["no check"]
    return {
        **probe(site),
        "unit": {
            "active_state": ", ".join(states),
            "sub_state": ", ".join(healths),
            "main_pid": None,
            "n_restarts": sum(c.restarts for c in found),
        },
        "ok": ok,
        "since": max((moment(c.started_at) for c in found), default=None) if ok else None,
        "memory_bytes": _memory(site, found),
    }


def control(site: ComposeSite, verb: str) -> dict[str, Any]:
    """Restart, start or stop the service's containers, then see that it is well; its status.

    Keeps deployments out while the engine is at it, but not while the gate looks.
    """
    release = require_release(site)
    before = {c.id: c.started_at for c in serving(site) if c.running}
    with site.report.step(verb) as step:
        site.fence.hold(site.claim)
        try:
            tell(site, release, verb)
        finally:
            site.fence.close()
        now = {c.id: c.started_at for c in serving(site) if c.running}
        step["changed"] = site.changed = now != before
    if verb != "stop":
        pass_gate(site, site.changed)
    return status(site)


def pass_gate(site: ComposeSite, fresh: bool) -> None:
    """Run the health gate of what serves, with colours of the live one; raises Failure."""
    record = colours.read(site.layout.state)
    port = record.ports[record.live] if record and record.live else None
    healthy(site, fresh, serving_name(site), port)


def execute(site: ComposeSite, argv: Sequence[str], timeout: float) -> dict[str, Any]:
    """Run a command in the first container that runs, as its user and with its environment.

    Returns `exit_status` (-1 when its time ran out), `output` (its ends, where it is long) and
    `timed_out`.
    """
    require_release(site)
    found = [c for c in serving(site) if c.running]
    if not found:
        raise Failure("not_running", "no container of the service runs", "fraisier app start")
    with site.report.step("exec"):
        site.changed = True  # nobody but the command knows
        finished = site.docker.do("exec", found[0].id, *argv, timeout=timeout)
    return {
        "exit_status": finished.code,
        "output": finished.output,
        "timed_out": finished.timed_out,
    }


def require_release(site: ComposeSite) -> Release:
    """Return the release that is deployed; raises Failure `nothing_deployed`."""
    release = site.remembered()
    if release is None:
        name = f"{site.service.fraise} {site.service.environment}"
        raise Failure(
            "nothing_deployed", f"{name} is not deployed on this host", f"fraisier deploy {name}"
        )
    return release


def secret_values(site: ComposeSite) -> set[str]:
    """Return the secrets of what is deployed: they must not be shown."""
    release = site.remembered()
    if release is None:
        return set()
    environment = site.stored(release.id)[1]
    return {str(environment["variables"].get(name, "")) for name in environment["secrets"]}


def moment(text: str) -> float:
    """Return the Unix seconds of a time as the engine writes it."""
    found = re.match(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)?", text)
    if not found:
        return 0.0
    zone = "+00:00" if found[3] in (None, "Z") else found[3]
    return datetime.fromisoformat(found[1] + zone).timestamp() + float(found[2] or 0)


def tell(site: ComposeSite, release: Release, verb: str) -> None:
    """Restart, start or stop the containers that serve; raises Failure. Hold the fence."""
    ids = [c.id for c in serving(site)]
    if verb == "start" or (verb == "restart" and not ids):
        record = colours.read(site.layout.state)
        if record and record.live:
            file = f"{site.layout.state}/{record.live}.json"
            run_up(site, release, serving_name(site), file)
        else:
            bring_up(site, release)
        return
    if not ids:
        return
    limit = site.service.check.deadline + STOP_SECONDS
    finished = site.docker.do(verb, "--", *ids, timeout=limit)
    if finished.code != 0:
        raise Failure(
            "stop_failed" if verb == "stop" else "start_failed",
            f"docker {verb} failed: {last_line(finished.output)}",
            "read the log of the service: fraisier app logs",
            finished.output + logs(site),
        )


def _memory(site: ComposeSite, found: Sequence[Container]) -> int | None:
    ids = [c.id for c in found if c.running]
    if not ids:
        return None
    said = site.docker.ask("stats", "--no-stream", "--format", "{{.MemUsage}}", "--", *ids)
    used = [re.match(r"([\d.]+)([A-Za-z]+)", line) for line in said.out.splitlines()]
    sizes = [float(m[1]) * _UNITS.get(m[2], 1) for m in used if m]
    return int(sum(sizes)) if sizes else None
