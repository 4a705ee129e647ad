# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""Files that are either the old or the new, never half of one."""

from __future__ import annotations

import json
import os
import tempfile
from typing import Any


def write_atomic(path: str, text: str, mode: int = 0o600) -> None:
    """Replace a file's content in one rename, on the disk before it is seen."""
    folder = os.path.dirname(path)
    descriptor, temporary = tempfile.mkstemp(prefix=".new-", dir=folder)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            os.fchmod(file.fileno(), mode)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.rename(temporary, path)
    except BaseException as error:
        remove_file(temporary)
        if isinstance(error, OSError):
            error.filename = error.filename or path
        raise
    sync_folder(folder)


def write_json(path: str, data: dict[str, Any], mode: int = 0o600) -> None:
    """Write a JSON object with write_atomic."""
    write_atomic(path, json.dumps(data, sort_keys=True, indent=1) + "\n", mode)


def read_text(path: str) -> str | None:
    """Return a file's text; None when there is no such file."""
    try:
        with open(path, encoding="utf-8", newline="") as file:
            return file.read()
    except FileNotFoundError:
        return None


def read_json(path: str) -> dict[str, Any] | None:
    """Return the JSON object in a file; None when it is missing or not one."""
    text = read_text(path)
    try:
        data = json.loads(text) if text else None
    except ValueError:
        return None
    return data if isinstance(data, dict) else None


def replace_link(path: str, target: str) -> None:
    """Point a symbolic link elsewhere by one rename: there is no moment without it."""
    temporary = f"{path}.new-{os.getpid()}"
    remove_file(temporary)
    os.symlink(target, temporary)
    try:
        os.rename(temporary, path)
    except BaseException:
        remove_file(temporary)
        raise
    sync_folder(os.path.dirname(path))


def remove_file(path: str) -> bool:
    """Remove a file or link if it is there; say whether it was."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return False
    return True


def sync_folder(path: str) -> None:
    """Put a folder's entries on the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
