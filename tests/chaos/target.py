"""One target of a round: its place on a host, its configuration, its database, its versions."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from chaos.host import Look, Place
from chaos.records import Records
from chaos.versions import Shelf, Versions
from fraisier.config.settings import Settings
from fraisier.engine.deployments import Deployments, Wish
from fraisier.lab import Lab, LabHost
from fraisier.store.migrate import migrate
from fraisier.wiring import Application
from support.daemons import Daemon

ASKER = "chaos"
#: A receiver that is never there: what it is to be sent is recorded, and sending it fails.
NOBODY = {"name": "nobody", "url": "https://127.0.0.1:9/", "secret": {"env": "CHAOS_HOOK"}}


@dataclass
class Target:
    """A fraise `chaos` with one environment named like the target, on hosts of a lab.

    `disk` is the small one that its records are on, if they are on one.
    """

    name: str
    kind: str
    url: str
    lab: Lab
    hosts: Sequence[LabHost]
    port: int
    folder: Path
    versions: Versions
    lease: float | None
    server: Daemon | None = None
    disk: Path | None = None
    shelf: Shelf = field(init=False)
    records: Records = field(init=False)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True)
        (self.folder / "fraises.yaml").write_text(yaml.safe_dump(self._configuration()))
        self.shelf = Shelf(self.versions)
        migrate(self.url)
        self.records = Records(self.url)

    @cached_property
    def application(self) -> Application:
        """Return Fraisier in this process, for what no kill is about."""
        settings = Settings(database_url=self.url, database_pool=2)
        return Application(settings, str(self.folder / "fraises.yaml"))

    @cached_property
    def deployments(self) -> Deployments:
        """Return what asks and unlocks, and settles nothing by itself."""
        app = self.application
        return Deployments(app.catalogue, app.store, app.repositories, app.inventories)

    @cached_property
    def places(self) -> dict[str, Place]:
        """Return its places by the names of their hosts."""
        return {host.address: Place(host, f"chaos-{self.name}") for host in self.hosts}

    def look(self) -> dict[str, Look]:
        """Look at its hosts now."""
        return {name: place.look() for name, place in self.places.items()}

    def ask(self, version: str, key: str | None = None) -> str:
        """Request a deployment that any worker may carry out; return its id."""
        wish = Wish("chaos", self.name, ASKER, version=version, idempotency_key=key)
        return str(self.deployments.deploy(wish).id)

    def unlock(self) -> None:
        """Let the target go on, as a person would who has looked."""
        if self.application.store.held("chaos", self.name):
            self.deployments.unlock("chaos", self.name, "looked at it", ASKER)

    def tell(self, seconds: float = 60.0) -> list[str]:
        """Pass on what was recorded, and return the events that did not go on in that time."""
        app, deadline = self.application, time.monotonic() + seconds
        with app.telling(app.member):
            while (left := self.records.untold()) and time.monotonic() < deadline:
                time.sleep(0.2)
        return left

    def environ(self, failpoint: str | None = None) -> dict[str, str]:
        """Return the environment of a process that works on it."""
        mine = {k: v for k, v in os.environ.items() if not k.startswith(("FRAISIER_", "ANSIBLE_"))}
        mine |= {"FRAISIER_DATABASE_URL": self.url, "FRAISIER_FAILPOINT_LOG": str(self.passed)}
        mine["CHAOS_HOOK"] = "x" * 32
        if self.lease is not None:
            mine["FRAISIER_LEASE"] = f"{self.lease:g}"
        return mine | ({"FRAISIER_FAILPOINT": failpoint} if failpoint else {})

    @property
    def passed(self) -> Path:
        """Return the file of the failpoints that were passed."""
        return self.folder / "passed"

    def argv(self, *arguments: str) -> list[str]:
        """Return a command of Fraisier's."""
        return [sys.executable, "-m", "fraisier", *arguments]

    def close(self) -> None:
        """Leave nothing on the hosts."""
        self.records.close()
        for place in self.places.values():
            place.clean()

    def _configuration(self) -> dict[str, Any]:
        name = f"chaos-{self.name}"
        provider = {
            "hosts": [
                {"hostname": host.address, "username": "deploy", "ssh_key_path": str(self.lab.key)}
                for host in self.hosts
            ],
            "known_hosts": str(self.lab.known_hosts),
            "service_name": name,
            "app_path": f"/opt/{name}",
            "service_user": "app",
            "build": [["/usr/bin/python3", "-BES", "build.py"]],
            "exec": ["/usr/bin/python3", "-BES", "app.py"],
            "env_vars": {"PORT": str(self.port), "CHAOS_MARKS": f"/var/tmp/{name}.marks"},
            "health_check": {"type": "http", "url": f"http://127.0.0.1:{self.port}/"},
            "keep_releases": 2,
        }
        environment = {
            "provider": "bare_metal",
            "strategy": "rolling",
            "strategy_config": {"healthy_deadline": 4},
            "provider_config": provider,
        }
        fraise = {
            "git_provider": "git",
            "git_repo": str(self.versions.path),
            "git_branch": "quick",
            "environments": {self.name: environment},
        }
        return {"fraises": {"chaos": {"type": "api", **fraise}}, "webhooks": [NOBODY]}
