# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""Folders and small text files as they should be: what differs, and making it so."""

from __future__ import annotations

import os
import stat
from typing import Any, Mapping, Sequence

from .failure import Failure
from .files import read_text, write_atomic

Diff = dict[str, Any]
ABSENT = "absent"
_MOVE = "move away what is there, and do this again"


def arrange(
    folders: Sequence[Mapping[str, str]], files: Sequence[Mapping[str, str]], check: bool
) -> dict[str, Diff]:
    """Make folders (`path`, `mode`) and then files (`path`, `text`, `mode`); return what differed.

    All belong to the user who does this. `check`: change nothing. Raises Failure, before anything
    is changed, where something else is in the way or a file's folder is missing; and OSError.
    """
    diffs = {each["path"]: _folder_diff(each) for each in folders}
    diffs.update({each["path"]: _file_diff(each) for each in files})
    if not check:
        _see_folders_of(files, [each["path"] for each in folders])
        for folder in folders:
            if diffs[folder["path"]]:
                os.makedirs(folder["path"], exist_ok=True)
                _own(folder["path"], folder["mode"])
        for file in files:
            if diffs[file["path"]]:
                write_atomic(file["path"], file["text"], int(file["mode"], 8))
                _own(file["path"], file["mode"])
    return {path: diff for path, diff in diffs.items() if diff}


def _see_folders_of(files: Sequence[Mapping[str, str]], made: Sequence[str]) -> None:
    """Raise Failure where a file's folder is neither there nor one that is `made`."""
    for file in files:
        folder = os.path.dirname(file["path"])
        if not os.path.isdir(folder) and not any(
            os.path.commonpath([folder, each]) == folder for each in made
        ):
            raise Failure("folder_missing", f"{folder} is not there", "add it to folders")


def _own(path: str, mode: str) -> None:
    os.chown(path, os.geteuid(), os.getegid())
    os.chmod(path, int(mode, 8))


def _folder_diff(folder: Mapping[str, str]) -> Diff | None:
    wanted = {"path": folder["path"], "state": "directory", **_rights(folder["mode"])}
    return _differing(_seen(folder["path"], stat.S_ISDIR, "directory", follow=True), wanted)


def _file_diff(file: Mapping[str, str]) -> Diff | None:
    """Return how a file differs: in its text, or else in its rights."""
    path = file["path"]
    seen = _seen(path, stat.S_ISREG, "file", follow=False)
    before = None if seen["state"] == ABSENT else _text(path)
    if before != file["text"]:
        return {
            "before_header": path,
            "after_header": path,
            "before": before or "",
            "after": file["text"],
        }
    return _differing(seen, {"path": path, "state": "file", **_rights(file["mode"])})


def _text(path: str) -> str | None:
    """Return a file's text, or that it is none."""
    try:
        return read_text(path)
    except UnicodeDecodeError:
        return "(not text)\n"


def _seen(path: str, right: Any, kind: str, follow: bool) -> dict[str, Any]:
    """Return a path's rights, or that it is absent; raise Failure where it is no such thing."""
    try:
        found = os.stat(path) if follow else os.lstat(path)
    except FileNotFoundError:
        return {"path": path, "state": ABSENT}
    except NotADirectoryError:
        raise Failure("path_occupied", f"what is above {path} is no directory", _MOVE) from None
    if not right(found.st_mode):
        raise Failure("path_occupied", f"{path} is no {kind}", _MOVE)
    mode = f"{stat.S_IMODE(found.st_mode):04o}"
    owner = {"owner": found.st_uid, "group": found.st_gid}
    return {"path": path, "state": kind, **owner, "mode": mode}


def _rights(mode: str) -> dict[str, Any]:
    return {"owner": os.geteuid(), "group": os.getegid(), "mode": f"{int(mode, 8):04o}"}


def _differing(before: dict[str, Any], after: dict[str, Any]) -> Diff | None:
    if before == after:
        return None
    keys = [key for key in after if key == "path" or before.get(key) != after[key]]
    return {
        "before": {key: before[key] for key in keys if key in before},
        "after": {key: after[key] for key in keys},
    }
