"""A Docker engine that answers, started by hand where nothing else would start it."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

from fraisier.domain.errors import LabError
from fraisier.lab.engine import INSTALL_HINT, docker, run
from fraisier.lab.model import Say

START_SECONDS = 30
PID_FILES = {
    Path("/var/run/docker.pid"): "dockerd",
    Path("/var/run/docker/containerd/containerd.pid"): "containerd",
}


def answers() -> str:
    """Empty when the engine answers, else what `docker info` said."""
    try:
        docker("info", "--format", "{{.ServerVersion}}")
    except LabError as refused:
        return refused.message
    return ""


def ensure_running(log: Path, say: Say) -> None:
    """Return once an engine answers, starting dockerd by hand when that is right.

    Raises LabError with what to do when it is not ours to start, or does not come up.
    """
    refusal = answers()
    if not refusal:
        return
    hint = why_not_ours(
        refusal,
        client=bool(shutil.which("docker")),
        daemon=bool(shutil.which("dockerd")),
        root=os.geteuid() == 0,
        init=Path("/proc/1/comm").read_text().strip(),
        elsewhere=os.environ.get("DOCKER_HOST", ""),
    )
    if hint:
        raise LabError(f"no Docker engine answers: {refusal}", hint)
    say("no Docker engine answers; starting dockerd")
    _start(log)


def why_not_ours(
    refusal: str, *, client: bool, daemon: bool, root: bool, init: str, elsewhere: str
) -> str:
    """Empty when dockerd should be started by hand, else what the reader should do instead."""
    if not client:
        return INSTALL_HINT
    if elsewhere:
        return f"DOCKER_HOST is {elsewhere}: start the engine there, or unset it"
    if "permission denied" in refusal:
        return "run this as root, or as a member of the group docker"
    if not daemon:
        return INSTALL_HINT
    if init == "systemd":
        return "start it: systemctl enable --now docker"
    return "" if root else "start dockerd as root, or run this as root"


def _start(log: Path) -> None:
    for pid_file, program in PID_FILES.items():
        remove_if_stale(pid_file, program)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        subprocess.run(
            ("setsid", "--fork", "dockerd"),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            check=True,
        )
    deadline = time.monotonic() + START_SECONDS
    while refusal := answers():
        if time.monotonic() > deadline:
            last = run(("tail", "-n", "3", str(log))).strip()
            raise LabError(f"dockerd did not start: {refusal}", f"{log} ends with:\n{last}")
        time.sleep(0.2)


def remove_if_stale(pid_file: Path, program: str) -> bool:
    """Remove `pid_file` unless its process is alive and runs `program`; True when removed."""
    try:
        pid = pid_file.read_text().strip()
    except FileNotFoundError:
        return False
    comm = Path("/proc") / pid / "comm"
    if pid.isdigit() and comm.exists() and comm.read_text().strip() == program:
        return False
    pid_file.unlink()
    return True
