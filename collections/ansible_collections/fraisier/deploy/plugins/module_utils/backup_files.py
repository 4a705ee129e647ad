# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""The files of a backup: packed with owners, modes and times, read back, and put in place again."""

from __future__ import annotations

import os
import shutil
import tarfile
from contextlib import suppress
from typing import Any, Callable, Sequence

from .contained import require_heard
from .failure import Failure
from .files import sync_folder

_BEFORE = "before"
_ROOM = 16 * 1024 * 1024  # bytes to leave free beside a backup


def full_paths(paths: Sequence[str], app_path: str) -> list[str]:
    """Return the paths of a backup as absolute ones: relative ones start at `app_path`.

    One that is a symbolic link is what it leads to; links below it stay links.
    """
    found = [os.path.normpath(os.path.join(app_path, path)) for path in paths]
    return [os.path.realpath(path) if os.path.islink(path) else path for path in found]


def missing(paths: Sequence[str]) -> list[str]:
    """Return those of the paths at which there is nothing."""
    return [path for path in paths if not os.path.lexists(path)]


def size_of(paths: Sequence[str]) -> int:
    """Return how many bytes the files at the paths and below have, links not followed."""
    total = 0
    for path in paths:
        for folder, _folders, names in os.walk(path):
            for name in names:
                with suppress(OSError):
                    total += os.lstat(os.path.join(folder, name)).st_size
        if os.path.isfile(path) and not os.path.islink(path):
            total += os.lstat(path).st_size
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


def pack(paths: Sequence[str], file: Any) -> int:
    """Write the paths as a tar.gz to what can be written to; return how many entries it has."""
    count = 0

    def counted(entry: tarfile.TarInfo) -> tarfile.TarInfo:
        nonlocal count
        require_heard()
        count += 1
        return entry

    with tarfile.open(fileobj=file, mode="w:gz", compresslevel=3) as tar:
        for number, path in enumerate(paths):
            tar.add(path, arcname=str(number), filter=counted)
    return count


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
    for each in paths:
        _require_same_place(each)
    unpacked: list[tuple[str, str]] = []
    try:
        for number, each in enumerate(paths):
            folder = os.path.join(each["real"], f".fraisier-restore-{name}-{number}")
            base = os.path.basename(each["path"])
            _discard(folder, base)
            os.mkdir(folder, 0o700)
            unpacked.append((folder, base))
        _unpack(archive, [folder for folder, _base in unpacked])
        for folder, base in unpacked:
            _exchange(folder, base)
    finally:
        for folder, base in unpacked:
            _discard(folder, base)


def place_of(path: str) -> dict[str, str]:
    """Return what is recorded of a path: itself, and the true folder it is in."""
    return {"path": path, "real": os.path.realpath(os.path.dirname(path))}


def _require_same_place(each: dict[str, Any]) -> None:
    path, real = each["path"], each["real"]
    now = os.path.realpath(os.path.dirname(path))
    if now != real or not os.path.isdir(real):
        raise Failure(
            "restore_refused",
            f"{path} was in {real} and leads to {now} now",
            "make the folder what it was, then restore again; nothing was changed",
        )


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


def _exchange(folder: str, base: str) -> None:
    """Put what was unpacked (one entry, named by a number) in its place, beside the folder."""
    parent = os.path.dirname(folder)
    new = os.path.join(folder, next(iter(os.listdir(folder))))
    place = os.path.join(parent, base)
    if os.path.lexists(place):
        os.rename(place, os.path.join(folder, _BEFORE))
    os.rename(new, place)  # where this is cut short, `_discard` puts back what was there
    sync_folder(parent)


def _discard(folder: str, base: str) -> None:
    """Remove what was unpacked; what was in its place goes back there if nothing is there now."""
    place, old = os.path.join(os.path.dirname(folder), base), os.path.join(folder, _BEFORE)
    if os.path.lexists(old) and not os.path.lexists(place):
        os.rename(old, place)
    _remove(folder)


def _remove(path: str) -> None:
    step: Callable[[str], None] = shutil.rmtree if os.path.isdir(path) else _unlink
    step(path)


def _unlink(path: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(path)


def packed_size(archive: str) -> int:
    """Return how many bytes the files in a tar.gz have, not packed."""
    with tarfile.open(archive, "r:gz") as tar:
        return sum(entry.size for entry in tar)
