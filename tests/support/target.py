"""A target on lab hosts: its configuration, and what is true on its hosts."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from fraisier.lab import Lab, LabHost
from support.command import Fraisier, Result
from support.inside import exec_in
from support.repository import Repository

APP_PATH = "/opt/my-api"
UNIT = "my-api.service"
SETUP_USER = "my-api"
SILENT = object()


@dataclass
class Target:
    """`my_api production` on some hosts of a lab, with a repository and a folder of its own."""

    lab: Lab
    hosts: Sequence[LabHost]
    repository: Repository
    folder: Path
    git_repo: str = ""
    git_auth: Any = None
    fraisier: Fraisier = field(init=False)

    def __post_init__(self) -> None:
        self.fraisier = Fraisier(self.folder)
        self.configure()

    def configure(self, environment: dict[str, Any] | None = None, **provider: Any) -> None:
        """Write fraises.yaml; arguments replace parts of the provider's configuration."""
        config = {
            "hosts": [
                {"hostname": host.address, "username": "deploy", "ssh_key_path": str(self.lab.key)}
                for host in self.hosts
            ],
            "known_hosts": str(self.lab.known_hosts),
            "service_name": "my-api",
            "app_path": APP_PATH,
            "service_user": "app",
            "exec": ["/usr/bin/python3", "app.py"],
            "env_vars": {"PORT": "8000"},
            "health_check": {"type": "http", "url": "http://localhost:8000/health", "timeout": 2},
            **provider,
        }
        production = {
            "provider": "bare_metal",
            "strategy_config": {"healthy_deadline": 8},
            "provider_config": {k: v for k, v in config.items() if v is not None},
            **(environment or {}),
        }
        fraise = {
            "type": "api",
            "git_provider": "git",
            "git_repo": self.git_repo or str(self.repository.path),
            "git_branch": "main",
            "environments": {"production": production},
        }
        if self.git_auth:
            fraise["git_auth"] = self.git_auth
        document = {"plugin": "fraisier.deploy.fraises", "fraises": {"my_api": fraise}}
        (self.folder / "fraises.yaml").write_text(yaml.safe_dump(document))

    def deploy(self, *options: str, **environment: str) -> Result:
        """Run `fraisier deploy my_api production`."""
        return self.fraisier("deploy", "my_api", "production", *options, **environment)

    def last(self) -> dict[str, Any]:
        """Return the newest deployment as the history has it."""
        found = self.fraisier("--json", "history", "my_api", "production", "--limit", "1").json
        deployment: dict[str, Any] = found["deployments"][0]
        return deployment

    def served(self, host: LabHost) -> str | None:
        """Return the version a client of the host is answered with, None if it is not well."""
        return served(host.address)

    def inside(self, host: LabHost, command: str) -> str:
        """Run a shell command on the host as root, from inside, and return what it says."""
        return exec_in(host.container, "sh", "-c", command).strip()

    def current(self, host: LabHost) -> str:
        """Return where `current` points, empty if it is not there."""
        return self.inside(host, f"readlink {APP_PATH}/current || true")

    def releases(self, host: LabHost) -> list[str]:
        """Return the names in the releases folder, hidden ones too."""
        return self.inside(host, f"ls -A {APP_PATH}/releases 2>/dev/null || true").split()

    def unit_state(self, host: LabHost) -> str:
        """Return what systemd says of the unit."""
        return self.inside(host, f"systemctl is-active {UNIT} || true")


def served(address: str, port: int = 8000, timeout: float = 2.0) -> str | None:
    """Return the version /health answers with, None if there is no good answer."""
    answer = asked(address, port, timeout)
    return None if answer is SILENT else answer


def asked(address: str, port: int = 8000, timeout: float = 2.0) -> Any:
    """Return as `served`, but SILENT where nothing at all was said within the timeout."""
    connection = http.client.HTTPConnection(address, port, timeout=timeout)
    try:
        connection.request("GET", "/health")
        response = connection.getresponse()
        body = response.read()
    except TimeoutError:
        return SILENT
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    return str(json.loads(body)["version"]) if response.status == 200 else None


@dataclass
class Watch:
    """What a client saw while it polled: the fewest healthy hosts, and how often it looked.

    A round in which every host was silent at once is no look: the machine that carries client and
    hosts stood still. A service that is down refuses at once, which is not silence.
    """

    fewest: int = 10**6
    looks: int = 0
    stalls: int = 0
    changes: list[tuple[float, list[str | None]]] = field(default_factory=list)

    def saw(self, answers: list[Any]) -> None:
        """Note what each host answered."""
        if len(answers) > 1 and all(answer is SILENT for answer in answers):
            self.stalls += 1
            return
        versions = [None if answer is SILENT else answer for answer in answers]
        self.looks += 1
        self.fewest = min(self.fewest, sum(version is not None for version in versions))
        if not self.changes or self.changes[-1][1] != versions:
            self.changes.append((time.monotonic(), versions))

    def story(self) -> str:
        """Return the changes seen, for the message of a failed test."""
        rounds = [f"{at:.2f} {[v and v[:7] for v in seen]}" for at, seen in self.changes]
        return "\n".join([f"{self.looks} looks, {self.stalls} stalls", *rounds])


@contextmanager
def watched(hosts: Sequence[LabHost], pause: float = 0.05) -> Iterator[Watch]:
    """Ask every host at the same moment, again and again, until the block ends."""
    watch, stop = Watch(), threading.Event()

    def poll() -> None:
        with ThreadPoolExecutor(len(hosts)) as pool:
            while not stop.is_set():
                watch.saw(list(pool.map(asked, [host.address for host in hosts])))
                stop.wait(pause)

    thread = threading.Thread(target=poll)
    thread.start()
    try:
        yield watch
    finally:
        stop.set()
        thread.join()


def wipe(host: LabHost) -> None:
    """Bring a host back to what it was before any deployment."""
    exec_in(
        host.container, "sh", "-c",
        f"systemctl stop {UNIT} 2>/dev/null; systemctl disable {UNIT} 2>/dev/null;"
        "for colour in blue green; do systemctl disable --now my-api@$colour 2>/dev/null; done;"
        f"rm -rf /etc/systemd/system/{UNIT} /etc/systemd/system/{UNIT}.d;"
        "rm -f /etc/systemd/system/my-api@*;"
        "rm -rf /var/lib/fraisier/ports* /var/lib/fraisier/backups;"
        "if [ -d /etc/fraisier-proxy ]; then systemctl stop fraisier-proxy;"
        "systemctl disable --now fraisier-acme.timer 2>/dev/null;"
        "rm -rf /var/lib/fraisier/acme /etc/systemd/system/fraisier-acme*;"
        "rm -rf /var/lib/fraisier/proxy /etc/systemd/system/fraisier-proxy.service"
        " /etc/fraisier-proxy; fi;"
        "find /tmp -maxdepth 1 -type f -delete;"  # by which builds and tests find each other
        "rm -f /etc/fraisier-test-behaviour; systemctl daemon-reload; systemctl reset-failed;"
        f"umount {APP_PATH} 2>/dev/null; rm -rf {APP_PATH};"
        f"! id {SETUP_USER} 2>/dev/null || userdel -rf {SETUP_USER} 2>/dev/null; true",
    )  # fmt: skip


def until(condition: Any, seconds: float = 20.0) -> None:
    """Wait until a condition holds; fail when it does not."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition never came true"
        time.sleep(0.05)
