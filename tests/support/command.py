"""The `fraisier` command as a user runs it: a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support import forked

#: No command takes so long, on a machine that does other things, too. A test may take longer.
LIMIT_SECONDS = 240


@dataclass(frozen=True)
class Result:
    """How a command ended and what it said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Return what `--json` printed."""
        return json.loads(self.out)

    @property
    def said(self) -> str:
        """Return everything a person would have seen."""
        return self.out + self.err


@dataclass(frozen=True)
class Fraisier:
    """Runs the command in a folder that holds a fraises.yaml. `path` goes before the packages."""

    folder: Path
    path: Sequence[Path] = ()
    environment: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, *arguments: str, **environment: str) -> Result:
        """Run a command to its end: as a fork, where it behaves as one that is executed."""
        seen = self.environ(environment)
        if forked.can_be_forked(seen):
            done = forked.run(arguments, self.folder, seen, LIMIT_SECONDS)
        else:
            done = subprocess.run(
                self.argv(*arguments),
                cwd=self.folder,
                env=seen,
                capture_output=True,
                text=True,
                stdin=subprocess.DEVNULL,
                timeout=LIMIT_SECONDS,
            )
        return Result(done.returncode, done.stdout, done.stderr)

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str] | forked.Command:
        """Start a command and return its process: a fork, where it behaves as an executed one."""
        seen = self.environ(environment)
        if forked.can_be_forked(seen):
            return forked.Command(arguments, self.folder, seen)
        return self.execute(*arguments, **environment)

    def execute(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """Start a command as a user does: for claims about its start, its signals and its death."""
        return subprocess.Popen(
            self.argv(*arguments),
            cwd=self.folder,
            env=self.environ(environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            stdin=subprocess.DEVNULL,
        )

    def argv(self, *arguments: str) -> list[str]:
        """Return the whole command."""
        return [sys.executable, "-m", "fraisier", *arguments]

    def environ(self, more: Mapping[str, str]) -> dict[str, str]:
        """Return the environment: this one without settings of Fraisier's, and `more`."""
        mine = {k: v for k, v in os.environ.items() if not k.startswith(("FRAISIER_", "ANSIBLE_"))}
        extra = {"PYTHONPATH": os.pathsep.join(map(str, self.path))} if self.path else {}
        return {**mine, **extra, **self.environment, **more}


def run_ansible(target: Any, tool: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run one of Ansible's tools with a target's fraises.yaml as its inventory."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("ANSIBLE_")}
    return subprocess.run(
        [str(Path(sys.executable).parent / tool), "-i", "fraises.yaml", *arguments],
        cwd=target.folder,
        env={**environment, "ANSIBLE_NOCOLOR": "1"},
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
    )
