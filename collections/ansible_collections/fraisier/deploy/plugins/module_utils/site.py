# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""An application on this host: the ground that every verb stands on."""

from __future__ import annotations

import os
from typing import Any, ContextManager

from . import colours, systemd
from .clean_up import tolerated
from .commands import User
from .failure import Failure
from .fence import Fence
from .fence_rules import Claim
from .front import Front
from .git_url import SHA
from .ledger import Ledger
from .releases import ID, Release, layout_of
from .report import Report
from .service import Service
from .setup_hint import naming_setup
from .source import Source
from .state_folders import make_own, try_folders, try_own


class Site:
    """The service, its folders, its releases and its fence; and what the run reports."""

    def __init__(
        self, service: Service, claim: Claim, source: Source, front: Front | None = None
    ) -> None:
        self.service = service
        self.front = front
        self.source = source
        self.claim = claim
        self.layout = layout_of(service.app_path, service.layout)
        self.systemd = systemd.manager_for(service.systemd_scope)
        self.ledger = Ledger(self.layout)
        self.fence = Fence(self.layout.state)
        self.report = Report()
        self.switched = False
        self.changed = False
        self.reused = False
        self.restarted_at: float | None = None
        self.gate: dict[str, Any] | None = None
        self.previous: Release | None = None
        self.first = True
        self.backs_up = True
        self.lenient = self.doubtful = False
        self.around: dict[str, Any] = {"backup": None, "migrated": False, "warnings": []}

    @property
    def coloured(self) -> bool:
        """True where the service runs as two colours behind a proxy on this host."""
        return self.front is not None and self.front.colours

    @property
    def unit_text(self) -> str | None:
        """The unit as a deployment writes it; None where it is not this run's to write."""
        if self.systemd.right:  # a plain user's: root has written it, or it is the team's own
            return None
        return self.service.unit_text(self.layout.current, self.layout.environment)

    def enter(self, user: User) -> None:
        """Make the folders that are missing and take the fence; `user` is the service's."""
        with self.report.step("fence"):
            self.fence.require_its_time(self.claim)
            with naming_setup(self.service):
                self.make_folders(user)
            self.fence.acquire(self.claim)

    def try_enter(self) -> None:
        """Raise what `enter` would; makes no folder and leaves the fence as it is."""
        layout = self.layout
        folders = [layout.home] if layout.in_place else [layout.releases, layout.shared]
        with self.report.step("fence"):
            self.fence.examine(self.claim)
            with naming_setup(self.service):
                try_folders(*folders)
                try_own(layout.state, layout.records)

    def make_folders(self, user: User) -> None:
        """Make the folders that are missing."""
        layout = self.layout
        own = layout.home if layout.in_place else layout.app_path
        os.makedirs(own, 0o755, exist_ok=True)
        if not layout.in_place and not os.path.isdir(layout.releases):
            os.mkdir(layout.releases)
            os.chmod(layout.releases, 0o755)  # noqa: S103 - the service works below it
        make_own(layout.state, layout.records)
        if not layout.in_place and not os.path.isdir(layout.shared):
            os.mkdir(layout.shared, 0o755)
            os.chown(layout.shared, user.uid, user.gid)

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
            "previous": _before(self.previous),
            **self._colours(),
            "reused": self.reused,
            "gate": self.gate,
            "steps": self.report.steps,
            "log": self.report.log,
            "around": self.around,
            "app_path": self.layout.app_path,
        }

    def _colours(self) -> dict[str, Any]:
        """Return `colours` and `staged`; None where there are none."""
        record = colours.read(self.layout.state) if self.coloured else None
        waiting = self.ledger.get((record and record.release_of(record.staged)) or "")
        told = {"id": waiting.id, "version": waiting.version} if waiting else None
        if told and record:
            told["colour"] = str(record.staged)
        return {"colours": record.as_dict() if record else None, "staged": told}

    def _now(self) -> Release | None:
        try:
            current = self.ledger.current()
        except Failure:
            return None
        release = self.ledger.get(current) if current else None
        return None if release is None or release.only_found else release


def remembered(site: Site) -> Release | None:
    """Return the current release; one whose record is lost has status `unknown`."""
    current = site.ledger.current()
    if current is None:
        return None
    return site.ledger.get(current) or Release(current, "", "", "unknown", 0.0)


def require_sha(version: str | None) -> None:
    """Raise Failure `version_invalid` unless this is a full commit SHA."""
    if not SHA.match(version or ""):
        raise Failure(
            "version_invalid",
            f"version {version!r} is not a full commit SHA",
            "resolve it first: fraisier.deploy.git_version",
        )


def describe(release: Release | None) -> dict[str, Any] | None:
    """Return a release in the shape the modules return it."""
    if release is None:
        return None
    return {
        "id": release.id,
        "version": release.version,
        "status": release.status,
        "deployment": release.deployment,
    }


def _before(release: Release | None) -> dict[str, Any] | None:
    if release is None:
        return None
    return {"id": release.id, "version": release.version, "good": release.good}
