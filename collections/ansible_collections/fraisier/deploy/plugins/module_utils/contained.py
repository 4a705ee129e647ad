# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""Running a long command so that nothing of it outlives it, nor the controller's connection."""

from __future__ import annotations

import select
from typing import Mapping, Sequence

from . import scopes
from .commands import Finished, User, collect, end_group, spawn
from .failure import Failure
from .processes import adopt_orphans, end_orphans


def run_contained(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    timeout: float,
    cwd: str | None = None,
    user: User | None = None,
    scope: str | None = None,
) -> Finished:
    """Run a command as `commands.run` does, and end also what left its session.

    `scope`: the scope of systemd's that it is to be in, by which others find it. Raises Failure
    `terminated` when nobody can read any more what this process would answer. Ends every child of
    this process.
    """
    adopt_orphans()
    try:
        process = spawn(argv, env=env, cwd=cwd, user=user, scope=scope)
    except (FileNotFoundError, NotADirectoryError, PermissionError) as error:
        return Finished(127, f"{argv[0]}: {error.strerror}")
    group = scopes.group_of(process.pid, scope) if scope is not None else None
    try:
        return collect(process, timeout, require_heard)
    finally:
        end_group(process)
        if scope is not None:
            scopes.tidy(scope, group)
        end_orphans()


def require_heard() -> None:
    """Raise Failure `terminated` where the other end of this process's output is gone."""
    poll = select.poll()
    poll.register(1, 0)  # that it is gone is told without being asked for
    if any(event & (select.POLLHUP | select.POLLERR) for _output, event in poll.poll(0)):
        raise Failure(
            "terminated",
            "the connection of the controller is gone",
            "a half-made release was removed; see what runs now, then deploy again",
        )
