"""The tools that check the collection and build the package, in their own environment."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from support.exclusive import exclusive
from support.interpreters import link_interpreters
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
        environment = {**os.environ, "PYTHON": sys.executable}
        with exclusive("gates"):
            made = subprocess.run([script], env=environment, capture_output=True, text=True)
        assert made.returncode == 0, made.stdout + made.stderr
        link_interpreters(pythons, OLDEST, NEWEST)
        stand_in_for_get_pip(FOLDER)
        return cls(pythons)

    def __call__(
        self, *command: str, cwd: Path, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run one of the tools to its end, with the environment's programs and the system's.

        One at a time: ansible-test makes environments in its home.
        """
        variables = {
            "PATH": f"{FOLDER}/bin:{self.pythons}:{os.defpath}",
            "HOME": str(FOLDER),
            "LANG": "C.UTF-8",
            **environment,
        }
        with exclusive("gates"):
            return subprocess.run(command, cwd=cwd, env=variables, capture_output=True, text=True)


def stand_in_for_get_pip(home: Path) -> None:
    """Put a script into a home with which ansible-test puts pip into its environments.

    It would download one; Python brings a pip along.
    """
    cache = home / ".ansible/test/cache"
    cache.mkdir(parents=True, exist_ok=True)
    (cache / "get_pip_24_2.py").write_text("import ensurepip\n\nensurepip.bootstrap()\n")
