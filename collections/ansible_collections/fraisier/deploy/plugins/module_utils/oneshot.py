# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""Services that come to an end: jobs, run when they are asked for or by a timer of systemd's."""

from __future__ import annotations

import os
import time
from typing import Any

from .commands import Finished
from .commands import run as run_program
from .failure import Failure
from .files import read_text, remove_file, write_atomic
from .job_notes import ended_run, under_way
from .redaction import shorten
from .releases import Release
from .site import Site
from .unit import MARK, RUN_BEGAN, RUN_ENDED, specifiers

SCHEDULED = "scheduled"
_STOP_SECONDS = 35.0

_TIMER = """\
{mark}: the next deployment replaces it. Deploy to change it; put your own settings in a drop-in.
[Unit]
Description={description}, by the clock

[Timer]
OnCalendar={schedule}
AccuracySec=1s
Persistent=true
Unit={unit}

[Install]
WantedBy=timers.target
"""


def timer_of(unit: str) -> str:
    """Return the name of a job's timer: `nightly.timer` for `nightly.service`."""
    return f"{unit[: -len('.service')]}.timer"


def timer_text(site: Site, schedule: str) -> str:
    """Return the timer that runs the job."""
    service = site.service
    return _TIMER.format(
        mark=MARK,
        description=specifiers(f"{service.fraise} ({service.environment})"),
        schedule=schedule,
        unit=service.systemd_service,
    )


def check(site: Site) -> None:
    """Raise Failure where a job could not be carried out on this host."""
    service = site.service
    if not service.is_job:
        return
    if site.systemd.right:
        raise Failure(
            "job_needs_root",
            f"the type {service.type} needs units that only root, or a user's own systemd, writes",
            "let Fraisier become root (become: true), or set systemd_scope: user",
        )
    if service.type == SCHEDULED:
        finished = _calendar(site, service.schedule or "")
        if finished.code != 0:
            raise Failure(
                "schedule_invalid",
                f"systemd does not take the schedule {service.schedule!r}: "
                f"{shorten(finished.output.strip(), 300)}",
                'write it as OnCalendar has it, such as "daily" or "Mon *-*-* 03:00:00"',
            )


def _calendar(site: Site, schedule: str) -> Finished:
    argv = ["systemd-analyze", "calendar", "--", schedule]
    return run_program(argv, env=site.systemd.environment, timeout=30)


def install(site: Site, release: Release) -> None:
    """Put the job's units in place, and its timer to work; a run under way goes on undisturbed."""
    name, text = site.service.systemd_service, site.ledger.stored(release.id)[1]
    with site.report.step("install") as step:
        site.fence.check()
        site.changed = True
        step["changed"] = True
        if text is not None:
            _write(site, name, text)
        schedule = release.spec.get("schedule")
        if schedule:
            timer = timer_of(name)
            changed = _write(site, timer, timer_text(site, schedule))
            site.systemd.systemctl("enable", "--", timer)
            _tell(site, "restart" if changed else "start", timer)
        else:
            remove_timer(site)


def remove_timer(site: Site) -> bool:
    """Stop and remove the timer that Fraisier wrote; returns whether there was one."""
    timer = timer_of(site.service.systemd_service)
    text = site.systemd.installed_text(timer)
    if text is None or not text.startswith(MARK):
        return False
    site.systemd.systemctl("disable", "--now", "--", timer, timeout=60)
    remove_file(site.systemd.unit_path(timer))
    site.systemd.systemctl("daemon-reload")
    return True


def pass_gate(site: Site, release: Release, fresh: bool) -> None:
    """See that the job can run: its unit is loaded, its timer active; run it where asked to."""
    name, started = site.service.systemd_service, time.monotonic()
    with site.report.step("gate"):
        problem, detail = _state(site, release)
        if not problem and fresh and site.service.run_now:
            run(site)
            detail += "; it ran well"
        site.gate = {
            "type": "systemd",
            "attempts": 1,
            "seconds": round(time.monotonic() - started, 3),
            "detail": problem or detail,
            "passed": not problem,
        }
        if problem:
            hint = "look at the unit on the host"
            raise Failure("health_check_failed", f"{name}: {problem}", hint)


def _state(site: Site, release: Release) -> tuple[str, str]:
    name = site.service.systemd_service
    state = site.systemd.show(name)
    if not state.exists:
        return f"systemd does not load it: {state.load_state}", ""
    if not release.spec.get("schedule"):
        return "", f"{name} is ready to run"
    timer = timer_of(name)
    if not site.systemd.show(timer).active:
        return f"its timer {timer} is not active", ""
    at = site.systemd.properties(timer, ("NextElapseUSecRealtime",))["NextElapseUSecRealtime"]
    return "", f"{timer} is active, and elapses next at {at or 'no time'}"


def run(site: Site) -> dict[str, Any]:
    """Run the job now and wait for its end; raises Failure `job_failed`."""
    name, limit = site.service.systemd_service, site.service.run_timeout + _STOP_SECONDS
    site.restarted_at = time.time()
    site.systemd.tell("reset-failed", name)
    finished = site.systemd.tell("start", name, timeout=limit)
    seen = last_run(site)
    log = site.systemd.journal(name, site.restarted_at, lines=200)
    site.report.say("run", log)
    if finished.code != 0:
        why = f"{seen['result']}, exit status {seen['exit_status']}" if seen else "it did not run"
        if finished.timed_out:
            why = f"it took longer than {limit:g} s, and goes on"
        raise Failure(
            "job_failed", f"the run of {name} failed: {why}",
            "read its log: fraisier app logs", finished.output,
        )  # fmt: skip
    return seen or {}


def runs(site: Site, release: Release) -> bool:
    """True when the job's units are those of the release, and its timer is at work."""
    name, text = site.service.systemd_service, site.ledger.stored(release.id)[1]
    if text is not None and site.systemd.installed_text(name) != text:
        return False
    schedule = release.spec.get("schedule")
    if site.ledger.current() != release.id or not schedule:
        return site.ledger.current() == release.id
    timer = timer_of(name)
    same = site.systemd.installed_text(timer) == timer_text(site, schedule)
    return same and site.systemd.show(timer).active


def control(site: Site, verb: str) -> None:
    """Stop a job and its timer, or have its timer at work again."""
    name = site.service.systemd_service
    timer = timer_of(name)
    timed = site.systemd.installed_text(timer) is not None
    if verb == "stop":
        for unit in [timer, name] if timed else [name]:
            _tell(site, "stop", unit)
    elif timed:
        _tell(site, "start", timer)


def status(site: Site) -> dict[str, Any]:
    """Return `last_run`, when the timer elapses `next`, and whether all is `ok`."""
    seen, timer = last_run(site), timer_of(site.service.systemd_service)
    well = seen is None or seen["running"] or seen["result"] == "success"
    if site.service.type != SCHEDULED:
        return {"ok": well, "last_run": seen, "next": None}
    at = site.systemd.properties(timer, ("NextElapseUSecRealtime",))["NextElapseUSecRealtime"]
    active = site.systemd.show(timer).active
    return {"ok": well and active, "last_run": seen, "next": at if active else None}


def last_run(site: Site) -> dict[str, Any] | None:
    """Return how the last run ended: `exit_status`, `result`, `started_at`, `seconds`, `running`.

    None before the first run. Runs by the timer leave the same notes, and these outlive a reboot.
    """
    state, name = site.layout.state, site.service.systemd_service
    if site.systemd.show(name).active_state == "activating":
        return under_way(read_text(os.path.join(state, RUN_BEGAN)) or "", time.time())
    return ended_run(read_text(os.path.join(state, RUN_ENDED)) or "")


def _write(site: Site, unit: str, text: str) -> bool:
    if site.systemd.installed_text(unit) == text:
        return False
    path = site.systemd.unit_path(unit)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    write_atomic(path, text, 0o644)
    site.systemd.systemctl("daemon-reload")
    return True


def _tell(site: Site, verb: str, unit: str) -> None:
    finished = site.systemd.tell(verb, unit)
    if finished.code != 0:
        why = shorten(finished.output.strip(), 300)
        raise Failure("start_failed", f"systemctl {verb} {unit} failed: {why}", "look at the unit")
