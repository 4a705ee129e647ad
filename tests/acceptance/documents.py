"""Runs the shell blocks of a document as its reader would: one session, on a real host.

Its `fraisier` is forked by a process that has loaded it; everything else is what is installed.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from support.command import LIMIT_SECONDS
from support.fork_commands import ForkCommands
from support.server import free_port
from support.target import Target

TOP = Path(__file__).resolve().parents[2]
#: `make` would set up this very machine or run these very tests: its lines are read, not done.
MAKE = 'make() {{ command make --directory {top} --dry-run "$@" > /dev/null; }}\n'
#: What a document starts in the background ends with it, also where it breaks off.
NO_REST = "trap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n"


@dataclass(frozen=True)
class Session:
    """A folder, a home and a host for the blocks of one document."""

    folder: Path
    home: Path
    target: Target
    commands: ForkCommands

    @classmethod
    def create(cls, target: Target, home: Path) -> Session:
        """Make a home whose ssh reaches the target's host as the document's reader would."""
        (home / "bin").mkdir(parents=True)
        (home / ".ssh").mkdir(mode=0o700)
        config = f"IdentityFile {target.lab.key}\nUserKnownHostsFile {target.lab.known_hosts}\n"
        (home / ".ssh/config").write_text(config + "StrictHostKeyChecking yes\n")
        # ssh finds its configuration through the user's account, not through HOME
        script = f'#!/bin/sh\nexec {shutil.which("ssh")} -F "$HOME/.ssh/config" "$@"\n'
        (home / "bin/ssh").write_text(script)
        (home / "bin/ssh").chmod(0o755)
        return cls(target.folder, home, target, ForkCommands.create(home / "bin"))

    def run(self, blocks: Sequence[str], **variables: str) -> subprocess.CompletedProcess[str]:
        """Run the blocks in one bash, which ends at the first line that fails."""
        script = MAKE.format(top=shlex.quote(str(TOP))) + NO_REST + "\n".join(blocks)
        return subprocess.run(
            ["bash", "-euxo", "pipefail", "-c", script],
            stdin=subprocess.DEVNULL,
            cwd=self.folder,
            env={**self.environment(), **variables},
            pass_fds=[self.commands.descriptor],
            capture_output=True,
            text=True,
            timeout=LIMIT_SECONDS,
        )

    def environment(self) -> dict[str, str]:
        """Return what the reader's shell knows."""
        address = self.target.hosts[0].address
        kept = {
            name: os.environ[name] for name in ("LANG", "USER", "LOGNAME") if name in os.environ
        }
        return self.commands.environ(
            {
                **kept,
                "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
                "HOME": str(self.home),
                "PS4": "+ $SECONDS s: ",
                "HOST": address,
                "WEB_HOST": address,
                "FRAISIER_BIND": f"127.0.0.1:{free_port()}",
            }
        )
