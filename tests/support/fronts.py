"""The two ways to speak to Fraisier: a command that works itself, and a client of a server."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from support.command import Fraisier, Result
from support.target import Target, until

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

    def begin(self, *options: str) -> subprocess.Popen[str]:
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
    with running_server(target) as url:
        settings = {"FRAISIER_SERVER": url, "FRAISIER_TOKEN": new_token(target, "admin")}
        yield Front(target, Fraisier(folder, environment=settings), ("--wait",))


@contextmanager
def running_server(target: Target) -> Iterator[str]:
    """Run `fraisier serve` beside the target's configuration and return its URL."""
    with socket.socket() as chosen:
        chosen.bind(("127.0.0.1", 0))
        port = chosen.getsockname()[1]
    log = (target.folder / "serve.log").open("w")
    process = subprocess.Popen(
        target.fraisier.argv("serve", "--bind", f"127.0.0.1:{port}"),
        cwd=target.folder,
        env=target.fraisier.environ({}),
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
    )
    try:
        until(lambda: process.poll() is not None or _answers(port))
        assert process.poll() is None, Path(log.name).read_text()
        yield f"http://127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        log.close()


def new_token(target: Target, scope: str) -> str:
    """Make a token on the server's machine and return its secret."""
    made = target.fraisier("--json", "token", "create", f"tests-{scope}", "--scope", scope)
    assert made.code == 0, made.said
    return str(made.json["token"])


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/health/ready")
        answer = connection.getresponse()
        return answer.status == 200 and bool(json.loads(answer.read()))
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
