"""Nothing outlives its run: every descendant is found and ended (Linux, through /proc and prctl).

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
from pathlib import Path

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
GRACE_SECONDS = 3.0
REAP_SECONDS = 2.0


def become_subreaper() -> None:
    """Make orphaned descendants children of this process instead of init's."""
    _prctl(PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent() -> None:
    """Ask the kernel for SIGTERM when the parent dies, however it dies."""
    _prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def descendants(root: int) -> list[int]:
    """Return the pids below a process, parents before children."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            parent = _parent(entry)
            if parent is not None:
                children.setdefault(parent, []).append(int(entry.name))
    found, queue = [], [root]
    while queue:
        below = children.get(queue.pop(), [])
        found += below
        queue += below
    return found


def end_descendants(mark: str, grace: float = GRACE_SECONDS) -> None:
    """End every descendant that carries `mark`: politely, then after `grace` seconds by force.

    Those that had become children of this process are collected, so that a server keeps no zombies.
    """
    found = set(marked(mark))
    _signal(list(found), signal.SIGTERM)
    deadline = time.monotonic() + grace
    while (left := marked(mark)) and time.monotonic() < deadline:
        found.update(left)
        time.sleep(0.02)
    while left := marked(mark):
        found.update(left)
        _signal(left, signal.SIGKILL)
        time.sleep(0.01)
    for pid in found:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)


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


def marked(mark: str) -> list[int]:
    """Return this process's living descendants whose environment says `FRAISIER_RUN=mark`."""
    wanted = f"FRAISIER_RUN={mark}".encode()
    living = [pid for pid in descendants(os.getpid()) if _state(pid) not in ("Z", None)]
    return [pid for pid in living if wanted in _environment(pid)]


def _environment(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []  # it ended while we looked


def _signal(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def _stat(entry: Path) -> list[str] | None:
    try:
        return (entry / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None


def _parent(entry: Path) -> int | None:
    fields = _stat(entry)
    return int(fields[1]) if fields else None


def _state(pid: int) -> str | None:
    fields = _stat(Path(f"/proc/{pid}"))
    return fields[0] if fields else None


def _prctl(option: int, value: int) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")
