# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""Where a path truly is: its folder is found and opened once, whatever is renamed afterwards.

The service's user may own folders in which root works. A link put there between a check and its use
would send root elsewhere, so what follows goes through the descriptor.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Iterator, Sequence

_FOLDER = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_MOST_LINKS = 40  # as the kernel


class UnsafeLink(OSError):
    """A link of an account leads to what belongs to another one."""


@dataclass(frozen=True)
class Place:
    """A name in a folder that is open. `real` is the path of the folder, without any link.

    `path` is how the place is called: as written, or where its last name was a link, the true path.
    """

    path: str
    real: str
    name: str
    folder: int

    def beside(self, name: str) -> str:
        """Return the path of a name in the folder, which no rename of the folder changes."""
        return f"/proc/self/fd/{self.folder}/{name}"

    @property
    def at(self) -> str:
        """Return the path of the place itself; its last name may be a link by now."""
        return self.beside(self.name)

    @property
    def there(self) -> bool:
        """True if there is something, be it a link that leads nowhere."""
        return os.path.lexists(self.at)

    def record(self) -> dict[str, str]:
        """Return what is recorded of it: the path, and the true folder it is in."""
        return {"path": self.path, "real": self.real}


@contextmanager
def opened(paths: Sequence[str], follow: bool = True) -> Iterator[dict[str, Place | None]]:
    """Find absolute paths and keep their folders open; None where a folder is missing.

    With `follow` a path that is a link is what it leads to. Raises OSError, and UnsafeLink.
    """
    with ExitStack() as stack:
        found: dict[str, Place | None] = {}
        for path in dict.fromkeys(paths):
            found[path] = place = _find(path, follow)
            if place is not None:
                stack.callback(os.close, place.folder)
        yield found


def _find(path: str, follow: bool) -> Place | None:
    walk = _Walk()
    try:
        name, linked = walk.to(path, follow)
        walk.require_safe(path, name)
    except (FileNotFoundError, NotADirectoryError):
        os.close(walk.folder)
        return None
    except BaseException:
        os.close(walk.folder)
        raise
    real = "/" + "/".join(walk.real)
    return Place(os.path.join(real, name) if linked else path, real, name, walk.folder)


class _Walk:
    """Goes from `/` down to the folder of a path, name by name, and follows links by itself."""

    def __init__(self) -> None:
        self.folder = os.open("/", _FOLDER)
        self.real: list[str] = []
        self._owners: set[int] = set()

    def to(self, path: str, follow: bool) -> tuple[str, bool]:
        """Open the folder of a path; return the name in it, and whether a link had that place."""
        left, links, linked = _names(path), 0, False
        while left:
            name = left.pop(0)
            target = self._link(name) if left or follow else None
            if target is not None:
                links += 1
                if links > _MOST_LINKS:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
                linked = linked or not left
                if target.startswith("/"):
                    self._enter("/", [])
                left = [*_names(target), *left]
            elif not left and name != "..":
                return name, linked
            else:
                self._enter(name, self.real[:-1] if name == ".." else [*self.real, name])
        if not self.real:
            return ".", linked
        name = self.real[-1]
        self._enter("..", self.real[:-1])
        return name, linked

    def require_safe(self, path: str, name: str) -> None:
        """Raise UnsafeLink where the links of an account lead to what belongs to another one.

        Root's links, and those of who asked for root's rights, may lead anywhere.
        """
        strangers = self._owners - {0, os.geteuid(), int(os.environ.get("SUDO_UID") or 0)}
        found = self._stat(name) or os.fstat(self.folder)
        if strangers - {found.st_uid}:
            said = "it leads through a link of one account to what belongs to another"
            raise UnsafeLink(errno.EPERM, said, path)

    def _link(self, name: str) -> str | None:
        found = None if name == ".." else self._stat(name)
        if found is None or not stat.S_ISLNK(found.st_mode):
            return None
        self._owners.add(found.st_uid)
        return os.readlink(name, dir_fd=self.folder)

    def _stat(self, name: str) -> os.stat_result | None:
        try:
            return os.stat(name, dir_fd=self.folder, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def _enter(self, name: str, real: list[str]) -> None:
        entered = os.open(name, _FOLDER, dir_fd=self.folder)
        os.close(self.folder)
        self.folder, self.real = entered, real


def _names(path: str) -> list[str]:
    return [name for name in path.split("/") if name not in ("", ".")]
