# Copyright (c) 2026 The Fraisier authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives of commits on the controller: each is fetched and made once, whoever needs it first."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import tempfile
import time
from contextlib import contextmanager
from typing import Iterator, Mapping

from ansible.utils.display import Display

from ..module_utils import git_tree
from ..module_utils.clean_up import remove_tree
from ..module_utils.differences import of_commits
from ..module_utils.failure import Failure
from ..module_utils.files import remove_file
from ..module_utils.git_access import Access
from ..module_utils.git_mirror import Mirror
from ..module_utils.ground import is_exchangeable
from ..module_utils.state_folders import is_own_file, make_own

KEPT = 3  # archives of a repository, beyond those used within the last hour
HOUR = 3600.0
MONTH = 30 * 24 * HOUR  # without use, after which a repository is fetched anew
WAIT = 600.0  # seconds for another run that fetches the same repository


def cache_folder(environ: Mapping[str, str]) -> str:
    """Return where archives are kept: `$XDG_CACHE_HOME/fraisier`, else `~/.cache/fraisier`."""
    cache = environ.get("XDG_CACHE_HOME") or os.path.join(environ.get("HOME", "/"), ".cache")
    return os.path.join(cache, "fraisier")


def usable_folder(environ: Mapping[str, str], otherwise: str) -> tuple[str, str | None]:
    """Return where archives are kept, and why not in the cache folder, if so: then `otherwise`.

    What is there goes to hosts, so nobody else may be able to put a file there.
    """
    folder = cache_folder(environ)
    problem = is_exchangeable(folder)
    return (otherwise, problem) if problem else (folder, None)


class Archives:
    """The archives in a folder that only this account can read."""

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def archive(self, access: Access, sha: str) -> str:
        """Return the file with all of a commit, made first where it is not there.

        Raises Failure. The file stays for at least an hour after this.
        """
        access.require_usable()
        place = self._place(access)
        make_own(self._folder)
        with _locked(place + ".lock"):
            path = os.path.join(place, "archives", f"{sha}.tgz")
            make_own(place, os.path.dirname(path), os.path.join(place, "mirror"))
            if not is_own_file(path):
                remove_file(path)
                self._make(access, sha, place, path)
                self._forget_unused()
            os.utime(path)
            return path

    def difference(self, access: Access, before: str | None, sha: str) -> list[dict[str, str]]:
        """Return what differs between two commits, the later one of which has an archive here."""
        place = self._place(access)
        with _locked(place + ".lock"):
            return of_commits(Mirror(os.path.join(place, "mirror"), access), before, sha)

    def _place(self, access: Access) -> str:
        return os.path.join(self._folder, _name(access.repository))

    def _make(self, access: Access, sha: str, place: str, path: str) -> None:
        folder = os.path.dirname(path)
        for name in os.listdir(folder):
            if not name.endswith(".tgz"):
                _remove(os.path.join(folder, name))  # a run was killed while it wrote this
        parts = git_tree.fetch(Mirror(os.path.join(place, "mirror"), access), sha)
        with tempfile.NamedTemporaryFile(dir=folder) as draft:
            git_tree.write(parts, draft)
            os.fsync(draft.fileno())
            os.link(draft.name, path)
        _prune(folder)

    def _forget_unused(self) -> None:
        for name in os.listdir(self._folder):
            place, lock = (os.path.join(self._folder, part) for part in (name, name + ".lock"))
            if name.endswith(".lock") or not _older(lock, MONTH):
                continue
            with open(lock) as file:
                if _try_lock(file.fileno()) and _older(lock, MONTH):
                    _remove(place)


def _name(repository: str) -> str:
    """Return a folder's name for a repository, telling to people and of its own."""
    last = re.sub(r"[^A-Za-z0-9_-]+", "-", repository.rstrip("/").rpartition("/")[2])[:40]
    return f"{last}-{hashlib.sha256(repository.encode()).hexdigest()[:16]}"


def _prune(folder: str) -> None:
    paths = sorted(
        (os.path.join(folder, name) for name in os.listdir(folder)),
        key=os.path.getmtime, reverse=True,
    )  # fmt: skip
    for path in paths[KEPT:]:
        if _older(path, HOUR):
            _remove(path)


def _remove(path: str) -> None:
    """Remove a file or folder of the cache; where that is not possible, warn, and go on."""
    try:
        if os.path.isdir(path):
            remove_tree(path)
        else:
            os.unlink(path)
    except OSError as error:
        Display().warning(f"could not remove {error.filename}: {error.strerror}")


def _older(path: str, seconds: float) -> bool:
    return os.path.exists(path) and os.path.getmtime(path) < time.time() - seconds


@contextmanager
def _locked(path: str) -> Iterator[None]:
    """Hold a lock, whose file says when it was last taken; raises Failure `cache_busy`."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        limit = time.monotonic() + WAIT
        while not _try_lock(descriptor):
            if time.monotonic() > limit:
                raise Failure(
                    "cache_busy",
                    f"another run has been fetching this repository for {WAIT:g} s ({path})",
                    "see what it waits for, then deploy again",
                )
            time.sleep(0.05)
        os.utime(path)
        yield
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
