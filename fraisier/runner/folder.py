"""The private folder of one run: 0700, in memory where the machine has such a place, wiped."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from fraisier.runner.containment import anywhere, end_marked

PREFIX = "fraisier-run-"
#: A link in the folder to a second one, for the temporary files of what runs on this machine.
SCRATCH, SCRATCH_PREFIX = "scratch", "fraisier-tmp-"
#: A process of a dead run has this long to end by itself when its folder is swept up.
SWEEP_GRACE = 1.0
#: An owner that has let go of a pipe is on its way out, and has this long to let go of its lock;
#: one that may only be paused has less, as whoever waits for it is part of the run.
DYING_SECONDS, PAUSED_SECONDS = 10.0, 2.0


@dataclass(frozen=True)
class Folder:
    """A private folder and the lock that says that its owner lives; the lock ends with it."""

    path: Path
    lock: int

    def wipe(self) -> None:
        """Remove the folder; it may be gone already."""
        _remove(self.path)
        os.close(self.lock)

    def disown(self) -> None:
        """Let anybody wipe it from now on; the owner may still."""
        fcntl.flock(self.lock, fcntl.LOCK_UN)


def base() -> Path:
    """Return where private folders are made: /dev/shm, so that no secret meets a disk, or /tmp."""
    shared_memory = Path("/dev/shm")  # noqa: S108 - the folder inside is made 0700 by mkdtemp
    if os.access(shared_memory, os.W_OK | os.X_OK):
        return shared_memory
    return Path(tempfile.gettempdir())


def make_folder() -> Folder:
    """Make a folder that only this user can read, with the rooms a run needs; raise OSError."""
    sweep()
    while True:
        path = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=base()))
        try:
            lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            continue  # another process has swept it up already
        fcntl.flock(lock, fcntl.LOCK_EX)
        if path.exists():
            break
        os.close(lock)  # it was swept up before it was locked
    folder = Folder(path, lock)
    try:
        for name in ("project", "ssh", "tmp", "home"):
            (path / name).mkdir(mode=0o700)
    except OSError:
        folder.wipe()
        raise
    with suppress(OSError):  # no room: what wants temporary files finds out by itself
        _make_scratch(path)
    return folder


def scratch(folder: Path) -> Path | None:
    """Return where temporary files of a run belong; None where there is no such place.

    It is where the machine has them, as they may be large, and open as that is, as modules may
    become another user. It goes with the run, and so do the modules that Ansible unpacks there.
    """
    place = folder / SCRATCH
    return place.resolve() if place.is_dir() else None


def sweep() -> None:
    """End what is left of runs of ours whose owner is dead, and remove their folders.

    The owner's lock alone tells: its number may be that of a process in another PID namespace.
    """
    for path in base().glob(f"{PREFIX}*-*"):
        wipe_orphaned(path)


def wipe_orphaned(path: Path, patience: float = 0.0) -> None:
    """Remove a folder of ours, and end what has its mark, where its owner is dead.

    The owner may be about to die: it has `patience` seconds for it. The kernel closes the files of
    a process one after the other, so whoever reads the end of one can be faster than its death.
    """
    try:
        lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return  # somebody else's, or already gone
    try:
        if os.fstat(lock).st_uid == os.geteuid() and _locked(lock, patience):
            end_marked(str(path), anywhere, SWEEP_GRACE)
            _remove(path)
    finally:
        os.close(lock)


def _make_scratch(folder: Path) -> None:
    made = tempfile.mkdtemp(prefix=SCRATCH_PREFIX)
    try:
        (folder / SCRATCH).symlink_to(made)
        os.chmod(made, 0o1777)  # noqa: S103 - as /tmp itself
    except OSError:
        os.rmdir(made)
        raise


def _remove(folder: Path) -> None:
    """Remove a folder of ours, with its scratch; either may be gone already."""
    if made := scratch(folder):
        shutil.rmtree(made, ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)


def _locked(descriptor: int, patience: float) -> bool:
    """Lock a folder; False where its owner still lives after `patience` seconds."""
    deadline = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.01)
        else:
            return True


def write_private(path: Path, text: str) -> None:
    """Write a file that only this user can read, 0600 from its first byte."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
