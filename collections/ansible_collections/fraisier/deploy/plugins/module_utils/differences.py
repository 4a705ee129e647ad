# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""What would become different on this host, in the shape in which Ansible shows differences."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from typing import Any, Iterator, Mapping

from . import envfile
from .commands import User, as_user
from .files import write_atomic
from .git import git
from .git_access import Access
from .git_mirror import Mirror, empty_tree, object_format

#: Set for each release by Fraisier itself: they differ always and say nothing.
_OWN = ("FRAISIER_FRAISE", "FRAISIER_ENVIRONMENT", "FRAISIER_VERSION", "FRAISIER_RELEASE")
_DISK = "/var/tmp"  # noqa: S108 - a folder is made there that nobody else can enter
HIDDEN, HIDDEN_OTHER = "(secret)", "(secret, another value)"

Entry = dict[str, str]


def of_text(name: str, before: str, after: str) -> list[Entry]:
    """Return the difference between two texts; nothing where they are the same."""
    if before == after:
        return []
    return [{"before_header": name, "after_header": name, "before": before, "after": after}]


def of_environments(
    before: str, after: Mapping[str, str], plain_before: Mapping[str, Any], plain: Mapping[str, Any]
) -> list[Entry]:
    """Return the difference between an environment file's text and variables to come.

    Values are shown of those that are plain on both sides; of all others only whether they differ.
    """
    old = {name: text for name, text in envfile.read(before).items() if name not in _OWN}
    new = {name: text for name, text in after.items() if name not in _OWN}
    shown_old = {name: old[name] if name in plain_before else HIDDEN for name in old}
    shown_new = {name: new[name] if name in plain else HIDDEN for name in new}
    for name, text in new.items():
        if shown_new[name] == shown_old.get(name) == HIDDEN and text != old[name]:
            shown_new[name] = HIDDEN_OTHER
    return of_text("environment", _lines(shown_old), _lines(shown_new))


def of_commits(repository: Mirror, before: str | None, after: str) -> list[Entry]:
    """Return the difference between two commits: how many lines of which files, then the lines.

    Without a commit before, or where it is gone, only the files. What is long is cut in its
    middle: 32 KiB of its beginning and of its end are kept.
    """
    if before == after:
        return []
    known = before is not None and repository.has(before)
    how = ("--stat=100", "--patch") if known else ("--stat=100",)
    what = (
        "--no-color",
        "--no-ext-diff",
        "--no-textconv",
        *how,
        before if known else empty_tree(after),
    )
    finished = repository.run("diff", *map(str, what), after, "--")
    repository.must(finished)
    title = f"files: {before[:12] if before else 'nothing'} -> {after[:12]}\n"
    return [{"prepared": title + finished.output}]


@contextmanager
def borrowed(objects: str | None, access: Access, user: User | None, sha: str) -> Iterator[Mirror]:
    """Make a repository that is gone afterwards and has all that the folder `objects` holds.

    It is for the commit `sha`, and on a disk, as /tmp may be in memory. Git runs there as `user`
    where one is named.
    """
    disk = None if "TMPDIR" in os.environ or not os.access(_DISK, os.W_OK) else _DISK
    with tempfile.TemporaryDirectory(prefix="fraisier-", dir=disk) as folder:
        if user is not None:
            os.chown(folder, user.uid, user.gid)
        mirror = Mirror(os.path.join(folder, "repository"), access, user)
        quiet = ("init", "--quiet", "--bare", *object_format(sha), mirror.path)
        mirror.must(git(*quiet, access=access, cwd=folder, user=user))
        if objects is not None:
            _lend(objects, mirror, user)
        yield mirror


def _lend(objects: str, mirror: Mirror, user: User | None) -> None:
    write = lambda: lend(objects, mirror.path)  # noqa: E731
    write() if user is None else as_user(user, write)


def lend(objects: str, repository: str) -> None:
    """Let a bare repository, which need not be there yet, have what the folder `objects` holds."""
    info = os.path.join(repository, "objects", "info")
    os.makedirs(info, exist_ok=True)
    write_atomic(os.path.join(info, "alternates"), objects + "\n", 0o644)


def _lines(variables: Mapping[str, str]) -> str:
    return "".join(f"{name}={text}\n" for name, text in sorted(variables.items()))
