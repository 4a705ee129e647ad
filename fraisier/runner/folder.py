"""The private folder of one run: 0700, in memory where the machine has such a place, wiped."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

PREFIX = "fraisier-run-"


def base() -> Path:
    """Return where private folders are made: /dev/shm, so that no secret meets a disk, or /tmp."""
    shared_memory = Path("/dev/shm")  # noqa: S108 - the folder inside is made 0700 by mkdtemp
    if os.access(shared_memory, os.W_OK | os.X_OK):
        return shared_memory
    return Path(tempfile.gettempdir())


def make_folder() -> Path:
    """Make a folder that only this user can read, with the rooms a run needs."""
    sweep()
    folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=base()))
    for name in ("project", "ssh", "tmp", "home"):
        (folder / name).mkdir(mode=0o700)
    return folder


def sweep() -> None:
    """Remove the folders that runs of ours left behind when their process was killed."""
    for folder in base().glob(f"{PREFIX}*-*"):
        pid = folder.name.removeprefix(PREFIX).partition("-")[0]
        if pid.isdigit() and not Path(f"/proc/{pid}").exists() and _mine(folder):
            shutil.rmtree(folder, ignore_errors=True)


def _mine(folder: Path) -> bool:
    try:
        return folder.stat().st_uid == os.getuid()
    except FileNotFoundError:
        return False  # another run swept it away


def write_private(path: Path, text: str) -> None:
    """Write a file that only this user can read, 0600 from its first byte."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
