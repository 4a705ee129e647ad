"""A Docker engine that answers, started by hand where nothing else would start it."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import time
from pathlib import Path

from fraisier.domain.errors import LabError
from fraisier.lab.engine import INSTALL_HINT, docker, run
from fraisier.lab.model import Say
from fraisier.private_folders import make_private

START_SECONDS = 30
AGAIN_SECONDS = 5
DENIED = "permission denied"
PID_FILES = {
    Path("/var/run/docker.pid"): "dockerd",
    Path("/var/run/docker/containerd/containerd.pid"): "containerd",
}


def answers() -> str:
    """Empty when the engine answers, else what `docker version` said."""
    try:
        docker("version", "--format", "{{.Server.Version}}")
    except LabError as refused:
        return refused.message
    return ""


def require_answer() -> None:
    """Raise LabError, with what to do, where no engine answers or this user may not ask it."""
    refusal = answers()
    if refusal:
        raise unanswered(refusal, _hint(refusal) or "`fraisier lab up` starts one")


def unanswered(refusal: str, hint: str) -> LabError:
    """Return the error of an engine that gave this refusal."""
    if DENIED in refusal.lower():
        return LabError(f"this user may not talk to the Docker engine: {refusal}", hint)
    return LabError(f"no Docker engine answers: {refusal}", hint)


def ensure_running(log: Path, say: Say) -> None:
    """Return once an engine answers, starting dockerd by hand when that is right.

    Of several processes that find none, one starts it and the others wait for that one.
    Raises LabError with what to do when it is not ours to start, or does not come up.
    """
    refusal = answers()
    if not refusal:
        return
    hint = _hint(refusal)
    if hint:
        raise unanswered(refusal, hint)
    make_private(log.parent)
    with log.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if answers():
            say("no Docker engine answers; starting dockerd")
            _start(log)


def _hint(refusal: str) -> str:
    """Empty when dockerd should be started by hand here, else what the reader should do."""
    return why_not_ours(
        refusal,
        client=bool(shutil.which("docker")),
        daemon=bool(shutil.which("dockerd")),
        root=os.geteuid() == 0,
        init=Path("/proc/1/comm").read_text().strip(),
        elsewhere=os.environ.get("DOCKER_HOST", ""),
    )


def why_not_ours(
    refusal: str, *, client: bool, daemon: bool, root: bool, init: str, elsewhere: str
) -> str:
    """Empty when dockerd should be started by hand, else what the reader should do instead."""
    if not client:
        return INSTALL_HINT
    if DENIED in refusal.lower():
        return "run this as root, or as a member of the group docker"
    if elsewhere:
        return f"DOCKER_HOST is {elsewhere}: start the engine there, or unset it"
    if not daemon:
        return INSTALL_HINT
    if init == "systemd":
        return "start it: systemctl enable --now docker"
    return "" if root else "start dockerd as root, or run this as root"


def _start(log: Path) -> None:
    """Start dockerd until it answers: one that finds another's pid file ends at once."""
    begun = time.monotonic()
    again = begun
    while refusal := answers():
        now = time.monotonic()
        if now > begun + START_SECONDS:
            last = run(("tail", "-n", "3", str(log))).strip()
            raise LabError(f"dockerd did not start: {refusal}", f"{log} ends with:\n{last}")
        if now >= again:
            again = now + AGAIN_SECONDS
            _start_once(log)
        time.sleep(0.2)


def _start_once(log: Path) -> None:
    for pid_file, program in PID_FILES.items():
        remove_if_stale(pid_file, program)
    with log.open("ab") as output:
        subprocess.run(
            ("setsid", "--fork", "dockerd"),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            check=True,
        )


def remove_if_stale(pid_file: Path, program: str) -> bool:
    """Remove `pid_file` unless its process is alive and runs `program`; True when removed."""
    try:
        pid = pid_file.read_text().strip()
    except FileNotFoundError:
        return False
    if pid.isdigit() and _runs(pid, program):
        return False
    pid_file.unlink(missing_ok=True)
    return True


def _runs(pid: str, program: str) -> bool:
    """Whether process `pid` is `program`; one that is dead but not yet reaped (Z, X) is not.

    What /proc/PID/stat begins with is in proc(5): the pid, the name in parentheses, the state.
    """
    try:
        head, _, rest = Path("/proc", pid, "stat").read_text().rpartition(") ")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return head.partition(" (")[2] == program and rest[:1] not in ("Z", "X")
