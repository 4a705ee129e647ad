"""Which mechanism ends the processes of a run on this machine, and what stands against a better."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from fraisier.runner.namespace import enter, mount_proc

NAMESPACE = "PID namespace"
USER_NAMESPACE = "PID namespace in a user namespace"
SUBREAPER = "subreaper"
TRY_SECONDS = 30
LIMITS = (
    ("/proc/sys/kernel/unprivileged_userns_clone", "0", "kernel.unprivileged_userns_clone=1"),
    ("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1",
     "kernel.apparmor_restrict_unprivileged_userns=0"),
    ("/proc/sys/user/max_user_namespaces", "0", "user.max_user_namespaces=10000"),
    ("/proc/sys/user/max_pid_namespaces", "0", "user.max_pid_namespaces=10000"),
)  # fmt: skip


@dataclass(frozen=True)
class Mechanism:
    """`name` is one of those above; `why` it is no better one, and how to `fix` that."""

    name: str
    why: str = ""
    fix: str = ""


def wanted_by(environ: Mapping[str, str]) -> str:
    """Return what the setting FRAISIER_CONTAINMENT asks for; unset, it is the best there is."""
    return environ.get("FRAISIER_CONTAINMENT") or "auto"


def choose(wanted: str = "auto") -> Mechanism:
    """Return the best mechanism that works here; `wanted` "subreaper" asks for no better one.

    Only for a process without threads: it forks to try.
    """
    if wanted == SUBREAPER:
        return Mechanism(SUBREAPER, "it was asked for")
    plain = obstacle(user=False)
    if not plain:
        return Mechanism(NAMESPACE)
    in_user = obstacle(user=True)
    if not in_user:
        return Mechanism(USER_NAMESPACE)
    return Mechanism(SUBREAPER, plain if os.geteuid() == 0 else in_user, _fix())


def in_force(wanted: str) -> Mechanism:
    """Return what `wanted` comes to on this machine, tried in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "fraisier.runner", wanted],
        capture_output=True,
        text=True,
        check=True,
        timeout=TRY_SECONDS,
    )
    return Mechanism(**json.loads(done.stdout))


def obstacle(user: bool) -> str:
    """Try a namespace in a child process; return why it does not work, empty where it does."""
    reader, writer = os.pipe()
    if (child := os.fork()) == 0:
        os._exit(_said(writer, lambda: _first(user, writer)))
    os.close(writer)
    with os.fdopen(reader) as said:
        text = said.read()
    _, status = os.waitpid(child, 0)
    return text or ("" if status == 0 else f"the attempt ended with status {status}")


def _first(user: bool, writer: int) -> int:
    enter(user)
    if (child := os.fork()) == 0:
        os._exit(_said(writer, lambda: _second(user)))
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _second(user: bool) -> int:
    mount_proc()
    if user:  # where root has no number, ssh may no longer trust the files of root
        done = subprocess.run(["ssh", "-G", "localhost"], capture_output=True, text=True)
        if done.returncode != 0:
            raise OSError(0, f"ssh refuses its configuration there: {done.stderr.strip()}")
    return 0


def _said(writer: int, attempt: Callable[[], int]) -> int:
    try:
        return attempt()
    except OSError as error:
        os.write(writer, (error.strerror or str(error)).encode())
        return 1


def _fix() -> str:
    for path, forbidding, setting in LIMITS:
        file = Path(path)
        if file.exists() and file.read_text().strip() == forbidding:
            return f"sysctl -w {setting}"
    if os.geteuid() == 0:
        return "give this container the capability SYS_ADMIN"
    return "allow user namespaces here (seccomp, RestrictNamespaces=), or run as root"
