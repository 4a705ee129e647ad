"""Where labs are kept on this machine, and the lock that keeps two lab commands apart."""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fraisier.domain.errors import LabError
from fraisier.lab.model import Say
from fraisier.private_folders import make_private


def default_home() -> Path:
    """Where labs are kept when FRAISIER_LAB_HOME is not set."""
    if os.geteuid() == 0:
        return Path("/var/lib/fraisier-lab")
    return Path("~/.local/state/fraisier-lab").expanduser()


def home() -> Path:
    """The folder that holds one folder per lab; LabError when its path could not be used.

    Docker's volumes and ssh's options divide their values at colons and spaces.
    """
    folder = Path(os.environ.get("FRAISIER_LAB_HOME") or default_home()).absolute()
    if not re.fullmatch(r"[\w./@+-]+", str(folder)):
        raise LabError(
            f"the lab cannot live in {folder}",
            "set FRAISIER_LAB_HOME to a path of letters, digits and . / _ @ + -",
        )
    return folder


@contextmanager
def one_at_a_time(say: Say) -> Iterator[None]:
    """Hold the lock that keeps two lab commands of this user apart, whatever their homes are."""
    make_private(default_home())
    with (default_home() / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another lab command is running; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def known_labs() -> list[str]:
    """The names of the labs that have a folder in this home."""
    return sorted(key.parent.name for key in home().glob("*/id_ed25519"))


def daemon_log() -> Path:
    """Where a dockerd that the lab starts writes its log."""
    return default_home() / ".dockerd.log"
