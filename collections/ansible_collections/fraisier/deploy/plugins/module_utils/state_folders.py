# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""Folders whose files are trusted later: records of releases, and caches of what is sent."""

from __future__ import annotations

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
        found = os.stat(folder)
        if found.st_uid != os.geteuid():
            me, owner = (_name(uid) for uid in (os.geteuid(), found.st_uid))
            raise Failure(
                "state_unsafe",
                f"{folder} belongs to {owner}, and {me} runs what its files say",
                f"look at what is in it, then: chown -R {me} {folder}",
            )
        if found.st_mode & _OTHERS:
            os.chmod(folder, 0o700)


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
