# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""What systemd knows of a unit, and the few things it is told to do."""

from __future__ import annotations

import os
from dataclasses import dataclass

from .commands import SYSTEM_PATH, Finished, run
from .failure import Failure
from .files import read_text, remove_file, write_atomic

UNIT_FOLDER = "/etc/systemd/system"
_ENV = {"PATH": SYSTEM_PATH, "LANG": "C.UTF-8", "SYSTEMD_COLORS": "0", "SYSTEMD_PAGER": ""}
_PROPERTIES = (
    "LoadState", "ActiveState", "SubState", "MainPID", "NRestarts", "FragmentPath",
    "NeedDaemonReload", "UnitFileState", "Result", "ExecMainStatus",
)  # fmt: skip


@dataclass(frozen=True)
class UnitState:
    """A unit as systemd shows it; `main_pid` is 0 while nothing runs."""

    name: str
    load_state: str = "not-found"
    active_state: str = "inactive"
    sub_state: str = "dead"
    main_pid: int = 0
    n_restarts: int = 0
    fragment_path: str = ""
    need_reload: bool = False
    file_state: str = ""
    result: str = ""
    exit_status: int = 0

    @property
    def exists(self) -> bool:
        """True when systemd has a file for it."""
        return self.load_state not in ("not-found", "masked")

    @property
    def active(self) -> bool:
        """True while the service runs."""
        return self.active_state in ("active", "reloading")


def present() -> bool:
    """True when systemd runs this host."""
    return os.path.isdir("/run/systemd/system")


def show(unit: str) -> UnitState:
    """Ask systemd for a unit's state."""
    finished = systemctl("show", "--property", ",".join(_PROPERTIES), "--", unit)
    if finished.code != 0:
        raise Failure(
            "systemd_failed",
            f"systemctl show {unit} failed: {finished.output.strip()[:300]}",
            "look at systemd on the host: systemctl status",
            finished.output,
        )
    return parse_show(unit, finished.output)


def parse_show(unit: str, text: str) -> UnitState:
    """Read the output of `systemctl show`."""
    found = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    return UnitState(
        name=unit,
        load_state=found.get("LoadState", "not-found"),
        active_state=found.get("ActiveState", "inactive"),
        sub_state=found.get("SubState", "dead"),
        main_pid=int(found.get("MainPID") or 0),
        n_restarts=int(found.get("NRestarts") or 0),
        fragment_path=found.get("FragmentPath", ""),
        need_reload=found.get("NeedDaemonReload") == "yes",
        file_state=found.get("UnitFileState", ""),
        result=found.get("Result", ""),
        exit_status=int(found.get("ExecMainStatus") or 0),
    )


def systemctl(*arguments: str, timeout: float = 30) -> Finished:
    """Run systemctl without a pager or questions."""
    argv = ["systemctl", "--no-pager", "--no-ask-password", *arguments]
    return run(argv, env=_ENV, timeout=timeout)


def journal(unit: str, since: float | None = None, lines: int = 20) -> str:
    """Return the unit's last journal lines, none from before `since` (Unix time)."""
    argv = ["journalctl", "--no-pager", "--quiet", "--output=cat", f"--lines={lines}"]
    argv += [] if since is None else [f"--since=@{since:.6f}"]
    return run([*argv, f"--unit={unit}"], env=_ENV, timeout=10).output


def unit_path(unit: str) -> str:
    """Return where Fraisier writes a unit."""
    return os.path.join(UNIT_FOLDER, unit)


def installed_text(unit: str) -> str | None:
    """Return the text of the unit's file where Fraisier writes it."""
    return read_text(unit_path(unit))


def install(unit: str, text: str) -> bool:
    """Write a unit where it is not so already; say whether it changed."""
    if installed_text(unit) == text:
        return False
    write_atomic(unit_path(unit), text, 0o644)
    return True


def remove(unit: str) -> bool:
    """Stop, disable and remove a unit that Fraisier wrote."""
    systemctl("disable", "--now", "--", unit, timeout=60)
    removed = remove_file(unit_path(unit))
    systemctl("daemon-reload")
    systemctl("reset-failed", "--", unit)
    return removed
