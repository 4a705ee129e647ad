# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""Scopes of systemd's: what a long command starts is in one, and cannot leave it by a new session.

Where systemd does not give one, the command runs without.
"""

from __future__ import annotations

import os
import subprocess
import time
from typing import Callable

BUS = ("org.freedesktop.systemd1", "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager")
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_SECONDS = 5.0
_MOUNTS = ("/sys/fs/cgroup", "/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified")


def enter(scope: str) -> bool:
    """Move this process into a new scope; False where that is not possible, and nothing changed.

    It is for the child that is about to become a command, before it becomes another account.
    """
    if not available():
        return False
    unit = (scope, "fail", "2", "PIDs", "au", "1", str(os.getpid()))
    once = ("CollectMode", "s", "inactive-or-failed", "0")
    argv = ["busctl", "--quiet", "call", *BUS, "StartTransientUnit", "ssa(sv)a(sa(sv))"]
    return _tell([*argv, *unit, *once]) == 0 and _until(lambda: _inside(scope), 1.0)


def group_of(pid: int, scope: str) -> str | None:
    """Return the folder of the control group of a process in a scope; None where it is not seen."""
    try:
        with open(f"/proc/{pid}/cgroup", encoding="utf-8") as file:
            paths = {line.rstrip("\n").split(":", 2)[2] for line in file}
    except OSError:
        return None
    mine = [mount + path for mount in _MOUNTS for path in paths if path.endswith(f"/{scope}")]
    return next((folder for folder in mine if os.path.isdir(folder)), None)


def tidy(scope: str, group: str | None) -> None:
    """End what is left in a scope whose control group is `group`, if anything is."""
    if group is None or not _empty(group):
        end(scope)


def _empty(group: str) -> bool:
    try:
        with open(os.path.join(group, "cgroup.procs"), encoding="ascii") as file:
            return not file.read().strip()
    except OSError:  # it is gone with the last process
        return True


def end(pattern: str, seconds: float = _SECONDS) -> bool:
    """Kill all that is in the scopes whose names match, and wait until it is gone.

    Returns True where there was such a scope.
    """
    found = bool(_loaded(pattern))
    if found:
        _tell(["systemctl", "kill", "--signal=SIGKILL", "--", pattern])
        _until(lambda: not _loaded(pattern), seconds)
    return found


def available() -> bool:
    """True for root on a host that systemd runs."""
    return os.geteuid() == 0 and os.path.isdir("/run/systemd/system")


def _loaded(pattern: str) -> list[str]:
    if not available():
        return []
    argv = ["systemctl", "list-units", "--plain", "--no-legend", "--no-pager", "--", pattern]
    try:
        said = subprocess.run(
            argv, env=_environment(), capture_output=True, check=False, timeout=_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired):
        return []
    return [line for line in said.stdout.decode("utf-8", "replace").splitlines() if line.strip()]


def _inside(scope: str) -> bool:
    with open("/proc/self/cgroup", encoding="utf-8") as file:
        return f"/{scope}\n" in file.read()


def _until(condition: Callable[[], bool], seconds: float = _SECONDS) -> bool:
    limit = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > limit:
            return False
        time.sleep(0.005)
    return True


def _tell(argv: list[str]) -> int:
    try:
        return subprocess.run(
            argv, env=_environment(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, check=False, timeout=_SECONDS,
        ).returncode  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return -1


def _environment() -> dict[str, str]:
    return {"PATH": _PATH, "LANG": "C.UTF-8", "SYSTEMD_COLORS": "0"}
