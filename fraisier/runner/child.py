"""The process of one run: ansible-runner with a clean environment, its events as lines of JSON.

Usage: `python -m fraisier.runner.child FOLDER INVENTORY` (a team's own inventory, or ''). Ansible
starts at once and waits: its variables are a pipe, which is filled when one line of JSON, the work,
arrives on descriptor 0. Events leave on descriptor 1. The whole tree of processes ends before this
one does, also when it is told to stop or when its parent dies.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, NoReturn

from fraisier.runner.containment import become_subreaper, die_with_parent, end_descendants, reap
from fraisier.runner.invocation import REQUEST, arguments


def main(folder: str, inventory: str) -> None:
    """Run what arrives and report it."""
    parent = os.getppid()
    become_subreaper()
    die_with_parent()
    signal.signal(signal.SIGTERM, lambda _signal, _frame: _stop(folder, parent))
    report = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # nothing but events may reach the pipe
    threading.Thread(target=_take_work, args=(folder,), daemon=True).start()

    import ansible_runner  # here, so that the parent can already tell us to stop

    def tell(event: dict[str, Any]) -> bool:
        report.write(json.dumps(event) + "\n")
        return False  # ansible-runner then keeps no file of it

    run = arguments(Path(folder), inventory or None)
    ansible_runner.run(**run, event_handler=tell, cancel_callback=lambda: False)
    end_descendants(folder)
    reap()


def _take_work(folder: str) -> None:
    """Wait for the work, then let Ansible go on with it."""
    line = sys.stdin.readline()
    if not line:
        os.kill(os.getpid(), signal.SIGTERM)
        return
    work = json.loads(line)
    for command in work["ssh"]:
        _connect(command)
    with open(f"{folder}/{REQUEST}", "w") as pipe:  # waits until Ansible opens its end
        pipe.write(work["request"])


def _connect(command: list[str]) -> None:
    """Open a shared SSH connection while Ansible loads; if it fails, Ansible finds out why."""
    subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def _stop(folder: str, parent: int) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    end_descendants(folder)
    reap()
    if os.getppid() != parent:
        shutil.rmtree(folder, ignore_errors=True)  # nobody else is left to wipe it
    os._exit(128 + signal.SIGTERM)


if __name__ == "__main__":
    main(*sys.argv[1:])
