"""`fraisier serve` as a process, and its API as a client with a token sees it."""

from __future__ import annotations

import signal
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from support.command import Fraisier
from support.forked import Command, can_be_forked
from support.target import until

STOP_SECONDS = 90


@dataclass
class Server:
    """A running server. `log` is what it said."""

    process: subprocess.Popen[bytes] | Command
    url: str
    secret: str
    log: Path

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> requests.Response:
        """Send a request below /api/v1, with the token."""
        return requests.request(
            method,
            f"{self.url}/api/v1{path}",
            json=body,
            headers={"Authorization": f"Bearer {self.secret}", **headers},
            timeout=30,
        )

    def deploy(self, environment: str = "production", **wish: Any) -> str:
        """Request a deployment of my_api and return its id."""
        body = {"fraise": "my_api", "environment": environment, **wish}
        answer = self.send("POST", "/deployments", body)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    def show(self, deployment_id: str) -> Any:
        """Return a deployment as it stands."""
        answer = self.send("GET", f"/deployments/{deployment_id}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def ended(self, deployment_id: str, seconds: float = 60) -> Any:
        """Wait for the end of a deployment and return it."""
        until(lambda: self.show(deployment_id)["completed_at"], seconds)
        return self.show(deployment_id)

    def signal(self, number: signal.Signals) -> None:
        """Send the process a signal."""
        self.process.send_signal(number)

    def stop(self) -> int:
        """Ask it to stop, and return how it ended."""
        self.signal(signal.SIGTERM)
        return self.process.wait(STOP_SECONDS)

    def answers(self) -> bool:
        """True once it says that it is ready."""
        try:
            return requests.get(f"{self.url}/health/ready", timeout=2).status_code == 200
        except requests.RequestException:
            return False


@contextmanager
def serving(
    fraisier: Fraisier, *options: str, secret: str = "", executed: bool = False
) -> Iterator[Server]:
    """Serve the configuration in a folder; it is stopped at the end, if it still runs.

    `executed` is for claims about how a server starts, is killed or hears signals; others have it
    as a fork of a process that has loaded Fraisier and Ansible.
    """
    if not secret:
        made = fraisier("--json", "token", "create", "test", "--scope", "admin")
        assert made.code == 0, made.said
        secret = made.json["token"]
    address = f"127.0.0.1:{free_port()}"
    log = fraisier.folder / f"serve-{address.rpartition(':')[2]}.log"
    process = started(fraisier, ("serve", "--bind", address, *options), log, executed)
    server = Server(process, f"http://{address}", secret, log)
    try:
        until(lambda: process.poll() is not None or server.answers(), 60)
        assert process.poll() is None, log.read_text()
        yield server
    finally:
        if process.poll() is None:
            server.stop()


def started(
    fraisier: Fraisier, arguments: Sequence[str], log: Path, executed: bool = False
) -> subprocess.Popen[bytes] | Command:
    """Start a command that prints to a file."""
    environment = fraisier.environ({})
    with log.open("wb") as output:
        if can_be_forked(environment) and not executed:
            return Command(arguments, fraisier.folder, environment, output)
        return subprocess.Popen(
            fraisier.argv(*arguments),
            cwd=fraisier.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as chosen:
        chosen.bind(("127.0.0.1", 0))
        return int(chosen.getsockname()[1])
