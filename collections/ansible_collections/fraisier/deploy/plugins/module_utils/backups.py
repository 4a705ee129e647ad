# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""Backups of a service on its host: taken, read back, kept so many, listed."""

from __future__ import annotations

import errno
import os
import re
import shutil
import tarfile
import time
import zlib
from contextlib import nullcontext
from typing import Any, Callable, ContextManager

from . import backup_files as packed
from .around import Backup
from .backup_dump import Written, dump, require_digest
from .clean_up import remove_tree, tolerated
from .failure import Failure
from .files import read_json, sync_folder, write_json
from .releases import state_home
from .setting import Setting, failed
from .true_places import Place, UnsafeLink, opened

ARCHIVE, DUMP, MANIFEST = "files.tar.gz", "dump", "manifest.json"
#: What opening says where a file or folder has become something else.
_MEANWHILE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, None)
ID = re.compile(r"\d{8}-\d{6}(?:-\d+)?\Z")
_STOPS = "nothing was changed; correct it, or leave the backup out once: --no-backup"


def folder_of(name: str, backup: Backup | None) -> str:
    """Return the folder of a service's backups; `name` is its fraise and environment."""
    base = backup.folder if backup and backup.folder else os.path.join(state_home(), "backups")
    return os.path.join(base, name)


def take(setting: Setting, why: str) -> dict[str, Any] | None:
    """Take a backup where one is configured for this host; return its record, else None.

    `why` is `deployment` or `asked`. Raises Failure `backup_failed`, and leaves nothing half-made;
    what was read back from the disk is what the commands and files gave.
    """
    backup = setting.around.backup
    if backup is None or not setting.here(backup.on):
        return None
    with setting.report.step("backup") as step:
        step["changed"] = True
        home = folder_of(setting.name, backup)
        os.makedirs(home, 0o700, exist_ok=True)
        os.chmod(home, 0o700)
        for name in _half_made(home):
            with tolerated(setting.report, setting.warnings, "backup", f"half-made backup {name}"):
                remove_tree(os.path.join(home, name))
        record = _taken(setting, backup, home, why)
        prune(
            home,
            backup.keep,
            lambda name: tolerated(setting.report, setting.warnings, "backup", f"backup {name}"),
        )
    return shown(record)


def _taken(setting: Setting, backup: Backup, home: str, why: str) -> dict[str, Any]:
    name = _new_id(home)
    folder = os.path.join(home, name)
    making = f"{folder}.part"
    os.mkdir(making, 0o700)
    try:
        record = {
            "id": name,
            "at": time.time(),
            "why": why,
            "deployment": setting.deployment,
            "version": setting.version,
            "paths": [],
            "files": [],
        }
        if backup.paths:
            _pack(setting, backup, making, record)
        if backup.command:
            _dump(setting, backup, making, record)
        verify(making, record)
        write_json(os.path.join(making, MANIFEST), record)
        os.rename(making, folder)
        sync_folder(home)
        return record
    except BaseException:
        shutil.rmtree(making, ignore_errors=True)
        raise


def _pack(setting: Setting, backup: Backup, folder: str, record: dict[str, Any]) -> None:
    try:
        with opened(packed.full_paths(backup.paths, setting.app_path)) as places:
            there = _require_places(setting, places)
            packed.require_space(folder, packed.size_of(there))
            with Written(os.path.join(folder, ARCHIVE)) as file:
                count = packed.pack(there, file)
    except UnsafeLink as error:
        hint = "name the true path in backup.paths, or make the link as root"
        raise Failure("backup_failed", f"{error.filename}: {error.strerror}", hint) from None
    except (tarfile.TarError, OSError) as error:
        if isinstance(error, OSError) and error.errno not in _MEANWHILE:
            raise
        message = f"the files could not be packed: {error}"
        raise Failure("backup_failed", message, "they changed meanwhile; try again") from None
    record["paths"] = [place.record() for place in there]
    record["files"].append(file.record(entries=count))


def _require_places(setting: Setting, places: dict[str, Place | None]) -> list[Place]:
    """Return the places that are there; raise Failure where a release has one that is missing."""
    there = {path: place for path, place in places.items() if place is not None and place.there}
    gone = ", ".join(path for path in places if path not in there)
    if gone and setting.serves:
        raise Failure("backup_failed", f"there is no {gone} to back up", _STOPS)
    if gone:  # before the first release there may be nothing yet
        setting.warnings.append(f"not in the backup, as it is not there yet: {gone}")
    return list(there.values())


def _dump(setting: Setting, backup: Backup, folder: str, record: dict[str, Any]) -> None:
    with Written(os.path.join(folder, DUMP)) as file:
        finished = dump(setting, backup.command, file, backup.timeout)
    if finished.code != 0:
        raise failed("backup_failed", "the backup command", finished, backup.timeout, _STOPS)
    if not file.bytes:
        raise Failure(
            "backup_failed", "the backup command wrote nothing to its output", _STOPS,
            finished.output,
        )  # fmt: skip
    record["files"].append(file.record())


def verify(folder: str, record: dict[str, Any]) -> None:
    """Read a backup from the disk; raise Failure `backup_damaged` unless it is what was written."""
    for file in record["files"]:
        path = os.path.join(folder, file["name"])
        require_digest(path, file["sha256"], record["id"])
        if file["name"] == ARCHIVE:
            _require_readable(path, file, record["id"])


def _require_readable(path: str, file: dict[str, Any], name: str) -> None:
    try:
        found = packed.entries(path)
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        found, why = -1, str(error)
    else:
        why = f"{found} entries of {file['entries']}"
    if found != file["entries"]:
        raise Failure(
            "backup_damaged", f"the files of the backup {name} cannot be read: {why}",
            "take another of fraisier backups list; look at the disk of the host",
        )  # fmt: skip


def records(home: str) -> list[dict[str, Any]]:
    """Return the records of the backups in a folder, newest first."""
    names = sorted((n for n in _names(home) if ID.match(n)), key=_order, reverse=True)
    found = (read_json(os.path.join(home, name, MANIFEST)) for name in names)
    return [record for record in found if record]


def find(home: str, name: str | None) -> dict[str, Any]:
    """Return a backup by id, the newest where none is named; raises Failure `backup_not_found`."""
    known = records(home)
    for record in known:
        if name in (None, record["id"]):
            return record
    here = ", ".join(record["id"] for record in known) or "none"
    raise Failure(
        "backup_not_found", f"there is no backup {name or ''} on this host".replace("  ", " "),
        f"backups here: {here}",
    )  # fmt: skip


def prune(
    home: str,
    keep: int,
    removing: Callable[[str], ContextManager[None]] = lambda _name: nullcontext(),
) -> None:
    """Remove all but the newest `keep` backups, each within `removing(its id)`."""
    names = sorted((n for n in _names(home) if ID.match(n)), key=_order, reverse=True)
    for name in names[keep:]:
        with removing(name):
            remove_tree(os.path.join(home, name))


def shown(record: dict[str, Any]) -> dict[str, Any]:
    """Return what the modules tell of a backup."""
    kept = {name: record[name] for name in ("id", "at", "why", "deployment", "version", "files")}
    return {
        **kept,
        "paths": [each["path"] for each in record["paths"]],
        "bytes": sum(file["bytes"] for file in record["files"]),
    }


def _half_made(home: str) -> list[str]:
    return [name for name in _names(home) if name.endswith(".part")]


def _names(home: str) -> list[str]:
    return os.listdir(home) if os.path.isdir(home) else []


def _order(name: str) -> tuple[str, int]:
    date, hour, *number = name.split("-")
    return date + hour, int(number[0]) if number else 1


def _new_id(home: str) -> str:
    """Return an id that sorts after all others, also where the clock went back."""
    wanted = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    known = [name for name in _names(home) if ID.match(name)]
    newest = max(known, key=_order, default=wanted)
    if (newest == wanted and not known) or _order(newest) < _order(wanted):
        return wanted
    return f"{newest[: len(wanted)]}-{_order(newest)[1] + 1}"
