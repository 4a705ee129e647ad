"""A process that runs a play which leaves marks, made to be killed; and what is left of it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fraisier.runner.containment import anywhere, end_marked
from fraisier.runner.folder import PREFIX, base, scratch
from support.target import until

WRITE = "while :; do date +%s%N >> {}; sleep 0.05; done"
#: One writer is a daemon in a session of its own, and one ignores what it is told.
PLAY = """
- hosts: all
  gather_facts: false
  connection: local
  tasks:
    - ansible.builtin.shell: |
        (setsid sh -c '{daemon}' &)
        (trap "" TERM; {deaf}) &
        {plain}
"""
WORKER = """
import json, os, sys
from fraisier.domain.catalogue import Host
from fraisier.domain.plan import Work
from fraisier.runner import AnsibleRunner
from fraisier.runner.forking import warm_up

playbook, mode, leash = sys.argv[1:]
if mode == "forked":
    warm_up()
    mode = "auto"
runner = AnsibleRunner(lambda a, b: {}, {**os.environ, "FRAISIER_CONTAINMENT": mode}, float(leash))
host = Host("here", "127.0.0.1", python="/usr/bin/python3")
work = Work("dep_1", "probe", playbook, (host,), False, {}, {}, 60)
outcome = runner.run(work, lambda facts: None, lambda: False)
here = outcome.hosts["here"]
print(json.dumps([outcome.ended, here.state, outcome.first_error()["message"]]))
"""


@dataclass
class Marking:
    """A process whose play writes three files, a line each 50 ms."""

    folder: Path
    process: subprocess.Popen[str]

    @classmethod
    def start(cls, folder: Path, mode: str, leash: float = 20.0) -> Marking:
        """Start it and return once all three files grow."""
        files = {name: WRITE.format(folder / name) for name in ("daemon", "deaf", "plain")}
        playbook = folder / "play.yml"
        playbook.write_text(PLAY.format(**files))
        process = subprocess.Popen(
            [sys.executable, "-c", WORKER, playbook, mode, str(leash)],
            stdout=subprocess.PIPE,
            text=True,
        )
        marking = cls(folder, process)
        until(lambda: all(marking.size(name) for name in files), 120)
        return marking

    def size(self, name: str) -> int:
        """Return how much a writer has written."""
        file = self.folder / name
        return file.stat().st_size if file.exists() else 0

    def sizes(self) -> list[int]:
        """Return how much each writer has written."""
        return [self.size(name) for name in ("daemon", "deaf", "plain")]

    @property
    def tree(self) -> list[int]:
        """Return the living processes of the run, the launcher first."""
        return [pid for path in self.folders for pid in anywhere(str(path))]

    @property
    def folders(self) -> list[Path]:
        """Return the private folders of the run."""
        return list(base().glob(f"{PREFIX}{self.process.pid}-*"))

    @property
    def unpacked(self) -> list[Path]:
        """Return the modules that Ansible has unpacked for the run."""
        places = filter(None, map(scratch, self.folders))
        return [found for place in places for found in place.glob("ansible_*_payload_*")]

    def named(self, word: str) -> list[int]:
        """Return those of the tree that have a word in their command line, the oldest first."""
        return sorted((pid for pid in self.tree if word in _command(pid)), key=_began)

    @property
    def guards(self) -> list[int]:
        """Return what holds the run together, the launcher first: all that is not Ansible yet."""
        return self.named("fraisier.runner.child") or self.named("fraisier.runner.fork_server")[:3]

    @property
    def playbooks(self) -> list[int]:
        """Return ansible-playbook and its workers."""
        return self.named("fraisier.runner.playbook") or [
            pid for pid in self.named("fraisier.runner.fork_server") if pid not in self.guards
        ]

    def kill(self, *pids: int, number: int = signal.SIGKILL) -> None:
        """Send a signal to all of them at one moment; they are stopped first."""
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):  # one may have taken it along
                os.kill(pid, number)

    def quiet_after(self, seconds: float) -> float:
        """Return after how many seconds the run was gone; fail where it is not within `seconds`."""
        begun, marks = time.monotonic(), [str(path) for path in self.folders]
        until(lambda: not any(anywhere(mark) for mark in marks), seconds)
        took = time.monotonic() - begun
        sizes = self.sizes()
        time.sleep(0.3)
        assert self.sizes() == sizes, "something still writes"
        return took

    def outcome(self) -> Any:
        """Wait for the process and return what its run came to: ended, state, message."""
        said, _ = self.process.communicate(timeout=30)
        return json.loads(said)

    def close(self) -> None:
        """End all of it, however the test went."""
        self.process.kill()
        self.process.communicate()
        for folder in self.folders:
            end_marked(str(folder), anywhere, grace=0)


def _began(pid: int) -> tuple[int, int]:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]), pid


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""
