# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""The one way in which work on a host fails on purpose: a code, a sentence, and what to do next."""

from __future__ import annotations

import errno
import re

from .redaction import shorten


class Failure(Exception):
    """An expected end. `code` is for programs; `message` and `hint` are for people.

    `step` is where it happened and `text` the output that shows why, when there is some.
    """

    def __init__(self, code: str, message: str, hint: str = "", text: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint
        self.text = text
        self.step = ""


_FULL = "free space on the host (old releases, logs), or lower keep_releases, and deploy again"
_DENIED = "let Fraisier become root on the host (become: true), or correct the permissions"
_READ_ONLY = "remount the file system writable, or choose another app_path"
_OS_FAILURES = {
    errno.ENOSPC: ("disk_full", "the disk is full", _FULL),
    errno.EDQUOT: ("disk_full", "the disk quota is used up", _FULL),
    errno.EACCES: ("permission_denied", "permission denied", _DENIED),
    errno.EPERM: ("permission_denied", "operation not permitted", _DENIED),
    errno.EROFS: ("read_only", "the file system is read-only", _READ_ONLY),
}


def from_os_error(error: OSError) -> Failure | None:
    """Return the Failure that an operating-system error is, or None when it is a defect of ours."""
    known = _OS_FAILURES.get(error.errno or 0)
    if known is None:
        return None
    code, what, hint = known
    where = f": {error.filename}" if error.filename else ""
    return Failure(code, f"{what}{where}", hint)


#: What programs say of a full disk; tar says only how much of a file found room.
_NO_ROOM = re.compile(
    r"no space left on device|disk quota exceeded|^tar: .*(: Wrote only \d+ of|short write)",
    re.IGNORECASE | re.MULTILINE,
)


def disk_full(text: str) -> Failure | None:
    """Return the Failure when a command's output says that the disk is full."""
    found = next((line for line in text.splitlines() if _NO_ROOM.search(line)), None)
    if found is None:
        return None
    return Failure("disk_full", f"the disk is full: {shorten(found.strip(), 300)}", _FULL)
