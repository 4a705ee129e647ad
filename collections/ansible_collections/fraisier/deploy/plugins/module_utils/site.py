# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""An application on this host: the ground that every verb stands on."""

from __future__ import annotations

import os
import shutil
import stat
from typing import Any

from . import systemd
from .commands import User, find_user
from .failure import Failure
from .fence import Fence
from .fence_rules import Claim
from .ledger import Ledger
from .releases import Layout, Release
from .report import Report
from .service import Service


class Site:
    """The service, its folders, its releases and its fence; and what the run reports."""

    def __init__(self, service: Service, claim: Claim) -> None:
        self.service = service
        self.claim = claim
        self.layout = Layout(service.app_path)
        self.ledger = Ledger(self.layout)
        self.fence = Fence(self.layout.state)
        self.report = Report()
        self.switched = False
        self.changed = False
        self.reused = False
        self.restarted_at: float | None = None
        self.gate: dict[str, Any] | None = None
        self.previous: Release | None = None

    def enter(self) -> User:
        """Make the ground ready and take the fence; returns the service's account."""
        with self.report.step("fence"):
            user = find_user(self.service.service_user)
            require_root()
            require_own_folder(self.layout.app_path)
            self.make_folders(user)
            self.fence.acquire(self.claim)
        return user

    def make_folders(self, user: User) -> None:
        """Make the folders that are missing."""
        layout = self.layout
        os.makedirs(layout.app_path, 0o755, exist_ok=True)
        modes = {layout.releases: 0o755, layout.state: 0o700, layout.records: 0o700}
        for folder, mode in modes.items():
            if not os.path.isdir(folder):
                os.mkdir(folder)
                os.chmod(folder, mode)
        if not os.path.isdir(layout.shared):
            os.mkdir(layout.shared, 0o755)
            os.chown(layout.shared, user.uid, user.gid)

    def result(self) -> dict[str, Any]:
        """Return what the modules return, as far as the run came."""
        return {
            "changed": self.changed,
            "fence": self.fence.number,
            "switched": self.switched,
            "release": describe(self._now()),
            "previous": _before(self.previous),
            "reused": self.reused,
            "gate": self.gate,
            "steps": self.report.steps,
            "log": self.report.log,
            "app_path": self.layout.app_path,
        }

    def _now(self) -> Release | None:
        try:
            current = self.ledger.current()
        except Failure:
            return None
        return self.ledger.get(current) if current else None


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


def require_root() -> None:
    """Raise Failure `root_needed` unless this process may act for the service and for systemd."""
    if os.geteuid() != 0:
        raise Failure(
            "root_needed",
            "root is needed on the host, to act as the service's user and to restart its unit",
            "set become: true and give the SSH user sudo without a password",
        )
    if not systemd.present():
        raise Failure(
            "systemd_missing", "systemd does not run this host", "use a host that systemd runs"
        )


def require_programs() -> None:
    """Raise Failure `program_missing` unless git and tar are there."""
    for name in ("git", "tar"):
        if shutil.which(name) is None:
            raise Failure("program_missing", f"{name} is not installed", f"install {name}")


def require_own_folder(path: str) -> None:
    """Raise Failure unless nobody but root can exchange `path` or a folder above it."""
    if os.path.realpath(path) != path:
        raise Failure(
            "app_path_unsafe",
            f"app_path {path} leads through a symbolic link to {os.path.realpath(path)}",
            "write the real path",
        )
    part = path
    while part != "/":
        if os.path.lexists(part):
            _require_root_owned(part, path)
        part = os.path.dirname(part)


def _require_root_owned(part: str, path: str) -> None:
    found = os.lstat(part)
    if not stat.S_ISDIR(found.st_mode):
        raise Failure("app_path_unsafe", f"{part} is not a folder", "choose another app_path")
    writable = found.st_mode & 0o022 and not found.st_mode & stat.S_ISVTX
    if found.st_uid != 0 or writable:
        raise Failure(
            "app_path_unsafe",
            f"others than root can change {part}, so root must not work in {path}",
            f"chown root:root {part} && chmod go-w {part}; data of the service belongs in shared",
        )
