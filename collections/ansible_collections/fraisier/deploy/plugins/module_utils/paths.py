# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""Which folders an application may live in: the rule that keeps Fraisier out of the system."""

from __future__ import annotations

import os
import re
from typing import Iterator, Sequence

#: Nothing in these is an application's.
_CLOSED = re.compile(r"/(?:bin|boot|dev|etc|lib|lib32|lib64|proc|run|sbin|sys|usr)(?:/|\Z)")
#: These hold what the system or other programs own; a folder of one's own below is fine.
_VAR = re.compile(
    r"/var/(?:backups|cache|lib|local|opt|tmp|www)\Z"
    r"|/var/(?:lock|log|mail|run|spool)(?:/|\Z)"
    r"|/var/lib/(?:apt|containerd|docker|dpkg|rpm|systemd)(?:/|\Z)"
)
_CHARACTERS = re.compile(r"[A-Za-z0-9._@+/-]+")


def check_app_path(path: str) -> str | None:
    """Say why `path` cannot be an application's folder; None when it can. Looks at no disk."""
    if not path.startswith("/"):
        return "must be an absolute path, such as /opt/my-api"
    if not _CHARACTERS.fullmatch(path):
        return "may hold only letters, digits and the characters . _ @ + - /"
    if ".." in path.split("/"):
        return "must not contain '..'"
    if path != "/" and (path != os.path.normpath(path) or path.startswith("//")):
        return "must be written without '//', '/.' or a final '/'"
    if _CLOSED.match(path) or _VAR.match(path):
        return "belongs to the system: choose a folder of its own, such as /opt/my-api"
    if path.count("/") < 2:
        return "must be at least two folders deep, such as /opt/my-api"
    if "/-" in path:
        return "must not have a part that starts with '-'"
    return None


def check_shared_path(path: str) -> str | None:
    """Say why `path` cannot be a shared path inside a release; None when it can."""
    if not path or path.startswith(("/", "-")) or not path.isprintable():
        return "must be a relative path of printable characters"
    if path != os.path.normpath(path) or path.split("/")[0] in (".", ".."):
        return "must be a plain relative path without '.', '..' or a final '/'"
    if ".git" in path.lower().split("/"):
        return "must not be in .git: a release has none"
    return None


def check_shared_paths(paths: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Yield (place in the list, what is wrong) of the shared paths of a release."""
    for at, path in enumerate(paths):
        problem = check_shared_path(path)
        over = next((other for other in paths[:at] if _overlap(path, other)), None)
        if problem is None and over is not None:
            problem = f"overlaps {over}, which is shared as a whole: list one of them"
        if problem is not None:
            yield at, problem


def _overlap(one: str, other: str) -> bool:
    """True where one path is inside the other; the same path twice does no harm."""
    inside = one.startswith(f"{other}/")
    return inside or other.startswith(f"{one}/")
