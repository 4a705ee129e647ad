"""Starting the child process of a run, and what its end says."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from fraisier.domain.errors import RunnerError
from fraisier.runner.files import CHOSEN, INVENTORY, PLAYBOOK, REQUEST
from fraisier.runner.folder import base, write_private
from fraisier.runner.forking import Launcher, fork
from fraisier.runner.invocation import environment
from fraisier.runner.leash import SILENT, Leash

STOPPED = (0, 143, -15)
#: With less room (bytes) in the private folder's place, that is why a run broke.
ROOM = 1 << 16


def launch(
    folder: Path,
    environ: Mapping[str, str],
    inventory: str | None,
    mechanism: str,
    leash: Leash,
) -> subprocess.Popen[bytes] | Launcher:
    """Start the launcher of a run in its private folder; raise OSError.

    It is forked where there is a fork server and the run is one that it can launch: a team's own
    inventory may come with settings of its own.
    """
    os.mkfifo(folder / REQUEST, 0o600)
    for name in ("ansible.cfg", INVENTORY, PLAYBOOK, CHOSEN):
        write_private(folder / name, "")
    told = [str(folder), inventory or "", mechanism]
    seen = environment(folder, environ, inventory)
    with open(folder / "child.log", "w") as errors:
        if not inventory:
            forked = fork(told, seen, errors.fileno(), leash.reader)
            if forked is not None:
                return forked
        return subprocess.Popen(
            [sys.executable, "-m", "fraisier.runner.child", *told, str(leash.reader)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=seen,
            cwd=folder,
            start_new_session=True,
            pass_fds=[leash.reader],
        )


def no_start(error: OSError) -> RunnerError:
    """Return what to tell the reader when a run could not be started."""
    place = base()
    return RunnerError(
        f"a run of Ansible cannot be started: {error.strerror}",
        f"it needs room in {place}, and processes and descriptors within the limits of this user",
    )


def why_ended(code: int, folder: Path) -> str:
    """Return what a launcher's exit code means; empty where it was told to stop, or was done."""
    if code in STOPPED:
        return ""
    if code == SILENT:
        return (
            "the run was not watched for so long that it ended itself: this process was paused, "
            "or its database did not answer"
        )
    if code in (-signal.SIGKILL, 128 + signal.SIGKILL):
        return "the run was killed from outside; the kernel does that when memory runs out"
    if shutil.disk_usage(folder.parent).free < ROOM:
        return f"there is no room left in {folder.parent}"
    log = folder / "child.log"
    said = log.read_text(errors="replace").strip().splitlines() if log.exists() else []
    return f"ansible-runner ended with {code}: {said[-1] if said else 'it said nothing'}"
