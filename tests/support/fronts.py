"""The two ways to speak to Fraisier: a command that works itself, and a client of a server."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from support.command import Fraisier, Result
from support.forked import Command
from support.server import serving
from support.target import Target

NAMES = ("my_api", "production")


@dataclass(frozen=True)
class Front:
    """`fraisier` in one of the two ways, for one target. `waiting`: what makes a command stay."""

    target: Target
    fraisier: Fraisier
    waiting: tuple[str, ...] = ()

    def __call__(self, *words: str) -> Result:
        """Run a command."""
        return self.fraisier(*words)

    def json(self, *words: str, code: int = 0) -> Any:
        """Run a command that must end with a code, and return what it printed as JSON."""
        done = self.fraisier("--json", *words)
        assert done.code == code, done.said
        return done.json

    def deploy(self, *options: str) -> Result:
        """Deploy, and stay to the end."""
        return self.fraisier("deploy", *NAMES, *self.waiting, *options)

    def begin(self, *options: str) -> subprocess.Popen[str] | Command:
        """Start a deployment that is stayed with, and return that process."""
        return self.fraisier.start("deploy", *NAMES, *self.waiting, *options)

    def with_token(self, token: str) -> Front:
        """Return the same way with another token."""
        environment = {**self.fraisier.environment, "FRAISIER_TOKEN": token}
        return replace(self, fraisier=replace(self.fraisier, environment=environment))


def alone(target: Target) -> Front:
    """Return the commands that do the work themselves."""
    return Front(target, target.fraisier)


@contextmanager
def behind_a_server(target: Target, folder: Path) -> Iterator[Front]:
    """Return commands in an empty folder that ask a server, which has the configuration."""
    folder.mkdir()
    with serving(target.fraisier) as server:
        settings = {"FRAISIER_SERVER": server.url, "FRAISIER_TOKEN": server.secret}
        yield Front(target, Fraisier(folder, environment=settings), ("--wait",))


def new_token(target: Target, scope: str) -> str:
    """Make a token on the server's machine and return its secret."""
    made = target.fraisier("--json", "token", "create", f"tests-{scope}", "--scope", scope)
    assert made.code == 0, made.said
    return str(made.json["token"])
