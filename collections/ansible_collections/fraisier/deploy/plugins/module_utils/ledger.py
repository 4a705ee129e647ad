# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""The releases of an application on its host's disk."""

from __future__ import annotations

import os
from contextlib import nullcontext
from dataclasses import asdict, replace
from typing import Any, Callable, ContextManager

from .clean_up import remove_tree
from .failure import Failure
from .files import read_json, read_text, remove_file, replace_link, write_json
from .releases import BAD, GOOD, ID, PREPARED, Layout, Release


class Ledger:
    """The releases on this disk. The lists are read anew each time: the disk is the truth."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout

    def current(self) -> str | None:
        """Return the release that `current` names; raises Failure when `current` is not ours."""
        try:
            target = os.readlink(self.layout.pointer)
        except FileNotFoundError:
            return None
        except OSError:
            target = ""
        folder, _slash, release = target.rpartition("/")
        if folder == "releases" and ID.match(release):
            return release
        raise Failure(
            "app_path_occupied",
            f"{self.layout.pointer} is there and was not made by Fraisier",
            "move it away, or choose another app_path",
        )

    def get(self, release: str) -> Release | None:
        """Return a complete release; None for one that is half-made or not there."""
        data = read_json(self._file(release))
        if not data or data.get("status") not in (PREPARED, GOOD, BAD):
            return None
        if not os.path.isdir(self.layout.tree(release)):
            return None
        known: dict[str, Any] = {name: data.get(name) for name in Release.__dataclass_fields__}
        return Release(**known)

    def all(self) -> list[Release]:
        """Return the complete releases, newest first."""
        found = (self.get(release) for release in self._ids())
        complete = [release for release in found if release is not None]
        return sorted(complete, key=lambda release: release.order, reverse=True)

    def write(self, release: Release) -> Release:
        """Record a release; this is what makes it complete."""
        write_json(self._file(release.id), asdict(release))
        return release

    def mark(self, release: Release, status: str) -> Release:
        """Record that a release is good or bad."""
        return release if release.status == status else self.write(replace(release, status=status))

    def open(self, release: str) -> None:
        """Make the folders of a new release; until `write` it counts as half-made."""
        for folder in reversed(self.layout.folders(release)):
            os.mkdir(folder, 0o700 if folder == self.layout.record(release) else 0o755)

    def remove(self, release: str) -> None:
        """Remove all of a release, its record last, so that a cut removal is taken up again."""
        remove_file(self._file(release))
        for folder in self.layout.folders(release):
            remove_tree(folder)

    def mend(self) -> bool:
        """Give the environment of the current release back, where a switch was cut half-way.

        Returns True where that was so.
        """
        current, link = self.current(), self.layout.environment
        wanted = os.path.join("releases", current or "", "environment")
        if current is None or not os.path.islink(link) or os.readlink(link) == wanted:
            return False
        replace_link(link, wanted)
        return True

    def sweep(
        self, removing: Callable[[str], ContextManager[None]] = lambda _release: nullcontext()
    ) -> list[str]:
        """Put a switch right that was cut half-way, remove half-made releases; return what is gone.

        Each is removed within `removing(its id)`, which may let that fail.
        """
        self.mend()
        half_made = [release for release in self._ids() if self.get(release) is None]
        current = self.current()
        for release in half_made:
            if release != current:
                with removing(release):
                    self.remove(release)
        return sorted({*half_made} - {*self._ids()})

    def switch(self, release: str) -> None:
        """Make a release the current one: its environment, then its files, one rename each."""
        replace_link(self.layout.environment, os.path.join("releases", release, "environment"))
        replace_link(self.layout.pointer, os.path.join("releases", release))

    def forget_current(self) -> None:
        """Remove `current`: nothing is deployed any more."""
        remove_file(self.layout.pointer)
        remove_file(self.layout.environment)

    def stored(self, release: str) -> tuple[str | None, str | None]:
        """Return the texts of a release's environment file and unit."""
        layout = self.layout
        return read_text(layout.environment_of(release)), read_text(layout.unit_of(release))

    def _file(self, release: str) -> str:
        return self.layout.record(release) + ".json"

    def _ids(self) -> list[str]:
        if not os.path.isdir(self.layout.records):
            return []
        names = (name.split(".")[0] for name in os.listdir(self.layout.records))
        return sorted({name for name in names if ID.match(name)})
