"""Which process works, and whether it still lives (Linux: boot, pid namespace, pid, start)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def this_process() -> dict[str, Any]:
    """Return what tells this process from every other on this machine, before or since."""
    return {
        "boot": _boot(),
        "namespace": _namespace(),
        "pid": os.getpid(),
        "start": _start_time(os.getpid()),
    }


def is_gone(process: Mapping[str, Any], *, this_machine: bool) -> bool:
    """Return True only where a process is known to be gone.

    That is known of those that this one could see: in the same boot and the same pid namespace.
    Where the records are used by `this_machine` alone, another boot is an earlier one.
    """
    if process["boot"] != _boot():
        return this_machine
    if process["namespace"] != _namespace():
        return False
    return bool(_start_time(process["pid"]) != process["start"])


def _boot() -> str:
    return _read("/proc/sys/kernel/random/boot_id")


def _namespace() -> str:
    return os.readlink("/proc/self/ns/pid")


def _start_time(pid: int) -> str | None:
    """Return when a process began; None where there is none, or nothing but its remains."""
    stat = _read(f"/proc/{pid}/stat")
    fields = stat.rpartition(")")[2].split() if stat else ["Z"]
    return None if fields[0] in "ZX" else fields[19]


def _read(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""
