"""Keeps SQLite's files private: they hold every record, and the digests of tokens."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

OWNER_ONLY, OWNER_AND_GROUP = 0o600, 0o660
#: SQLite makes the second and third with the mode of the first.
SUFFIXES = ("", "-wal", "-shm")


def keep_private(database: str | None) -> None:
    """Make a missing database file with mode 0600, and take existing ones away from others.

    A group that may write was let in on purpose, as SQLite never does that: it may still read and
    write. What the system refuses is left to SQLite, which says why where that matters: a file of
    another account, or on a disk that is mounted read-only.
    """
    if not database or database == ":memory:" or database.startswith("file:"):
        return
    path = Path(database).resolve()
    if not path.exists():
        # Only a new file is opened here: closing one that is in use would end its locks.
        with suppress(OSError):
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, OWNER_ONLY))
    for suffix in SUFFIXES:
        _tighten(path.with_name(path.name + suffix))


def _tighten(path: Path) -> None:
    with suppress(OSError):
        mode = stat.S_IMODE(path.stat().st_mode)
        wanted = OWNER_AND_GROUP if mode & stat.S_IWGRP else OWNER_ONLY
        if mode & ~wanted:
            path.chmod(mode & wanted)
