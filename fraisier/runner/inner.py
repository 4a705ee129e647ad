"""The run itself: ansible-runner with a clean environment, its events as lines of JSON.

Ansible starts at once and waits: its variables are a pipe, which is filled when one line of JSON,
the work, arrives on descriptor 0. Events leave on descriptor 1.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any, NoReturn

from fraisier.runner.bounds import bounded
from fraisier.runner.containment import become_subreaper, end_marked, reap
from fraisier.runner.files import REQUEST, arguments

STOPPED = 128 + signal.SIGTERM


def plain(folder: str, inventory: str) -> NoReturn:
    """Run where something else ends what is left over."""
    os._exit(_run(folder, inventory))


def guarded(folder: str, inventory: str) -> NoReturn:
    """Run as a second guard of the tree, beside the launcher: whoever is left ends it."""
    os.setpgid(0, 0)  # what kills the launcher's group leaves this one
    become_subreaper()
    signal.signal(signal.SIGTERM, lambda _signal, _frame: _stop(folder))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
    code = _run(folder, inventory)
    _end_tree(folder)
    os._exit(code)


def _run(folder: str, inventory: str) -> int:
    """Run what arrives and report it; return the exit code."""
    report = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # nothing but events may reach the pipe
    if os.fork() == 0:  # no thread: Ansible may be a fork of this process
        _take_work(folder)

    def tell(event: dict[str, Any]) -> bool:
        report.write(bounded(event) + "\n")
        return False  # ansible-runner then keeps no file of it

    try:
        import ansible_runner  # here, so that the launcher can already be told to stop

        if "ansible" not in sys.modules:  # else it is loaded, and a fork of this process plays
            _play_with_what_was_built()
        run = arguments(Path(folder), inventory or None)
        ended = ansible_runner.run(**run, event_handler=tell, cancel_callback=lambda: False)
        if ended.rc is None:
            said = "ansible-playbook was killed; the kernel does that when memory runs out"
            tell({"event": "error", "stdout": said})
    except Exception:
        with contextlib.suppress(OSError):  # there may be no room for it
            traceback.print_exc()
        return 1
    return 0


def _play_with_what_was_built() -> None:
    """Let ansible-runner execute our `ansible-playbook`, which keeps what it builds."""
    import pexpect

    execute = pexpect.spawn

    def spawn(command: str, args: list[str], **more: Any) -> Any:
        if os.path.basename(command) == "ansible-playbook":
            command, args = sys.executable, ["-P", "-m", "fraisier.runner.playbook", *args]
        return execute(command, args, **more)

    pexpect.spawn = spawn


def _take_work(folder: str) -> NoReturn:
    """Wait for the work, then let Ansible go on with it; without any, the run ends."""
    try:
        line = sys.stdin.readline()
        if not line:
            os.kill(os.getppid(), signal.SIGTERM)
            os._exit(STOPPED)
        work = json.loads(line)
        for command in work["ssh"]:
            _connect(command)
        with open(f"{folder}/{REQUEST}", "w") as pipe:  # waits until Ansible opens its end
            pipe.write(work["request"])
    except Exception:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(0)


def _connect(command: list[str]) -> None:
    """Open a shared SSH connection while Ansible loads; if it fails, Ansible finds out why."""
    with contextlib.suppress(OSError):  # there is no ssh here, or no room for it
        subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )


def _stop(folder: str) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _end_tree(folder)
    os._exit(STOPPED)


def _end_tree(folder: str) -> None:
    end_marked(folder)
    reap()
