# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""A bare mirror of a repository: each commit is fetched once."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from typing import Mapping

from .clean_up import remove_tree
from .commands import Finished, User, end_group, spawn
from .failure import disk_full
from .git import OPTIONS, environment, git, not_found, unreachable
from .git_access import Access

#: Where the branches and tags of a checkout's repository go: none of its owner's is moved.
FETCHED = (
    "+refs/heads/*:refs/fraisier/fetched/heads/*", "+refs/tags/*:refs/fraisier/fetched/tags/*",
)  # fmt: skip
SHA256_DIGITS = 64
#: The tree without files, by its SHA-1 and its SHA-256.
EMPTY_TREES = (
    "4b825dc642cb6eb9a060e54bf8d69288fbee4904",
    "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321",
)
#: No use in asking such a server again: that would take as long as before.
_SILENT = re.compile(r"timed out|[Ff]ailed to connect")
_REFS = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")


def object_format(sha: str) -> tuple[str, ...]:
    """Return the options of `git init` for a repository that is to hold a commit."""
    return ("--object-format=sha256",) if len(sha) == SHA256_DIGITS else ()


def empty_tree(sha: str) -> str:
    """Return the tree without files in the repository of a commit."""
    return EMPTY_TREES[bool(object_format(sha))]


@dataclass(frozen=True)
class Mirror:
    """A bare mirror of the repository of `access` in the folder `path`.

    Git runs as `user` there where one is named. `shallow`: commits come without their history
    from servers that allow it.
    """

    path: str
    access: Access
    user: User | None = None
    shallow: bool = False

    def has(self, sha: str) -> bool:
        """True when the commit is here already."""
        return self.run("cat-file", "-e", f"{sha}^{{commit}}").code == 0

    def fetch(self, sha: str) -> bool:
        """Make sure the commit is here; True when anything was fetched. Raises Failure."""
        self.access.require_usable()
        if self._hashes_otherwise(sha):
            remove_tree(self.path)  # the repository was converted since
        if not os.path.isdir(self.path):
            os.makedirs(self.path, 0o700)
        if not os.path.exists(os.path.join(self.path, "HEAD")):
            init = ("init", "--quiet", "--bare", *object_format(sha), self.path)
            self.must(git(*init, access=self.access, user=self.user))
        if self.has(sha):
            return False
        if self.shallow and self._fetch_alone(sha):
            return True
        self.must(self._fetch("--prune", "--force", refs=_REFS))
        if not self.has(sha):
            self._fetch(refs=(sha,))
        if not self.has(sha):
            raise not_found(sha, self.access.repository)
        return True

    def _hashes_otherwise(self, sha: str) -> bool:
        """True where a mirror is here that cannot hold the commit: its ids are of another kind."""
        try:
            with open(os.path.join(self.path, "config"), encoding="utf-8") as file:
                sha256 = "objectformat = sha256" in file.read().lower()
        except FileNotFoundError:
            return False
        return sha256 != bool(object_format(sha))

    def bring(self, sha: str) -> bool:
        """Fetch a commit into a checkout's repository unless it is there; True when it was not.

        Moves no branch of its owner and uses none of their remotes. Raises Failure.
        """
        if self.has(sha):
            return False
        if self.shallow and self._fetch_alone(sha):
            return True
        if self._fetch("--force", refs=(sha,)).code != 0:
            self.must(self._fetch("--force", refs=FETCHED))
        if not self.has(sha):
            raise not_found(sha, self.access.repository)
        return True

    def detach(self, sha: str) -> None:
        """Make a commit the one that this bare repository is at: git-lfs reads its settings."""
        self.must(self.run("update-ref", "--no-deref", "HEAD", sha))

    def run(self, *arguments: str, settings: Mapping[str, str] | None = None) -> Finished:
        """Run git here; its output is bounded."""
        return git(*arguments, access=self.access, cwd=self.path, user=self.user, settings=settings)

    def read(self, *arguments: str) -> str:
        """Return all that git says of what is here; empty where it has nothing to say."""
        process = spawn(
            ["git", *OPTIONS, *arguments],
            env=environment(self.access, self.user), cwd=self.path, user=self.user,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            return process.communicate()[0].decode("utf-8", "surrogateescape")
        finally:
            end_group(process)

    def must(self, finished: Finished) -> None:
        """Raise Failure where git failed."""
        if finished.code != 0:
            raise disk_full(finished.output) or unreachable(self.access.repository, finished)

    def _fetch_alone(self, sha: str) -> bool:
        """Fetch a commit without its history; False where a server that answers does not do so."""
        finished = self._fetch("--depth=1", refs=(sha,))
        if finished.timed_out or _SILENT.search(finished.output):
            self.must(finished)
        return finished.code == 0 and self.has(sha)

    def _fetch(self, *options: str, refs: tuple[str, ...]) -> Finished:
        quiet = ("--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules")
        return self.run("fetch", *quiet, *options, "--", self.access.repository, *refs)
