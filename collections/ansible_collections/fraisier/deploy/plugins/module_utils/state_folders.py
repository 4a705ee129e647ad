# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""Folders whose files are trusted later: records of releases, and caches of what is sent."""

from __future__ import annotations

import errno
import os
import pwd
import stat

from .failure import Failure

_OTHERS = stat.S_IWGRP | stat.S_IWOTH


def make_own(*folders: str) -> None:
    """Make folders for this account alone; raises Failure `state_unsafe` where one is another's.

    Whoever may write there decides what a rollback starts.
    """
    for folder in folders:
        os.makedirs(folder, 0o700, exist_ok=True)
        if _require_mine(folder).st_mode & _OTHERS:
            os.chmod(folder, 0o700)


def try_own(*folders: str) -> None:
    """Raise what `make_own` would for these folders; makes and changes nothing."""
    try_folders(*folders)
    for folder in folders:
        if os.path.isdir(folder):
            _require_mine(folder)


def try_folders(*folders: str) -> None:
    """Raise the OSError in which making these folders would end; makes nothing."""
    for folder in folders:
        missing, place = "", folder
        while not os.path.lexists(place):
            missing, place = place, os.path.dirname(place)
        if missing and not os.access(place, os.W_OK | os.X_OK, effective_ids=True):
            read_only = os.statvfs(place).f_flag & os.ST_RDONLY
            number = errno.EROFS if read_only else errno.EACCES
            raise OSError(number, os.strerror(number), missing)


def _require_mine(folder: str) -> os.stat_result:
    found = os.stat(folder)
    if found.st_uid != os.geteuid():
        me, owner = (_name(uid) for uid in (os.geteuid(), found.st_uid))
        raise Failure(
            "state_unsafe",
            f"{folder} belongs to {owner}, and {me} runs what its files say",
            f"look at what is in it, then: chown -R {me} {folder}",
        )
    return found


def is_own_file(path: str) -> bool:
    """True for a regular file of this account that no other may write."""
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return False
    mine = found.st_uid == os.geteuid() and not found.st_mode & _OTHERS
    return mine and stat.S_ISREG(found.st_mode)


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
