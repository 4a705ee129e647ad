"""A `fraisier` for shell scripts that has the process that loaded Fraisier fork each command.

A script that runs the real command thirty times spends a minute of processor time on loading it.
This one is a small program that passes its arguments, folder, environment and outputs on
(support.forked), forwards SIGTERM and SIGINT, and ends as the command ends.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from support import forked

PROGRAM = """\
#!{python} -IS
import json, os, signal, socket, struct, sys
telling, tell = os.pipe()
request = json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)]).encode()
waiting = {{signal.SIGTERM, signal.SIGINT}}
signal.pthread_sigmask(signal.SIG_BLOCK, waiting)
with socket.socket(fileno={descriptor}) as loaded:
    socket.send_fds(loaded, [request], [1, 2, tell])
os.close(tell)
number = struct.Struct("i")
(pid,) = number.unpack(os.read(telling, number.size))
for each in waiting:
    signal.signal(each, lambda number, _: os.kill(pid, number))
signal.pthread_sigmask(signal.SIG_UNBLOCK, waiting)
(code,) = number.unpack(os.read(telling, number.size))
if code < 0:
    signal.signal(-code, signal.SIG_DFL)
    os.kill(os.getpid(), -code)
sys.exit(code)
"""


@dataclass(frozen=True)
class ForkCommands:
    """The folder that has `fraisier`, and the descriptor that a script has to inherit for it."""

    folder: Path
    descriptor: int

    @classmethod
    def create(cls, folder: Path) -> ForkCommands:
        """Write the program into a folder, which goes first on a script's PATH."""
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = forked.loaded_process().fileno()
        program = folder / "fraisier"
        program.write_text(PROGRAM.format(python=sys.executable, descriptor=descriptor))
        program.chmod(0o755)
        return cls(folder, descriptor)

    def environ(self, variables: Mapping[str, str]) -> dict[str, str]:
        """Return a script's environment: `variables`, and what is read while Python is loaded."""
        kept = {k: v for k, v in os.environ.items() if k.startswith(forked.AT_LOADING)}
        path = os.pathsep.join([str(self.folder), variables.get("PATH") or os.environ["PATH"]])
        seen = {**kept, **variables, "PATH": path}
        assert forked.can_be_forked(seen)
        return seen
