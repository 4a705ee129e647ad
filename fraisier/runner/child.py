"""The launcher of one run: it holds the processes of the run together and ends them all.

Usage: `python -m fraisier.runner.child FOLDER INVENTORY MECHANISM LEASH`. The run itself is its
child (`fraisier.runner.inner`), inside a PID namespace of its own, or where that is not permitted,
with the launcher as its subreaper. The run ends by itself, at SIGTERM, when the process that
started the launcher dies, and when the leash (a descriptor) says so. All its processes are gone
before the launcher is.
"""

from __future__ import annotations

import os
import select
import signal
import sys
from pathlib import Path
from typing import NoReturn

from fraisier.runner import inner
from fraisier.runner.containment import (
    GRACE_SECONDS,
    become_subreaper,
    die_with_parent,
    end_marked,
    reap,
)
from fraisier.runner.folder import DYING_SECONDS, PAUSED_SECONDS, wipe_orphaned
from fraisier.runner.leash import SILENT, held, let_go
from fraisier.runner.mechanism import SUBREAPER, USER_NAMESPACE, choose
from fraisier.runner.namespace import be_init, enter, exit_code, mount_proc

STOPPED = 128 + signal.SIGTERM


class _Told(BaseException):
    """SIGTERM has come."""


def main(folder: str, inventory: str, wanted: str, leash: str) -> int:
    """Start the run, wait for its end or end it; return the exit code."""
    parent = os.getppid()
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    signal.signal(signal.SIGTERM, _told)
    die_with_parent(signal.SIGTERM)
    mechanism = choose(wanted).name
    child = _start(mechanism, folder, inventory, int(leash))
    ended = os.pidfd_open(child)
    why = _watch(ended, int(leash))
    unwatched = why == SILENT or os.getppid() != parent
    grace = 0.0 if unwatched else GRACE_SECONDS  # its time is over already
    if why and mechanism != SUBREAPER:
        _end(child, ended, grace)
    code = why or exit_code(os.waitpid(child, 0)[1])
    if mechanism == SUBREAPER:
        end_marked(folder, grace=grace)
        reap()
    if unwatched:
        wipe_orphaned(Path(folder), DYING_SECONDS if let_go(int(leash)) else PAUSED_SECONDS)
    return code


def _start(mechanism: str, folder: str, inventory: str, leash: int) -> int:
    """Start the run in a child process and return its pid."""
    if mechanism == SUBREAPER:
        become_subreaper()
    else:
        enter(user=mechanism == USER_NAMESPACE)
    launcher = os.pidfd_open(os.getpid())
    child = os.fork()
    if child == 0:
        os.close(leash)
        _inside(mechanism, folder, inventory, launcher)
    for descriptor in (0, 1, launcher):
        os.close(descriptor)  # the run hears and speaks, not its launcher
    return child


def _inside(mechanism: str, folder: str, inventory: str, launcher: int) -> NoReturn:
    """Be the first process of the tree, which ends with its launcher."""
    die_with_parent(signal.SIGTERM if mechanism == SUBREAPER else signal.SIGKILL)
    if select.select([launcher], [], [], 0)[0]:
        os._exit(STOPPED)  # it died before the kernel was told
    os.close(launcher)
    if mechanism == SUBREAPER:
        inner.guarded(folder, inventory)
    mount_proc()
    be_init(lambda: inner.plain(folder, inventory), GRACE_SECONDS)


def _watch(ended: int, leash: int) -> int:
    """Return 0 once the run has ended by itself, or the code that says why it must end now."""
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
        why = 0 if held(leash, ended) else SILENT
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    except _Told:
        why = STOPPED
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    return why


def _end(init: int, ended: int, grace: float) -> None:
    """End a namespace: its init is asked to, and after `grace` seconds the kernel does it."""
    if grace:
        os.kill(init, signal.SIGTERM)
    if not grace or not select.select([ended], [], [], grace + 0.5)[0]:
        os.kill(init, signal.SIGKILL)
    os.waitpid(init, 0)


def _told(number: int, _frame: object) -> NoReturn:
    signal.signal(number, signal.SIG_IGN)  # a second one would end the launcher before its run
    raise _Told


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
