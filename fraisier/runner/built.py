"""What Ansible builds of a module to send it, kept between commands: building costs half a second.

A run that is executed has a folder of its own for that, which is filled from here before it plays;
what it builds itself is kept at once, as a run may end at any time.
"""

from __future__ import annotations

import grp
import hashlib
import os
import pwd
import shutil
import stat
import tempfile
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from fraisier.private_folders import make_private

#: What was built for versions that are not used any more goes after these days.
OLD_DAYS = 30
DAY = 86_400
#: How many bytes of a kept file are the digest of the others.
_DIGEST = 32


def key_of(sources: Path, *versions: str) -> str:
    """Return the name under which things built of these sources are kept: another for a change."""
    found = hashlib.sha256(repr(versions).encode())
    for path in sorted(sources.rglob("*.py")):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        found.update(f"\0{path.relative_to(sources)}\0{content}".encode())
    return found.hexdigest()[:32]


def place(environ: Mapping[str, str], key: str) -> Path | None:
    """Return the folder of this key, made where needed; None where none can be trusted.

    What is in it is run on the hosts, so nobody else may have been able to write there.
    """
    root = Path(environ.get("XDG_CACHE_HOME") or Path(environ.get("HOME", ""), ".cache"))
    if not root.is_absolute():
        return None
    ours = (root / "fraisier", root / "fraisier/modules", root / "fraisier/modules" / key)
    with suppress(OSError):  # no home, no room, another's: it is built anew then
        if next(path for path in ours[-1].parents if path.exists()).stat().st_uid != os.geteuid():
            return None
        if not all(_is_guarded(path) for path in ours[0].resolve().parents if path.exists()):
            return None
        make_private(root)
        for folder in ours:
            folder.mkdir(mode=0o700, exist_ok=True)
        if all(_is_private(folder) for folder in ours):
            os.utime(ours[-1])
            return ours[-1]
    return None


def seed(kept: Path, built: Path) -> None:
    """Let a run find what was built before."""
    built.mkdir(mode=0o700, parents=True, exist_ok=True)
    for path in _whole(kept):
        if not _is_private(path):
            continue
        whole = path.read_bytes()
        digest, content = whole[:_DIGEST], whole[_DIGEST:]
        if digest == hashlib.sha256(content).digest():
            _write(built / path.name, content)
        else:  # the disk has lost some of it
            path.unlink()


def keep(built: Path, kept: Path) -> None:
    """Keep what a run has built, with its digest."""
    for path in _whole(built):
        if not (kept / path.name).exists():
            content = path.read_bytes()
            _write(kept / path.name, hashlib.sha256(content).digest() + content)
            _forget_old(kept)


def _whole(folder: Path) -> Iterable[Path]:
    """Return the files of a folder but for locks and what is being written."""
    files = (path for path in folder.iterdir() if path.suffix != ".lock")
    return [path for path in files if path.is_file() and not path.name.endswith("-part")]


def _write(path: Path, content: bytes) -> None:
    """Write a file that is whole, and on the disk, before it has its name; or raise OSError."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, suffix="-part")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.rename(name, path)
    except BaseException:
        os.unlink(name)
        raise


def _forget_old(kept: Path) -> None:
    """Remove the folders of other keys that nobody has used for long, and what was cut short."""
    for folder in kept.parent.iterdir():
        if _age(folder) > OLD_DAYS * DAY:
            shutil.rmtree(folder, ignore_errors=True)
    for path in kept.glob("*-part"):
        if _age(path) > DAY:
            path.unlink(missing_ok=True)


def _age(path: Path) -> float:
    return time.time() - path.stat().st_mtime


def _is_guarded(folder: Path) -> bool:
    """Return whether nobody but this user and root can put another folder in the place of ours.

    Said again here: a process that becomes Ansible must not import its collections before it.
    """
    found, me = folder.stat(), os.geteuid()
    if found.st_uid not in (0, me):
        return False
    if found.st_mode & stat.S_ISVTX:
        return True
    by_group = found.st_mode & stat.S_IWGRP and not _is_own_group(found.st_gid, me)
    return not by_group and not found.st_mode & stat.S_IWOTH


def _is_own_group(group: int, user: int) -> bool:
    """Return whether nobody else is in a group, as many systems give each user one."""
    try:
        entry = pwd.getpwuid(user)
        return entry.pw_gid == group and set(grp.getgrgid(group).gr_mem) <= {entry.pw_name}
    except KeyError:
        return False


def _is_private(path: Path) -> bool:
    """Return whether nobody but this user could have written here."""
    found = path.lstat()
    others = found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return found.st_uid == os.geteuid() and not others and not stat.S_ISLNK(found.st_mode)
