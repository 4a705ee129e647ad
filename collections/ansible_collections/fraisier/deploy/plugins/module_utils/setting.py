# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""Where the work around a release is done: whoever deploys says it once, whatever the provider."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Callable, Iterator, Mapping, Sequence

from .around import EACH, Around
from .check import Check
from .commands import Finished, User
from .contained import run_contained
from .failure import Failure, disk_full
from .fence import Fence
from .redaction import shorten
from .report import Report

#: Scopes of ours begin here, so that none has the name of a build's.
_FIRST_SCOPE = 1000


@dataclass
class Setting:
    """A release as the commands around it find it, and where to say how they went.

    `folder` is where commands run, as `user`, with `environment`; `app_path` is where relative
    paths of a backup start; `state` is a folder of root's for notes. `first`: this host is the
    one on which what is done once per target is done; `serves`: something was deployed here
    before. `warnings` collects what failed and was allowed to. `asked` turns a check into the one
    to ask here: that of a colour has its own port.
    """

    around: Around
    name: str
    deployment: str
    release: str
    version: str
    folder: str
    app_path: str
    state: str
    user: User
    environment: Mapping[str, str] = field(repr=False)
    report: Report
    fence: Fence
    first: bool = True
    serves: bool = True
    asked: Callable[[Check], Check] = lambda check: check
    warnings: list[str] = field(default_factory=list)
    _scopes: Iterator[int] = field(default_factory=lambda: itertools.count(_FIRST_SCOPE))

    def here(self, on: str) -> bool:
        """True where something that is done `on` the first host or on each is done here."""
        return on == EACH or self.first

    def scope(self) -> str | None:
        """Return the scope for the next long command; None without the fence."""
        return self.fence.scope(next(self._scopes))

    def run(self, command: Sequence[str], timeout: float) -> Finished:
        """Run a command as the service's user in the release; nothing of it outlives this run."""
        return run_contained(
            command, env=self.environment, cwd=self.folder, user=self.user, timeout=timeout,
            scope=self.scope(),
        )  # fmt: skip


def failed(code: str, what: str, finished: Finished, limit: float, hint: str) -> Failure:
    """Return the Failure of a command that did not end well; a full disk is told as such."""
    full = disk_full(finished.output)
    if full is not None:
        full.text = finished.output
        return full
    how = f"exit status {finished.code}"
    if finished.timed_out:
        how = f"it did not end within {limit:g} s"
    last = shorten((finished.output.strip().splitlines() or ["no output"])[-1], 300)
    return Failure(code, f"{what} failed: {how}: {last}", hint, finished.output)
