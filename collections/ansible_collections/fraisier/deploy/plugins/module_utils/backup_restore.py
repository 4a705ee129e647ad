# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""Putting a backup back: checked first, then the files, then the dump into its command."""

from __future__ import annotations

import os
from typing import Any

from . import backup_files as packed
from .around import Backup
from .backup_dump import feed
from .backups import ARCHIVE, DUMP, find, folder_of, verify
from .failure import Failure
from .setting import Setting, failed

_HALF = "the data may be half restored: correct what failed, and restore again"


def chosen(setting: Setting, name: str | None) -> dict[str, Any]:
    """Return a backup that can be restored, by id or the newest; its files have been read anew.

    Raises Failure `backup_not_found`, `backup_damaged` or `restore_refused`.
    """
    backup = _configured(setting)
    home = folder_of(setting.name, backup)
    record = find(home, name)
    with setting.report.step("verify"):
        verify(os.path.join(home, record["id"]), record)
        if _has(record, DUMP) and not backup.restore_command:
            raise Failure(
                "restore_refused",
                f"the backup {record['id']} has a dump, and no restore_command is configured",
                "set backup.restore_command; it gets the dump as its input",
            )
    return record


def put_back(setting: Setting, record: dict[str, Any]) -> None:
    """Put the files of a backup in place, and feed its dump; raises Failure `restore_failed`."""
    backup = _configured(setting)
    folder = os.path.join(folder_of(setting.name, backup), record["id"])
    if _has(record, ARCHIVE):
        with setting.report.step("restore files") as step:
            step["changed"] = True
            _require_room(folder, record)
            packed.put_back(os.path.join(folder, ARCHIVE), record["paths"], record["id"])
    if _has(record, DUMP):
        with setting.report.step("restore dump") as step:
            step["changed"] = True
            dump = os.path.join(folder, DUMP)
            finished = feed(setting, backup.restore_command, dump, backup.timeout)
            if finished.code != 0:
                what = "the restore_command"
                raise failed("restore_failed", what, finished, backup.timeout, _HALF)
            setting.report.say("restore dump", finished.output)


def _require_room(folder: str, record: dict[str, Any]) -> None:
    """What is there now is removed only when all is in place: both fit for a moment."""
    for each in record["paths"]:
        if os.path.isdir(each["real"]):
            packed.require_space(each["real"], packed.packed_size(os.path.join(folder, ARCHIVE)))


def _has(record: dict[str, Any], name: str) -> bool:
    return any(file["name"] == name for file in record["files"])


def _configured(setting: Setting) -> Backup:
    if setting.around.backup is None:
        raise Failure(
            "backup_not_found", "no backup is configured for this service",
            "say what to save with the key backup of the environment",
        )  # fmt: skip
    return setting.around.backup
