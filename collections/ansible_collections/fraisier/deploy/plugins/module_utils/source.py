# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""How a commit's files get to this host: fetched from the repository, or pushed as an archive."""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass
from typing import Any, Mapping

from . import git_access, git_tree
from .commands import User
from .failure import Failure
from .git_access import Access
from .git_mirror import Mirror
from .git_tree import Part

PUSH = "push"
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Source:
    """Where the files of a release come from.

    `pushed`: from the file `archive` (a path, None where there is no need of one), whose SHA-256 is
    `checksum`; else from the repository of `access`.
    """

    access: Access
    pushed: bool = False
    archive: str | None = None
    checksum: str | None = None

    @property
    def programs(self) -> tuple[str, ...]:
        """The programs that unpacking takes."""
        return ("tar", "gzip") if self.pushed else ("git", "tar")

    def fetch(self, mirror: str, version: str) -> list[Part]:
        """Bring a commit here, all that it needs included; raises Failure."""
        return git_tree.fetch(Mirror(mirror, self.access), version)

    def unpack(self, parts: list[Part], version: str, folder: str, user: User) -> None:
        """Unpack a commit into a folder as `user`, from its `parts` or what was pushed."""
        if self.pushed:
            git_tree.unpack_file(self.require_archive(), version, folder, user)
        else:
            git_tree.unpack(parts, folder, user)

    def require_archive(self) -> str:
        """Return the archive that was pushed; raises Failure where it is not there or not whole."""
        if self.archive is None or not stat.S_ISREG(os.stat(self.archive).st_mode):
            raise Failure(
                "archive_missing",
                "nothing was pushed to this host",
                "run fraisier.deploy.release as a task: its action brings the archive",
            )
        if checksum(self.archive) != self.checksum:
            raise Failure(
                "archive_damaged",
                "what was pushed to this host is not what was sent",
                "deploy again; if it happens again, look for a full disk on the host",
            )
        return self.archive


def from_options(options: Mapping[str, Any]) -> Source:
    """Return the source that a module's options tell."""
    service = options["service"]
    access = git_access.from_options(
        service["repository"], service.get("git_username"), options.get("secret_git")
    )
    pushed = service.get("source") == PUSH
    return Source(access, pushed, options.get("archive"), options.get("archive_checksum"))


def checksum(path: str) -> str:
    """Return the SHA-256 of a file as hexadecimal text."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
