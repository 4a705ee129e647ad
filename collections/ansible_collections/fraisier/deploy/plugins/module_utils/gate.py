# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""The health gate: a changed service passes once it has been healthy, and without a restart."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import Any, Callable

from . import systemd
from .check import Check
from .failure import Failure
from .health import Place, attempt
from .processes import start_time

FIRST_PAUSE, GROWTH = 0.05, 1.5
#: Seconds that an answer must last which came before the service can have been up: somebody else,
#: who has its port, may have given it.
EARLY = 1.0

#: Tries the check for at most so many seconds: (healthy, what was seen).
Try = Callable[[float], "tuple[bool, str]"]
#: Says what a service that is healthy still has to wait for; empty: nothing.
Hold = Callable[[], str]
#: Says what is wrong with the unit now (None: nothing); the argument asks for a thorough look.
Watch = Callable[[bool], "str | None"]


@dataclass(frozen=True)
class Verdict:
    """How the gate ended; `detail` is the last thing seen."""

    type: str
    attempts: int
    seconds: float
    detail: str
    passed: bool

    def as_dict(self) -> dict[str, Any]:
        """Return it in the shape the modules return."""
        return asdict(self)


class UnitWatch:
    """Notices that a unit died or was restarted since it was first seen.

    `fresh` is for a unit that was restarted just now: its restart counter began at 0.
    """

    def __init__(self, unit: str, fresh: bool, manager: systemd.Manager = systemd.SYSTEM) -> None:
        self._unit, self._manager = unit, manager
        state = manager.show(unit)
        self._restarts = 0 if fresh else state.n_restarts
        self._pid = state.main_pid
        self._started = start_time(state.main_pid) if state.main_pid else None

    def __call__(self, thorough: bool = False) -> str | None:
        """Say what is wrong; without `thorough` a living main process is enough."""
        alive = self._started is not None and start_time(self._pid) == self._started
        if alive and not thorough:
            return None
        return judge_unit(self._manager.show(self._unit), self._pid, self._restarts)


def judge_unit(state: systemd.UnitState, pid: int, restarts: int) -> str | None:
    """Say what is wrong with a unit that had this main process and so many restarts."""
    if state.n_restarts > restarts:
        times = state.n_restarts - restarts
        return f"{state.name} ended and was restarted {times} time{'s' if times > 1 else ''}"
    if state.sub_state == "auto-restart":
        return f"{state.name} ended: {_end(state)}"
    if state.active_state == "failed":
        return f"{state.name} failed: {_end(state)}"
    if state.active_state == "inactive":
        return f"{state.name} ended: {_end(state)}"
    if state.main_pid and pid and state.main_pid != pid:
        return f"{state.name} was restarted by somebody else during the check"
    return None


class Spell:
    """How long the service has been healthy without a break, and how long it has to be."""

    def __init__(self, min_healthy: float, early: float) -> None:
        self._min_healthy, self._early = min_healthy, early
        self._first = True
        self._since: float | None = None
        self.needed = min_healthy

    def take(self, healthy: bool, began: float) -> None:
        """Take the outcome of a try that began at `began`."""
        if healthy and self._since is None:
            self._since = began
            self.needed = max(self._min_healthy, self._early if self._first else 0.0)
        elif not healthy:
            self._since = None
        self._first = False

    def left(self, now: float) -> float | None:
        """Return the seconds that are still needed; None while the service is not healthy."""
        return None if self._since is None else self.needed - (now - self._since)


def wait_until_healthy(
    check: Check,
    try_once: Try,
    watch: Watch,
    early: float = 0.0,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
    hold: Hold = lambda: "",
) -> Verdict:
    """Try until the check has been good for `min_healthy` seconds, or cannot become so any more.

    `early`: for how many seconds it must be good when it was so at the very first try. While
    `hold` returns a reason, a passing check waits for it, until the deadline at the latest.
    """
    started, attempts, pause = clock(), 0, FIRST_PAUSE
    spell = Spell(check.min_healthy, early)

    def verdict(detail: str, passed: bool) -> Verdict:
        return Verdict(check.type, attempts, round(clock() - started, 3), detail, passed)

    if check.delay:
        sleep(check.delay)
    limit, seen = clock() + check.deadline, ""
    while True:
        attempts += 1
        began = clock()
        seconds = max(0.05, min(check.timeout, limit - began))
        healthy, last = try_once(seconds)
        # a try that the deadline cut says nothing of the service: the one before it does
        cut = not healthy and seconds < check.timeout and clock() - began >= seconds
        seen = seen if seen and cut else last
        wrong = watch(healthy)
        if wrong:
            return verdict(wrong, False)
        spell.take(healthy, began)
        ended = clock()
        left = spell.left(ended)
        if left is not None and left <= 0:
            awaited = hold()
            if not awaited or ended + pause + (ended - began) >= limit:  # no time for another try
                return verdict("; ".join(filter(None, (seen, awaited))), True)
            left = None
        if _given_up(check, healthy, attempts) or clock() >= limit:
            brief = "" if left is None else f", for less than {spell.needed:g} s"
            return verdict(seen + brief, False)
        sleep(max(0.0, min(pause, pause if left is None else left, limit - clock())))
        pause = min(pause * GROWTH, check.interval)


def _given_up(check: Check, healthy: bool, attempts: int) -> bool:
    return not healthy and check.retries is not None and attempts > check.retries


def require_healthy(
    check: Check,
    place: Place,
    unit: str | None,
    fresh: bool,
    manager: systemd.Manager = systemd.SYSTEM,
) -> Verdict:
    """Run the gate and return its verdict, good or bad; `manager` has the unit."""
    if check.type == "systemd" and not unit:
        raise Failure("health_check_invalid", "a systemd check needs a unit", "name the unit")
    watch: Watch = UnitWatch(unit, fresh, manager) if unit else (lambda _thorough: None)

    def try_once(limit: float) -> tuple[bool, str]:
        if check.type == "systemd" and unit:
            state = manager.show(unit)
            return state.active, f"{unit} is {state.active_state} ({state.sub_state})"
        return attempt(check, place, limit)

    early = EARLY if fresh and not check.delay and check.type in ("http", "tcp") else 0.0
    return wait_until_healthy(check, try_once, watch, early)


def failure(verdict: Verdict, where: str, log: str = "") -> Failure:
    """Return the Failure of a gate that was not passed."""
    tries = "1 try" if verdict.attempts == 1 else f"{verdict.attempts} tries"
    return Failure(
        "health_check_failed",
        f"{where} is not healthy after {tries} in {verdict.seconds:.1f} s: {verdict.detail}",
        "read the log of the service; the check must pass within healthy_deadline",
        log,
    )


def _end(state: systemd.UnitState) -> str:
    if state.result == "exit-code":
        return f"exit status {state.exit_status}"
    return "result " + (state.result or "unknown")
