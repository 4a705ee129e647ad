# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""The files of a backup: packed with owners, modes and times, read back, and put in place again."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import tarfile
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Callable, Iterator, Sequence

from .contained import require_heard
from .failure import Failure
from .files import sync_folder
from .true_places import Place, UnsafeLink, opened

_BEFORE = "before"
_ROOM = 16 * 1024 * 1024  # bytes to leave free beside a backup


def full_paths(paths: Sequence[str], app_path: str) -> list[str]:
    """Return the paths of a backup as absolute ones: relative ones start at `app_path`."""
    return [os.path.normpath(os.path.join(app_path, path)) for path in paths]


def size_of(places: Sequence[Place]) -> int:
    """Return how many bytes the files at the places and below have, links not followed."""
    total = 0
    for place in places:
        kind = os.lstat(place.at).st_mode
        for folder, _folders, names in os.walk(place.at) if stat.S_ISDIR(kind) else ():
            for name in names:
                with suppress(OSError):
                    total += os.lstat(os.path.join(folder, name)).st_size
        if stat.S_ISREG(kind):
            total += os.lstat(place.at).st_size
    return total


def require_space(folder: str, wanted: int) -> None:
    """Raise Failure `disk_full` where so many bytes, not packed, would not fit in a folder."""
    found = os.statvfs(folder)
    free = found.f_bavail * found.f_frsize
    if wanted + _ROOM > free:
        raise Failure(
            "disk_full",
            f"a backup of {wanted // 2**20} MiB may not fit: {folder} has {free // 2**20} MiB free",
            "free space on the host, keep fewer backups, or choose another backup folder",
        )


def pack(places: Sequence[Place | str], file: Any) -> int:
    """Write places as a tar.gz to what can be written to; return how many entries it has.

    A path is found here. Raises OSError, also where something became a link meanwhile.
    """
    count = 0
    with ExitStack() as stack, tarfile.open(fileobj=file, mode="w:gz", compresslevel=3) as tar:
        for number, place in enumerate(places):
            if isinstance(place, str):
                place = stack.enter_context(_open(place))
            count += _add(tar, place.folder, place.name, str(number))
    return count


def _add(tar: tarfile.TarFile, folder: int, name: str, entry: str) -> int:
    """Add what has a name in an open folder, and all below it; return how many entries that is.

    No link is followed: what is read is opened below the folder, whoever renames what meanwhile.
    """
    require_heard()
    found = tar.gettarinfo(f"/proc/self/fd/{folder}/{name}", entry)
    if found is None:  # a socket
        return 0
    if found.isreg():
        # a pipe that took the file's place does not block
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        with os.fdopen(os.open(name, flags, dir_fd=folder), "rb") as content:
            tar.addfile(tar.gettarinfo(arcname=entry, fileobj=content), content)
        return 1
    tar.addfile(found)
    if not found.isdir():
        return 1
    below = os.open(
        name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder
    )
    try:
        return 1 + sum(
            _add(tar, below, each, f"{entry}/{each}") for each in sorted(os.listdir(below))
        )
    finally:
        os.close(below)


def entries(archive: str) -> int:
    """Read a whole tar.gz, every byte of it, and return how many entries it has."""
    count = 0
    with tarfile.open(archive, "r:gz") as tar:
        for entry in tar:
            require_heard()
            count += 1
            content = tar.extractfile(entry) if entry.isreg() else None
            while content is not None and content.read(1024 * 1024):
                pass
    return count


def put_back(archive: str, paths: Sequence[dict[str, Any]], name: str) -> None:
    """Make each path what it was; each is one rename (two, where something is there now).

    `paths` as recorded: `path`, and `real`, the folder it was in with all links followed. All is
    unpacked beside its place before anything there is touched. Raises Failure `restore_refused`
    where a path leads elsewhere now.
    """
    with ExitStack() as stack:
        places = [stack.enter_context(_same_place(each)) for each in paths]
        rooms: list[_Room] = []
        try:
            for number, place in enumerate(places):
                room = _Room(place, f".fraisier-restore-{name}-{number}")
                room.remove()
                room.make()
                stack.callback(os.close, room.descriptor)
                rooms.append(room)
            _unpack(archive, [room.path for room in rooms])
            for room in rooms:
                room.exchange()
        finally:
            for room in rooms:
                room.remove()


def place_of(path: str) -> dict[str, str]:
    """Return what is recorded of a path: itself, and the true folder it is in."""
    with _open(path) as place:
        return place.record()


@contextmanager
def _open(path: str, follow: bool = True) -> Iterator[Place]:
    with opened([path], follow) as found:
        place = found[path]
        if place is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        yield place


@contextmanager
def _same_place(each: dict[str, Any]) -> Iterator[Place]:
    """Open the folder of a recorded path, and keep it; raise Failure unless it is the same."""
    path, real = each["path"], each["real"]
    with ExitStack() as stack:
        try:
            place = stack.enter_context(_open(path, follow=False))
            now = place.real
        except UnsafeLink:
            now = "what belongs to another account"
        except OSError as error:
            now = f"nothing ({error.strerror})"
        if now != real:
            raise Failure(
                "restore_refused",
                f"{path} was in {real} and leads to {now} now",
                "make the folder what it was, then restore again; nothing was changed",
            )
        yield place


def _unpack(archive: str, folders: Sequence[str]) -> None:
    with tarfile.open(archive, "r:gz") as tar:
        made: list[tuple[str, tarfile.TarInfo]] = []
        for entry in tar:
            require_heard()
            number, _slash, _rest = entry.name.partition("/")
            _extract(tar, entry, folders[int(number)])
            if entry.isdir():
                made.append((os.path.join(folders[int(number)], entry.name), entry))
        for path, entry in reversed(made):  # what came into them changed their times
            tar.utime(entry, path)
    for folder in folders:
        sync_folder(folder)


def _extract(tar: tarfile.TarFile, entry: tarfile.TarInfo, folder: str) -> None:
    """Extract one entry as it was: the archive is root's own, and its digest was right."""
    known: dict[str, Any] = {"numeric_owner": True}
    if hasattr(tarfile, "fully_trusted_filter"):  # Pythons that ask what an archive may do
        known["filter"] = "fully_trusted"
    tar.extract(entry, folder, **known)
    if entry.issym():  # of which tarfile leaves the time as it comes
        times = (entry.mtime, entry.mtime)
        os.utime(os.path.join(folder, entry.name), times, follow_symlinks=False)


@dataclass
class _Room:
    """A folder beside a place that only we may enter; it is open, so nobody can exchange it."""

    place: Place
    name: str
    descriptor: int = -1

    @property
    def path(self) -> str:
        """Return its path, whatever its name is by now."""
        return f"/proc/self/fd/{self.descriptor}"

    def make(self) -> None:
        """Make and open it."""
        os.mkdir(self.place.beside(self.name), 0o700)
        self._open()

    def exchange(self) -> None:
        """Put what was unpacked (one entry, named by a number) in its place."""
        new = os.path.join(self.path, next(iter(os.listdir(self.path))))
        if self.place.there:
            os.rename(self.place.at, os.path.join(self.path, _BEFORE))
        os.rename(new, self.place.at)  # cut short here, `remove` puts back what was there
        sync_folder(self.place.beside("."))

    def remove(self) -> None:
        """Remove it; what was in the place goes back there if nothing is there now."""
        left = self.descriptor < 0
        if left and not self._left():
            return
        try:
            old = os.path.join(self.path, _BEFORE)
            if os.path.lexists(old) and not self.place.there:
                os.rename(old, self.place.at)
            for name in os.listdir(self.path):
                _remove(os.path.join(self.path, name))
            os.rmdir(self.place.beside(self.name))
        finally:
            if left:
                os.close(self.descriptor)
                self.descriptor = -1

    def _left(self) -> bool:
        """Open one that an earlier restore left; what another account put there is removed."""
        path = self.place.beside(self.name)
        if not os.path.lexists(path):
            return False
        try:
            self._open()
        except OSError:
            _remove(path)
            return False
        return True

    def _open(self) -> None:
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(self.name, flags, dir_fd=self.place.folder)
        if os.fstat(descriptor).st_uid != os.geteuid():
            os.close(descriptor)
            raise PermissionError(errno.EPERM, "it belongs to another account", self.name)
        self.descriptor = descriptor


def _remove(path: str) -> None:
    folder = os.path.isdir(path) and not os.path.islink(path)
    step: Callable[[str], None] = shutil.rmtree if folder else _unlink
    step(path)


def _unlink(path: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(path)


def packed_size(archive: str) -> int:
    """Return how many bytes the files in a tar.gz have, not packed."""
    with tarfile.open(archive, "r:gz") as tar:
        return sum(entry.size for entry in tar)
