# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""How a commit's files get to this host: fetched from the repository, or pushed as an archive."""

from __future__ import annotations

import hashlib
import os
import stat
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Iterator, Mapping

from . import git_access, git_tree
from .commands import User
from .differences import borrowed, lend
from .failure import Failure
from .git_access import Access
from .git_mirror import Mirror
from .git_tree import Part

PUSH = "push"
#: What helps a host that has no git, or no way to the repository.
_PUSHED = "or set source: push: Fraisier then fetches the code and sends the host its files"
INSTEAD = {"git": _PUSHED}
_UNREADABLE = ("repository_denied", "repository_unreachable", "lfs_failed")
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
        with _naming_push():
            return git_tree.fetch(Mirror(mirror, self.access), version)

    def try_fetch(self, mirror: str, version: str) -> None:
        """Raise what `fetch` would; what it brings is gone afterwards."""
        objects = os.path.join(mirror, "objects")
        there = objects if os.path.isdir(objects) else None
        with _naming_push(), borrowed(there, self.access, None, version) as trial:
            for here, kept in git_tree.module_mirrors(mirror, trial.path):
                lend(os.path.join(here, "objects"), kept)
            git_tree.fetch(replace(trial, shallow=True), version)

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


@contextmanager
def _naming_push() -> Iterator[None]:
    try:
        yield
    except Failure as failure:
        if failure.code in _UNREADABLE:
            failure.hint = f"{failure.hint}; {_PUSHED}"
        raise


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
