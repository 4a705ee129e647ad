"""A PID namespace of its own for the processes of one run (Linux, through libc).

The kernel ends every process of a PID namespace with its first one, its init, and lets the parent
of that init collect it only when all the others are gone. That is the proof that a tree is empty.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

CLONE_NEWNS = 0x0002_0000
CLONE_NEWUSER = 0x1000_0000
CLONE_NEWPID = 0x2000_0000
MS_NOSUID_NODEV_NOEXEC = 2 | 4 | 8
MS_SLAVE_ALL = (1 << 19) | 0x4000
_LIBC = ctypes.CDLL(None, use_errno=True)


def enter(user: bool) -> None:
    """Make the next child of this process the init of a new PID namespace.

    `user`: in a user namespace of its own, where this user keeps its number and nobody else has
    one. Raises OSError where the kernel does not permit it.
    """
    uid, gid = os.geteuid(), os.getegid()
    _call("unshare", CLONE_NEWPID | (CLONE_NEWUSER if user else 0))
    if user:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1")
        Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1")


def mount_proc() -> None:
    """Show this process and its descendants the /proc of their own namespace; raise OSError.

    What the machine mounts later is seen here too, and what is mounted here is seen nowhere else.
    """
    _call("unshare", CLONE_NEWNS)
    _call("mount", b"none", b"/", None, MS_SLAVE_ALL, None)
    _call("mount", b"proc", b"/proc", b"proc", MS_NOSUID_NODEV_NOEXEC, None)


def be_init(work: Callable[[], NoReturn], grace: float) -> NoReturn:
    """Be the first process of a namespace: do the work in a child, collect what ends, end with it.

    At SIGTERM, which must be blocked until now, everything gets one too, and `grace` seconds.
    """
    signal.signal(signal.SIGTERM, lambda _signal, _frame: _end_all(grace))
    signal.signal(signal.SIGALRM, lambda _signal, _frame: os._exit(128 + signal.SIGTERM))
    worker = os.fork()
    if worker == 0:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
        work()
    for descriptor in (0, 1):
        os.close(descriptor)  # only the worker speaks: its end is the end of the story
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
    while True:
        pid, status = os.wait()
        if pid == worker:
            os._exit(exit_code(status))


def exit_code(status: int) -> int:
    """Return a process's exit code as a shell has it: 128 and the signal where one ended it."""
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _end_all(grace: float) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.setitimer(signal.ITIMER_REAL, grace)
    with contextlib.suppress(ProcessLookupError):
        os.kill(-1, signal.SIGTERM)
    with contextlib.suppress(ChildProcessError):
        while True:
            os.wait()
    os._exit(128 + signal.SIGTERM)


def _call(name: str, *arguments: object) -> None:
    if getattr(_LIBC, name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
