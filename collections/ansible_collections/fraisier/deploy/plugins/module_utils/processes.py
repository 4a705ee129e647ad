# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""Who is running: identities that survive a reuse of numbers, and ending a whole session."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress

_SET_CHILD_SUBREAPER = 36  # of prctl(2)
_PARENT, _SESSION, _START = 1, 3, 19  # fields of /proc/<pid>/stat, counted after the command's name


def boot_id() -> str:
    """Return the identity of the machine's current boot."""
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        return file.read().strip()


def boot_time() -> float:
    """Return seconds since boot, sleep included: a clock that nobody sets."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def start_time(pid: int) -> int | None:
    """Return when a process started, in clock ticks since boot; None when there is none."""
    fields = _stat(pid)
    return int(fields[_START]) if fields else None


def session_members(session: int) -> list[int]:
    """Return the living processes of a session."""
    found = []
    for name in os.listdir("/proc"):
        fields = _stat(int(name)) if name.isdigit() else None
        if fields and fields[0] not in "ZX" and int(fields[_SESSION]) == session:
            found.append(int(name))
    return found


def lead_session() -> None:
    """Give this process a session of its own, so that all it starts can be found and ended."""
    if os.getsid(0) == os.getpid():
        return
    if os.getpgid(0) == os.getpid():  # a group's leader may not call setsid: its child may
        child = os.fork()
        if child:
            _stand_for(child)
    os.setsid()


def _stand_for(child: int) -> None:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda received, _frame: os.kill(child, received))
    _pid, status = os.waitpid(child, 0)
    os._exit(os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status))


def end_session(leader: int, started: int, grace: float = 3.0) -> bool:
    """End every process of a session: SIGTERM, up to `grace` seconds, SIGKILL. True if any lived.

    `started` tells the leader from another process that got its number later.
    """
    now_started = start_time(leader)
    if leader == os.getsid(0) or (now_started is not None and now_started != started):
        return False
    found = bool(_send(leader, signal.SIGTERM))
    if found and not _gone(leader, grace):
        _send(leader, signal.SIGKILL)
        _gone(leader, grace)
    return found


def adopt_orphans() -> None:
    """Become the parent of what this process's commands start and leave behind, where possible."""
    with suppress(ImportError, OSError, AttributeError):
        import ctypes

        ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end_orphans() -> None:
    """Kill and reap every child of this process, and those that they leave to it."""
    limit = time.monotonic() + 3.0
    while (found := _children()) and time.monotonic() < limit:
        for pid in found:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
            with suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
        time.sleep(0.005)


def _children() -> list[int]:
    mine, found = str(os.getpid()), []
    for name in os.listdir("/proc"):
        fields = _stat(int(name)) if name.isdigit() else None
        if fields and fields[_PARENT] == mine:
            found.append(int(name))
    return found


def _send(session: int, number: int) -> list[int]:
    members = session_members(session)
    for pid in members:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
    return members


def _gone(session: int, seconds: float) -> bool:
    limit = time.monotonic() + seconds
    while session_members(session):
        if time.monotonic() > limit:
            return False
        time.sleep(0.02)
    return True


def _stat(pid: int) -> list[str] | None:
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(") ")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
