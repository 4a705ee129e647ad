# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""The output of a dump command, written as it comes, its digest taken; and fed back."""

from __future__ import annotations

import hashlib
import os
import selectors
import subprocess
import time
from typing import Any, Sequence

from . import scopes
from .commands import Bounded, Finished, collect, end_group, spawn
from .contained import require_heard
from .failure import Failure
from .processes import adopt_orphans, end_orphans
from .setting import Setting

_CHUNK = 1024 * 1024


class Written:
    """A new file of root's, its digest taken of what is written and not of what is read again."""

    def __init__(self, path: str) -> None:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        self._file = os.fdopen(descriptor, "wb")
        self._found = hashlib.sha256()
        self.path, self.bytes = path, 0

    def __enter__(self) -> Written:
        return self

    def __exit__(self, *_error: object) -> None:
        with self._file:
            self.flush()
            os.fsync(self._file.fileno())

    def write(self, data: bytes) -> int:
        """Write more."""
        self._found.update(data)
        self.bytes += len(data)
        return self._file.write(data)

    def flush(self) -> None:
        """Give what was written to the system."""
        self._file.flush()

    def record(self, **more: Any) -> dict[str, Any]:
        """Return the file's name, `sha256` and `bytes`, and more that is to be known of it."""
        name, digest_ = os.path.basename(self.path), self._found.hexdigest()
        return {"name": name, "sha256": digest_, "bytes": self.bytes, **more}


def dump(setting: Setting, command: Sequence[str], file: Written, timeout: float) -> Finished:
    """Run a command as the service's user and write what it says to a file.

    What it complains of is the output of the answer.
    """
    adopt_orphans()
    reading, writing = os.pipe()
    scope = setting.scope()
    try:
        process = spawn(
            command, env=setting.environment, cwd=setting.folder, user=setting.user,
            stderr=writing, scope=scope,
        )  # fmt: skip
    except OSError as error:
        os.close(reading)
        return Finished(127, f"{command[0]}: {error.strerror}")
    finally:
        os.close(writing)
    group = scopes.group_of(process.pid, scope) if scope is not None else None
    try:
        return _collect(process, reading, file, timeout)
    finally:
        os.close(reading)
        end_group(process)
        if scope is not None:
            scopes.tidy(scope, group)
        end_orphans()


def _collect(
    process: subprocess.Popen[bytes], complaints: int, file: Written, timeout: float
) -> Finished:
    said, limit = Bounded(), time.monotonic() + timeout
    output = process.stdout.fileno()  # type: ignore[union-attr]
    with selectors.DefaultSelector() as selector:
        for descriptor in (output, complaints):
            selector.register(descriptor, selectors.EVENT_READ)
        over = False  # what it wrote last is looked for after its end was seen
        while selector.get_map():
            require_heard()
            left = limit - time.monotonic()
            if left <= 0:
                return Finished(-1, said.text(), timed_out=True)
            ready = selector.select(min(left, 0.1))
            for key, _events in ready:
                chunk = os.read(key.fd, _CHUNK)
                if not chunk:
                    selector.unregister(key.fd)
                elif key.fd == output:
                    file.write(chunk)
                else:
                    said.add(chunk)
            if not ready and over:
                break
            over = process.poll() is not None
    try:
        return Finished(process.wait(max(0.0, limit - time.monotonic())), said.text())
    except subprocess.TimeoutExpired:
        return Finished(-1, said.text(), timed_out=True)


def feed(setting: Setting, command: Sequence[str], path: str, timeout: float) -> Finished:
    """Run a command as the service's user with a file as its input."""
    adopt_orphans()
    scope = setting.scope()
    with open(path, "rb") as file:
        try:
            process = spawn(
                command, env=setting.environment, cwd=setting.folder, user=setting.user,
                stdin=file.fileno(), scope=scope,
            )  # fmt: skip
        except OSError as error:
            return Finished(127, f"{command[0]}: {error.strerror}")
    group = scopes.group_of(process.pid, scope) if scope is not None else None
    try:
        return collect(process, timeout, require_heard)
    finally:
        end_group(process)
        if scope is not None:
            scopes.tidy(scope, group)
        end_orphans()


def digest(path: str) -> str:
    """Return the SHA-256 of a file, read anew."""
    found = hashlib.sha256()
    with open(path, "rb") as file:
        for chunk in iter(lambda: file.read(_CHUNK), b""):
            found.update(chunk)
    return found.hexdigest()


def require_digest(path: str, wanted: str, name: str) -> None:
    """Raise Failure `backup_damaged` unless a file is what was written."""
    try:
        same = digest(path) == wanted
    except FileNotFoundError:
        same = False
    if not same:
        raise Failure(
            "backup_damaged",
            f"the backup {name} is not what was written: {os.path.basename(path)} differs",
            "take another of fraisier backups list; look at the disk of the host",
        )
