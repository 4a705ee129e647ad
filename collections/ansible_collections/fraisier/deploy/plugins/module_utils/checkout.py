# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""A git checkout that a service runs from: git in it is always its owner's, never root's."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from dataclasses import dataclass
from typing import Callable

from . import git_lfs, git_submodules
from .commands import Finished, User, as_user, user_of
from .failure import Failure, disk_full
from .files import remove_file
from .git import git
from .git_access import Access
from .git_mirror import Mirror, empty_tree, object_format
from .git_url import show
from .redaction import shorten

#: What keeps the commits of releases from git's garbage collection, out of everybody's way.
KEPT = "refs/fraisier/releases/"
#: Changes to files that a deployment which was cut short or bad had left.
SAVED = "refs/fraisier/saved/"
_PLAIN = ("--no-ext-diff", "--no-textconv", "--ignore-submodules=untracked")
_AUTHOR = ("-c", "user.name=Fraisier", "-c", "user.email=fraisier@localhost")
SHOWN = 5  # names of files in one message


@dataclass(frozen=True)
class Checkout:
    """The work tree at `path`, of `owner`; commits come from the repository of `access`."""

    path: str
    owner: User
    access: Access

    @property
    def repository(self) -> Mirror:
        """What git has here, for the functions that look into commits."""
        return Mirror(self.path, self.access, self.owner)

    @property
    def exists(self) -> bool:
        """True once git has a repository here."""
        return os.path.lexists(os.path.join(self.path, ".git"))

    def run(self, *arguments: str) -> Finished:
        """Run git here as the owner."""
        filters = git_lfs.FILTER if shutil.which("git-lfs") else ()
        return git(*filters, *arguments, access=self.access, cwd=self.path, user=self.owner)

    def read(self, *arguments: str) -> str:
        """Return all that git says, without writing even to its index; empty where it fails."""
        if not self.exists:
            return ""
        return self.repository.read("--no-optional-locks", *arguments)

    def head(self) -> str | None:
        """Return the commit that is checked out; None before the first one is."""
        return self.read("rev-parse", "--verify", "--quiet", "HEAD^{commit}").strip() or None

    def moved_at(self) -> float | None:
        """Return when HEAD was last moved (Unix seconds); None where git keeps no record of it."""
        said = self.read("log", "--walk-reflogs", "-1", "--format=%gd", "--date=unix", "HEAD")
        found = re.search(r"@\{(\d+)\}", said)
        return float(found[1]) if found else None

    def changes(self) -> list[str]:
        """Return the files that git knows and that are not as in the commit."""
        if self.head() is None:
            return []
        finished = self.run("--no-optional-locks", "diff", "--quiet", *_PLAIN, "HEAD", "--")
        if finished.code == 1:
            return _names(self.repository, "HEAD")
        self.must(finished)
        return []

    def fingerprint(self) -> str:
        """Return a hash of all changes to files that git knows; of nothing where there are none."""
        said = self.read("diff", "--binary", *_PLAIN, "HEAD", "--")
        return hashlib.sha256(said.encode("utf-8", "surrogateescape")).hexdigest()

    def create(self, sha: str) -> None:
        """Make an empty repository for a commit where nothing is, which belongs to the owner."""
        os.makedirs(os.path.dirname(self.path), 0o755, exist_ok=True)
        if not os.path.isdir(self.path):
            os.mkdir(self.path, 0o755)
            os.chown(self.path, self.owner.uid, self.owner.gid)
        self.must(self.run("init", "--quiet", *object_format(sha)))
        self.must(self.run("remote", "add", "origin", show(self.access.repository)))

    def fetch(self, sha: str, into: Mirror | None = None) -> bool:
        """Make sure the commit is here, or `into`; True when it was fetched. Raises Failure."""
        repository = into or self.repository
        fetched = repository.bring(sha)
        if git_lfs.used(repository, sha):
            git_lfs.fetch(repository, sha)
        git_submodules.submodules(repository, sha)
        return fetched

    def objects(self) -> str | None:
        """Return the folder of what git has here; None before there is one."""
        said = self.read("rev-parse", "--git-path", "objects").strip()
        return os.path.join(self.path, said) if said else None

    def require_movable(self, sha: str, repository: Mirror | None = None) -> None:
        """Raise Failure where the commit would overwrite a file that git does not know.

        `repository` is one that has the commit, where this one need not.
        """
        new = _names(
            repository or self.repository, "--diff-filter=A", self.head() or empty_tree(sha), sha
        )
        blocked = [name for name in new if _in_the_way(self.path, name)]
        if blocked:
            raise Failure(
                "checkout_blocked",
                f"commit {sha[:12]} brings {named(blocked)}, and {self.path} has files there that "
                "git does not know",
                "move them away on the host, or commit them; nothing was changed",
            )

    def move(self, sha: str, force: bool) -> None:
        """Check a commit out, detached: no branch is moved. `force` overwrites what was changed."""
        if force:
            self._unlock()
        how = "--force" if force else "--no-overwrite-ignore"
        self.must(self.run("checkout", "--quiet", "--detach", how, sha, "--"))
        git_submodules.update_checkout(self.access, self.path, self.owner)

    def save(self, name: str) -> str | None:
        """Keep the changes there are as a commit of their own; return its ref, None without any."""
        if not self.changes():
            return None
        commit = self.read(*_AUTHOR, "stash", "create", "what Fraisier found changed").strip()
        self.must(self.run("update-ref", SAVED + name, commit))
        return SAVED + name

    def keep(self, release: str, sha: str) -> None:
        """Keep a release's commit from being collected."""
        self.must(self.run("update-ref", KEPT + release, sha))

    def forget(self, release: str) -> None:
        """Let a release's commit go."""
        self.must(self.run("update-ref", "-d", KEPT + release))

    def must(self, finished: Finished) -> None:
        """Raise Failure where git failed."""
        if finished.code != 0:
            raise disk_full(finished.output) or Failure(
                "checkout_failed",
                f"git failed in {self.path}: {_last(finished.output)}",
                f"try it on the host as {self.owner.name}: git -C {self.path} status",
                finished.output,
            )

    def _unlock(self) -> None:
        """Remove what a git of ours that was killed has left."""
        for name in ("index.lock", "HEAD.lock"):
            path = os.path.join(self.path, self.read("rev-parse", "--git-path", name).strip())
            as_user(self.owner, _removal(path))


def _removal(path: str) -> Callable[[], bool]:
    return lambda: remove_file(path)


def find_owner(path: str, user: User) -> User | None:
    """Return the account that a checkout at `path` belongs to; None where nothing is there yet.

    `user` is the service's account, who may have made an empty folder for it. Raises Failure where
    something else is there, or the checkout is root's.
    """
    if not os.path.lexists(path) or _empty(path, user):
        return None
    if not os.path.lexists(os.path.join(path, ".git")):
        raise Failure(
            "checkout_missing",
            f"app_path {path} is there and is no git checkout",
            "move it away, and Fraisier clones the repository there; or leave layout: in_place out",
        )
    number = os.lstat(path).st_uid
    owner = user_of(number)
    if owner is None or number == 0 or os.lstat(os.path.join(path, ".git")).st_uid != number:
        who = "root" if number == 0 else "one known account alone"
        raise Failure(
            "checkout_owner",
            f"the checkout {path} {'belongs to' if number == 0 else 'does not belong to'} {who}, "
            "and git runs as its owner",
            f"give it to the service's user: chown -R {user.name}: {path}",
        )
    if os.geteuid() not in (0, number):
        raise Failure(
            "checkout_owner",
            f"the checkout {path} belongs to {owner.name}, and only root can act as {owner.name}",
            f"set become: true, or log in as {owner.name}",
        )
    return owner


def _empty(path: str, user: User) -> bool:
    return os.path.isdir(path) and os.stat(path).st_uid == user.uid and not os.listdir(path)


def _names(repository: Mirror, *what: str) -> list[str]:
    plain = ("--no-optional-locks", "diff", "--name-only", "--no-renames", "-z", *_PLAIN)
    return [name for name in repository.read(*plain, *what, "--").split("\0") if name]


def _in_the_way(folder: str, name: str) -> bool:
    """True where a path of a commit is taken, or a folder above it is none."""
    if os.path.lexists(os.path.join(folder, name)):
        return True
    above = os.path.dirname(name)
    while above and not os.path.lexists(os.path.join(folder, above)):
        above = os.path.dirname(above)
    return bool(above) and not os.path.isdir(os.path.join(folder, above))


def named(files: list[str]) -> str:
    """Return the names of files as a sentence has room for them."""
    more = f" and {len(files) - SHOWN} more" if len(files) > SHOWN else ""
    return ", ".join(files[:SHOWN]) + more


def _last(output: str) -> str:
    return shorten((output.strip().splitlines() or ["it said nothing"])[-1].strip(), 300)
