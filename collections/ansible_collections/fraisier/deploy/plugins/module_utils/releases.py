# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""What a release is, where its files lie, and which one to go back to or to remove."""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass, field
from typing import Any, Sequence

from .failure import Failure

#: In the record of a release that nobody deployed, but that was there: its deployment.
FOUND = ""
PREPARED, GOOD, BAD = "prepared", "good", "bad"
ID = re.compile(r"\d{8}-\d{6}-[0-9a-f]{7}(?:-\d+)?\Z")


RELEASES, IN_PLACE = "releases", "in_place"
#: Where root keeps the state of applications whose folders are not Fraisier's.
ROOT_STATE = "/var/lib/fraisier"


@dataclass(frozen=True)
class Layout:
    """The paths of an application: where its files, its releases and its state are.

    With `releases`, all of it is below `app_path`. A checkout that is deployed `in_place` holds
    nothing of Fraisier's: its state is in a folder of its own below `home`.
    """

    app_path: str
    kind: str = RELEASES
    home: str = ROOT_STATE

    @property
    def in_place(self) -> bool:
        """True where `app_path` is a checkout."""
        return self.kind == IN_PLACE

    @property
    def current(self) -> str:
        """The folder that the service works in."""
        return self.app_path if self.in_place else self.pointer

    @property
    def pointer(self) -> str:
        """The symbolic link that names the current release."""
        return os.path.join(self.state if self.in_place else self.app_path, "current")

    @property
    def state(self) -> str:
        """The folder that the service's user has no business in."""
        if self.in_place:
            return os.path.join(self.home, slug(self.app_path))
        return os.path.join(self.app_path, ".fraisier")

    @property
    def records(self) -> str:
        """The folder of what is recorded of releases."""
        return os.path.join(self.state, "releases")

    @property
    def environment(self) -> str:
        """The environment file of the current release, for units to read."""
        return os.path.join(self.state, "environment")

    @property
    def releases(self) -> str:
        """The folder of the releases' files."""
        return os.path.join(self.app_path, "releases")

    @property
    def repo(self) -> str:
        """The bare mirror of the repository."""
        return os.path.join(self.app_path, "repo")

    @property
    def shared(self) -> str:
        """The folder of what all releases share."""
        return os.path.join(self.app_path, "shared")

    def tree(self, release: str) -> str:
        """Return the folder of a release's files."""
        return self.app_path if self.in_place else os.path.join(self.releases, release)

    def folders(self, release: str) -> list[str]:
        """Return the folders that are a release's own: its record's, and its files' if any."""
        own = [] if self.in_place else [self.tree(release)]
        return [*own, self.record(release)]

    def record(self, release: str) -> str:
        """Return the folder of a release's environment and unit."""
        return os.path.join(self.records, release)

    def environment_of(self, release: str) -> str:
        """Return a release's environment file."""
        return os.path.join(self.record(release), "environment")

    def unit_of(self, release: str) -> str:
        """Return a release's copy of the unit."""
        return os.path.join(self.record(release), "unit")


def layout_of(app_path: str, kind: str = RELEASES) -> Layout:
    """Return the layout of an application for whoever runs this."""
    return Layout(app_path, kind, state_home())


def state_home() -> str:
    """Return where state is kept that has no place beside an application."""
    if os.geteuid() == 0:
        return ROOT_STATE
    base = os.environ.get("XDG_STATE_HOME", "")
    if not base.startswith("/"):
        base = os.path.expanduser("~/.local/state")
    return os.path.join(base, "fraisier")


def slug(path: str) -> str:
    """Return a folder name for a path that no other path has: `/opt/my-api` is `opt-my--api`."""
    return path.strip("/").replace("-", "--").replace("/", "-")


@dataclass(frozen=True)
class Release:
    """A release as recorded. Times are Unix seconds; `previous` is what served before it."""

    id: str
    version: str
    deployment: str
    status: str
    created_at: float
    deployed_at: float | None = None
    previous: str | None = None
    spec: dict[str, Any] = field(default_factory=dict, hash=False, compare=False)

    @property
    def good(self) -> bool:
        """True once it passed its gate, and was not found bad since."""
        return self.status == GOOD

    @property
    def only_found(self) -> bool:
        """True for a commit that was checked out already, while its service did not run."""
        return self.deployment == FOUND and self.status == PREPARED

    @property
    def order(self) -> float:
        """When it last went live, or was made."""
        return self.deployed_at or self.created_at


def new_id(now: float, version: str, taken: Sequence[str]) -> str:
    """Return an id for a release made now that none of `taken` has."""
    wanted = time.strftime("%Y%m%d-%H%M%S", time.gmtime(now)) + f"-{version[:7]}"
    candidate, count = wanted, 1
    while candidate in taken:
        count += 1
        candidate = f"{wanted}-{count}"
    return candidate


def to_prune(
    releases: Sequence[Release], current: str | None, previous: str | None, keep: int
) -> list[Release]:
    """Return the releases that need not be kept: never the current one nor the one before it.

    Good releases are kept before others, newer ones before older ones.
    """
    ranked = sorted(releases, key=lambda release: (release.good, release.order), reverse=True)
    protected = [release for release in ranked if release.id in (current, previous)]
    others = [release for release in ranked if release not in protected]
    return others[max(0, keep - len(protected)) :]


def choose(
    releases: Sequence[Release], current: str | None, to: str | None, version: str | None
) -> Release:
    """Return the release to go back to, or raise Failure.

    `to`: that one. `version`: the newest good one of it. Neither: the good one that served before
    the current one, else the newest good one that is older.
    """
    by_id = {release.id: release for release in releases}
    good = sorted((r for r in releases if r.good), key=lambda r: r.order, reverse=True)
    if to is not None:
        if to in by_id:
            return by_id[to]
        raise _gone(f"release {to} is not on this host", by_id)
    if version is not None:
        for release in good:
            if release.version == version:
                return release
        raise _gone(f"no good release of version {version} is on this host", by_id)
    before = earlier_good(releases, current)
    if before is None:
        raise Failure(
            "nothing_to_restore",
            "there is no earlier good release on this host",
            "deploy a good version instead",
        )
    return before


def earlier_good(releases: Sequence[Release], current: str | None) -> Release | None:
    """Return the good release that served before `current`, else the newest older good one."""
    by_id = {release.id: release for release in releases}
    now = by_id.get(current or "")
    before = by_id.get(now.previous or "") if now else None
    if before is not None and before.good:
        return before
    good = [r for r in releases if r.good and (now is None or r.order < now.order)]
    return max(good, key=lambda release: release.order, default=None)


def _gone(message: str, known: dict[str, Release]) -> Failure:
    here = ", ".join(sorted(known)) or "none"
    return Failure("release_not_found", message, f"releases here: {here}; deploy the version again")
