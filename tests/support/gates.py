"""The tools that check the collection and build the package, in their own environment."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from support.interpreters import interpreters
from support.tree import TOP

FOLDER = TOP / ".venv/gates"
OLDEST, NEWEST = 9, 14


@dataclass(frozen=True)
class Gates:
    """Runs the tools; `pythons` is a folder with a link to each interpreter of this machine."""

    pythons: Path

    @classmethod
    def ready(cls, pythons: Path) -> Gates:
        """Make the environment where it is not up to date, and link the interpreters."""
        script = TOP / "scripts/gates-environment"
        made = subprocess.run(
            [script], env={**os.environ, "PYTHON": sys.executable}, capture_output=True, text=True
        )
        assert made.returncode == 0, made.stdout + made.stderr
        for minor, python in interpreters(OLDEST, NEWEST).items():
            (pythons / f"python3.{minor}").symlink_to(python)
        return cls(pythons)

    def __call__(
        self, *command: str, cwd: Path, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run one of the tools to its end, with the environment's programs and the system's."""
        variables = {
            "PATH": f"{FOLDER}/bin:{self.pythons}:{os.defpath}",
            "HOME": str(FOLDER),
            "LANG": "C.UTF-8",
            **environment,
        }
        return subprocess.run(command, cwd=cwd, env=variables, capture_output=True, text=True)
