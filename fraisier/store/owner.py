"""Which process works on a deployment, and whether it still lives (Linux: boot id, pid, start)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any


def this_process() -> dict[str, Any]:
    """Return what tells this process from every other on this machine, before or since."""
    return {
        "machine": _read("/etc/machine-id"),
        "boot": _read("/proc/sys/kernel/random/boot_id"),
        "pid": os.getpid(),
        "start": _start_time(os.getpid()),
    }


def is_dead(owner: dict[str, Any]) -> bool:
    """Return True only where the owner is known to be gone; another machine's is not known."""
    if owner["machine"] != _read("/etc/machine-id"):
        return False
    if owner["boot"] != _read("/proc/sys/kernel/random/boot_id"):
        return True
    return bool(_start_time(owner["pid"]) != owner["start"])


def _start_time(pid: int) -> str | None:
    stat = _read(f"/proc/{pid}/stat")
    return stat.rpartition(")")[2].split()[19] if stat else None


def _read(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""
