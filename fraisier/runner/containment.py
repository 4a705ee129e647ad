"""Processes are found by a mark in their environment and ended (Linux, through /proc and prctl).

Ansible's workers leave their process group, and SSH's connection masters their session, so a group
is not enough. A subreaper inherits whatever loses its parent, so its descendants are the whole
tree; a mark in the environment tells those of one run from those of another.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
GRACE_SECONDS = 3.0
REAP_SECONDS = 2.0
#: The mark of a process that forks runs: room for theirs.
BLANK = "-" * 512
_ENVIRONMENT = 47  # as below; the address of its first byte, and then of its end
_STATE, _PARENT, _SESSION = 0, 1, 3  # fields of /proc/PID/stat, counted after the name

Find = Callable[[str], list[int]]


def become_subreaper() -> None:
    """Make orphaned descendants children of this process instead of init's."""
    _prctl(PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent(number: signal.Signals) -> None:
    """Ask the kernel for a signal when the parent (its thread) dies, however it dies."""
    _prctl(PR_SET_PDEATHSIG, number)


def show_mark(mark: str) -> None:
    """Give this process, which was forked and not executed, a mark that others can see.

    What /proc shows as an environment is what a process was executed with: its own memory, which
    is written over here. `BLANK` has to be in it. Raises OSError, or ValueError where it is not.
    """
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    begin, end = int(fields[_ENVIRONMENT]), int(fields[_ENVIRONMENT + 1])
    place = ctypes.string_at(begin, end - begin).index(f"FRAISIER_RUN={BLANK}".encode())
    shown = f"FRAISIER_RUN={mark}".encode() + b"\0"
    if len(shown) > len(BLANK):
        raise ValueError(f"{mark} is too long for a mark")
    ctypes.memmove(begin + place, shown, len(shown))


def descendants(root: int) -> list[int]:
    """Return the pids below a process, parents before children."""
    children: dict[int, list[int]] = {}
    for pid in _pids():
        fields = _stat(pid)
        if fields:
            children.setdefault(int(fields[_PARENT]), []).append(pid)
    found, queue = [], [root]
    while queue:
        below = children.get(queue.pop(), [])
        found += below
        queue += below
    return found


def below(mark: str) -> list[int]:
    """Return this process's living descendants whose environment says `FRAISIER_RUN=mark`."""
    return [pid for pid in descendants(os.getpid()) if _lives(pid) and _has(pid, mark)]


def anywhere(mark: str) -> list[int]:
    """Return all living processes that have the mark, except this one."""
    return [pid for pid in _pids() if pid != os.getpid() and _has(pid, mark) and _lives(pid)]


def end_marked(mark: str, find: Find = below, grace: float = GRACE_SECONDS) -> None:
    """End every process that carries `mark`: politely, then after `grace` seconds by force.

    Those that had become children of this process are collected, so that a server keeps no zombies.
    """
    found = set(find(mark))
    if not found:
        return
    _signal(list(found), signal.SIGTERM)
    deadline = time.monotonic() + grace
    while (left := find(mark)) and time.monotonic() < deadline:
        found.update(left)
        time.sleep(0.02)
    while left := find(mark):
        found.update(left)
        _signal(left, signal.SIGKILL)
        time.sleep(0.01)
    _collect(found)


def collect_session(session: int) -> None:
    """Collect the children of this process that have ended and were of a session not its own."""
    mine = [
        pid
        for pid in _pids()
        if (fields := _stat(pid))
        and fields[_STATE] == "Z"
        and (int(fields[_PARENT]), int(fields[_SESSION])) == (os.getpid(), session)
    ]
    _collect(mine)


def reap(seconds: float = REAP_SECONDS) -> None:
    """Collect every child that has ended or is ending, for at most so many seconds.

    Only for a process that waits for none of them. One that is on its way out has lost its
    environment, and with it the mark, before it can be collected.
    """
    deadline = time.monotonic() + seconds
    with contextlib.suppress(ChildProcessError):  # there is none left
        while time.monotonic() < deadline:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                time.sleep(0.005)


def _collect(pids: set[int] | list[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)


def _pids() -> list[int]:
    """Return all processes; none where /proc is another namespace's and would give wrong ones."""
    if os.readlink("/proc/self") != str(os.getpid()):
        return []
    return [int(entry) for entry in os.listdir("/proc") if entry.isdigit()]


def _has(pid: int, mark: str) -> bool:
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return False  # it ended while we looked, or is somebody else's
    return f"FRAISIER_RUN={mark}".encode() in environment.split(b"\0")


def _lives(pid: int) -> bool:
    fields = _stat(pid)
    return fields is not None and fields[_STATE] != "Z"


def _signal(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def _stat(pid: int) -> list[str] | None:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None


def _prctl(option: int, value: int) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")
