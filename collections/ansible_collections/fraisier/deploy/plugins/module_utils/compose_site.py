# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""A service in containers on this machine: the ground that every verb stands on."""

from __future__ import annotations

import os
import secrets
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ContextManager, Iterator, Mapping

from . import colours
from .clean_up import tolerated
from .compose_engine import Docker
from .compose_files import Files
from .compose_login import forget as forget_login
from .compose_project import hidden, text_of
from .compose_service import ComposeService
from .failure import Failure
from .fence import Fence, try_lock
from .fence_rules import Claim
from .files import read_json, read_text, write_atomic, write_json
from .front import Front
from .ledger import Ledger
from .releases import ID, IN_PLACE, Layout, Release, state_home
from .report import Report
from .state_folders import make_own, try_own

PLACE = "place.json"
LOCK = "up.lock"
KEY = "inputs.key"


@dataclass(frozen=True)
class ComposeLayout(Layout):
    """The paths of a service in containers: `app_path` is its state folder and holds all."""

    kind: str = IN_PLACE

    @property
    def state(self) -> str:
        """The folder that is for nobody else to read."""
        return self.app_path

    def file_of(self, release: str) -> str:
        """Return the Compose file of a release, resolved and pinned to its image."""
        return os.path.join(self.record(release), "compose.json")


class ComposeSite:
    """The service, its project, its releases and its fence; and what the run reports.

    `project` is what the Compose file comes to now; empty where that was not asked.
    """

    def __init__(
        self, service: ComposeService, claim: Claim | None, docker: Docker, name: str,
        project: dict[str, Any] | None = None, files: Files | None = None,
    ) -> None:  # fmt: skip
        self.service = service
        self.claim = claim
        self.docker = docker
        self.name = name
        self.project = project or {}
        self.files = files
        self.front: Front | None = None
        self.dependents: list[str] = []
        self.key = b""
        self.layout = ComposeLayout(state_folder(name, service.service))
        self.ledger = Ledger(self.layout)
        self.fence = Fence(self.layout.state)
        self.report = Report()
        self.switched = False
        self.changed = False
        self.reused = False
        self.gate: dict[str, Any] | None = None
        self.previous: Release | None = None
        self.first = True
        self.backs_up = True
        self.lenient = self.doubtful = False
        self.around: dict[str, Any] = {"backup": None, "migrated": False, "warnings": []}

    def enter(self) -> Claim:
        """Make the state folder ready and take the fence; returns the claim it was taken for."""
        if self.claim is None:
            raise ValueError("a site that was made without a claim takes no fence")
        with self.report.step("fence"):
            self.fence.require_its_time(self.claim)
            os.makedirs(os.path.dirname(self.layout.state), exist_ok=True)
            make_own(self.layout.state, self.layout.records)
            write_json(
                os.path.join(self.layout.state, PLACE),
                {"file": self.service.file, "project": self.name, "at": time.time()},
            )
            self.fence.acquire(self.claim)
            if self.key:
                _keep_key(os.path.join(os.path.dirname(self.layout.state), KEY), self.key)
            with self.removing("fence", "the login of an earlier run"):
                forget_login(self.layout.state)
            if self.files is not None:
                self.files.keep()
        return self.claim

    def try_enter(self) -> None:
        """Raise what `enter` would; makes no folder and leaves the fence as it is."""
        if self.claim is None:
            raise ValueError("a site that was made without a claim takes no fence")
        with self.report.step("fence"):
            self.fence.examine(self.claim)
            try_own(self.layout.state, self.layout.records)

    @contextmanager
    def alone(self, seconds: float) -> Iterator[None]:
        """Keep other services of the project from being brought up at the same time.

        They may need the same containers. Waits so long, then raises Failure `project_busy`.
        """
        path = os.path.join(os.path.dirname(self.layout.state), LOCK)
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            limit = time.monotonic() + seconds
            while not try_lock(lock):
                if time.monotonic() > limit:
                    raise Failure(
                        "project_busy",
                        f"another service of the project {self.name} is being brought up",
                        "wait until that has ended, then deploy again",
                    )
                time.sleep(0.05)
            yield
        finally:
            os.close(lock)

    def install_files(self, digest: str | None) -> None:
        """Make the folder of the Compose file what was sent as `digest`, where any was sent."""
        if self.files is None or not digest:
            return
        with self.report.step("files") as step:
            if not self.files.has(digest):
                self.report.say("files", "the files of that release are gone; today's are taken")
                return
            self.fence.check()
            if self.files.install(digest):
                self.changed = step["changed"] = True

    def sweep(self) -> None:
        """Remove what an earlier run left half-made."""
        with self.report.step("sweep") as step:
            swept = self.ledger.sweep(lambda release: self.removing("sweep", release))
            step["changed"] = bool(swept)
            if swept:
                self.report.say("sweep", "removed half-made releases: " + ", ".join(swept))

    def remembered(self) -> Release | None:
        """Return the current release; one whose record is lost has status `unknown`."""
        current = self.ledger.current()
        if current is None:
            return None
        return self.ledger.get(current) or Release(current, "", "", "unknown", 0.0)

    def write(self, release: str, project: Mapping[str, Any], environment: dict[str, Any]) -> None:
        """Write what a release is made of, for nobody else to read."""
        write_atomic(self.layout.file_of(release), text_of(project), 0o600)
        write_json(self.layout.environment_of(release), environment)

    def stored(self, release: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return a release's project and its environment: `variables`, and which are `secrets`."""
        project = read_json(self.layout.file_of(release))
        environment = read_json(self.layout.environment_of(release))
        if project is None or environment is None:
            raise Failure(
                "release_not_found",
                f"the record of release {release} is damaged",
                "deploy the version again",
            )
        return project, environment

    def environment(self, version: str) -> dict[str, Any]:
        """Return the environment to record with a release of now."""
        return {
            "variables": self.service.variables(version),
            "secrets": sorted(self.service.secrets),
        }

    def shown(self, release: Release) -> str:
        """Return the Compose file of a release as text without secrets, old ones included."""
        project, environment = self.stored(release.id)
        old = [environment["variables"].get(name, "") for name in environment["secrets"]]
        return hidden(project, [*old, *self.service.secrets.values()])

    def removing(self, step: str, what: str) -> ContextManager[None]:
        """Return a context in which removing something, by default a release, may fail."""
        name = f"release {what}" if ID.match(what) else what
        return tolerated(self.report, self.around["warnings"], step, name)

    def result(self) -> dict[str, Any]:
        """Return what the modules return, as far as the run came."""
        return {
            "changed": self.changed,
            "fence": self.fence.number,
            "switched": self.switched,
            "release": describe(self._now()),
            "previous": before(self.previous),
            **self._colours(),
            "reused": self.reused,
            "gate": self.gate,
            "steps": self.report.steps,
            "log": self.report.log,
            "around": self.around,
            "project": self.name,
        }

    @property
    def coloured(self) -> bool:
        """True where the service runs as two colours behind a proxy on this host."""
        return self.front is not None and self.front.colours

    def _colours(self) -> dict[str, Any]:
        """Return `colours` and `staged`; None where there are none."""
        record = colours.read(self.layout.state) if self.coloured else None
        waiting = self.ledger.get((record and record.release_of(record.staged)) or "")
        told = {"id": waiting.id, "version": waiting.version} if waiting else None
        if told and record:
            told["colour"] = str(record.staged)
        return {"colours": record.as_dict() if record else None, "staged": told}

    def _now(self) -> Release | None:
        current = self.ledger.current()
        return self.ledger.get(current) if current else None


def state_folder(project: str, service: str) -> str:
    """Return the folder of a service's state, which only its user can read."""
    return os.path.join(state_home(), "compose", project, service)


def key_of(project: str, service: str) -> bytes:
    """Return the key of a project's labels: the one that it has, else a new one.

    `ComposeSite.enter` keeps it.
    """
    path = os.path.join(os.path.dirname(state_folder(project, service)), KEY)
    text = read_text(path)
    return bytes.fromhex(text) if text else secrets.token_bytes(32)


def _keep_key(path: str, key: bytes) -> None:
    """Keep a new key; one that another service of the project has kept meanwhile stays."""
    if not os.path.exists(path):
        write_atomic(path, key.hex(), 0o600)


def content_of(release: Release) -> str:
    """Return the image of a release: its version, except where that says what it was built from.

    Hosts that build the same files have an image each, and one version.
    """
    return str(release.spec.get("id") or release.version)


def before(release: Release | None) -> dict[str, Any] | None:
    """Return what was current when the run began, in the shape the modules return it."""
    if release is None:
        return None
    return {"id": release.id, "version": release.version, "good": release.good}


def describe(release: Release | None) -> dict[str, Any] | None:
    """Return a release in the shape the modules return it."""
    if release is None:
        return None
    return {
        "id": release.id,
        "version": release.version,
        "status": release.status,
        "deployment": release.deployment,
        "image": release.spec.get("image"),
        "digest": release.spec.get("digest"),
    }
