# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""What systemd knows of a unit, and the few things it is told to do."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import Sequence

from .commands import SYSTEM_PATH, Finished, run
from .failure import Failure
from .files import read_text, remove_file, write_atomic
from .redaction import shorten

UNIT_FOLDER = "/etc/systemd/system"
USER_UNIT_FOLDER = "~/.config/systemd/user"
#: What a unit that Fraisier writes is started with.
TARGETS = {"system": "multi-user.target", "user": "default.target"}
_ENV = {"PATH": SYSTEM_PATH, "LANG": "C.UTF-8", "SYSTEMD_COLORS": "0", "SYSTEMD_PAGER": ""}
_PROPERTIES = (
    "LoadState", "ActiveState", "SubState", "MainPID", "NRestarts", "FragmentPath",
    "NeedDaemonReload", "UnitFileState", "Result", "ExecMainStatus",
)  # fmt: skip
_SETUP = ("User", "WorkingDirectory", "ExecStartPre", "ExecStart", "EnvironmentFiles")
#: A service that is restarted may take so long to stop; a look at it need not wait longer.
JOB_SECONDS = 8.0
_UNREADABLE = (
    "no lines of {unit} that this user may read; the group systemd-journal may read them\n"
)


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
    def masked(self) -> bool:
        """True where an administrator has forbidden it to start: its file leads to /dev/null."""
        return self.load_state == "masked"

    def missing(self, hint: str) -> Failure:
        """Return the Failure of a unit that systemd cannot start as it has no file for it."""
        if self.masked:
            return Failure(
                "unit_missing",
                f"the unit {self.name} is masked on the host, so that nothing can start it",
                f"on the host: systemctl unmask {self.name}",
            )
        return Failure("unit_missing", f"there is no unit {self.name} on the host", hint)

    @property
    def active(self) -> bool:
        """True while the service runs."""
        return self.active_state in ("active", "reloading")


@dataclass(frozen=True)
class UnitSetup:
    """What a unit's file and drop-ins say of the service; `commands` is all it starts, as text."""

    user: str = ""
    working_directory: str = ""
    commands: str = ""
    environment_files: tuple[str, ...] = ()


@dataclass(frozen=True)
class Manager:
    """A systemd to talk to: the system's, or (`user`) that of whoever runs this.

    `right`: the program that changes go through, for one who may look but not change.
    """

    scope: str = "system"
    right: tuple[str, ...] = ()

    def systemctl(self, *arguments: str, timeout: float = 30) -> Finished:
        """Run systemctl without a pager or questions."""
        argv = ["systemctl", *self._whose, "--no-pager", "--no-ask-password", *arguments]
        return run(argv, env=self.environment, timeout=timeout)

    def tell(self, verb: str, unit: str, timeout: float = 30) -> Finished:
        """Have a unit restarted, stopped, enabled, … by the right that there is to do so."""
        if not self.right:
            return self.systemctl(verb, "--", unit, timeout=timeout)
        return run([*self.right, "systemctl", verb, unit], env=self.environment, timeout=timeout)

    def restart(self, unit: str, timeout: float) -> Finished:
        """Restart a unit, and have systemd count its failures from now on.

        A unit that systemd keeps restarting may be restarted by it once more after the counter was
        reset. That is no failure of what runs now, so the counter is reset again.
        """
        before = self.show(unit)
        self.tell("reset-failed", unit)
        finished = self.tell("restart", unit, timeout=timeout)
        if finished.code == 0 and (before.n_restarts or before.sub_state == "auto-restart"):
            self.tell("reset-failed", unit)
        return finished

    def may_tell(self, verb: str, unit: str) -> bool:
        """True unless sudo says that this user may not do that."""
        if not self.right:
            return True
        argv = [*self.right, "-l", "systemctl", verb, unit]
        return run(argv, env=self.environment, timeout=30).code == 0

    def show(self, unit: str) -> UnitState:
        """Ask for a unit's state."""
        return parse_show(unit, self._properties(unit, _PROPERTIES))

    def wait_for_job(self, unit: str, seconds: float = JOB_SECONDS) -> bool:
        """Wait until systemd has done what it was told to do with a unit; False: it has not yet."""
        limit = time.monotonic() + seconds
        while self.properties(unit, ("Job",))["Job"].strip("0"):
            if time.monotonic() > limit:
                return False
            time.sleep(0.1)
        return True

    def setup(self, unit: str) -> UnitSetup:
        """Ask what a unit starts, and how."""
        return parse_setup(self._properties(unit, _SETUP))

    def properties(self, unit: str, names: Sequence[str]) -> dict[str, str]:
        """Ask for properties of a unit by name; each is empty where systemd has none."""
        lines = self._properties(unit, names).splitlines()
        found = dict(line.split("=", 1) for line in lines if "=" in line)
        return {name: found.get(name, "") for name in names}

    def journal(self, unit: str, since: float | None = None, lines: int = 20) -> str:
        """Return the unit's last journal lines, none from before `since` (Unix time)."""
        # With --since, journalctl of systemd 252 shows the first of so many --lines, not the last.
        bound = f"--lines={lines}" if since is None else f"--since=@{since:.6f}"
        argv = [*self.journal_argv(unit), "--quiet", "--output=cat", bound]
        found = run(argv, env=self.environment, timeout=10).output
        text = "".join(found.splitlines(keepends=True)[-lines:])
        return text if text.strip() or os.geteuid() == 0 else _UNREADABLE.format(unit=unit)

    def journal_argv(self, unit: str) -> list[str]:
        """Return the command that reads a unit's journal, for more options to follow."""
        whose = "--user-unit" if self.scope == "user" else "--unit"
        return ["journalctl", "--no-pager", f"{whose}={unit}"]

    def unit_path(self, unit: str) -> str:
        """Return where Fraisier writes a unit."""
        folder = os.path.expanduser(USER_UNIT_FOLDER) if self.scope == "user" else UNIT_FOLDER
        return os.path.join(folder, unit)

    def installed_text(self, unit: str) -> str | None:
        """Return the text of the unit's file where Fraisier writes it."""
        return read_text(self.unit_path(unit))

    def install(self, unit: str, text: str) -> None:
        """Write a unit and have it started with the system, where that is not so already."""
        path = self.unit_path(unit)
        folder, target = os.path.dirname(path), TARGETS[self.scope]
        if self.installed_text(unit) != text:
            os.makedirs(folder, exist_ok=True)
            write_atomic(path, text, 0o644)
            self.systemctl("daemon-reload")
        if not os.path.lexists(os.path.join(folder, f"{target}.wants", unit)):
            self.systemctl("enable", "--", unit)

    def remove(self, unit: str) -> bool:
        """Stop, disable and remove a unit that Fraisier wrote; without that right only stop it."""
        if self.right:
            self.tell("stop", unit, timeout=60)
            return False
        self.systemctl("disable", "--now", "--", unit, timeout=60)
        removed = remove_file(self.unit_path(unit))
        self.systemctl("daemon-reload")
        self.systemctl("reset-failed", "--", unit)
        return removed

    @property
    def _whose(self) -> list[str]:
        return ["--user"] if self.scope == "user" else []

    @property
    def environment(self) -> dict[str, str]:
        """What systemd's programs are run with."""
        own = {"XDG_RUNTIME_DIR": f"/run/user/{os.geteuid()}"} if self.scope == "user" else {}
        return {**_ENV, **own}

    def _properties(self, unit: str, names: Sequence[str]) -> str:
        finished = self.systemctl("show", "--property", ",".join(names), "--", unit)
        if finished.code != 0:
            raise Failure(
                "systemd_failed",
                f"systemctl show {unit} failed: {shorten(finished.output.strip(), 300)}",
                f"look at systemd on the host: {' '.join(['systemctl', *self._whose])} status",
                finished.output,
            )
        return finished.output


#: The system's systemd, for one who may change it.
SYSTEM = Manager()
show, systemctl, journal = SYSTEM.show, SYSTEM.systemctl, SYSTEM.journal


def manager_for(scope: str) -> Manager:
    """Return how whoever runs this talks to the systemd of a scope, `system` or `user`."""
    if scope == "user":
        return Manager("user")
    return SYSTEM if os.geteuid() == 0 else Manager("system", ("sudo", "-n"))


def present() -> bool:
    """True when systemd runs this host."""
    return os.path.isdir("/run/systemd/system")


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


def parse_setup(text: str) -> UnitSetup:
    """Read the output of `systemctl show` for what a unit starts."""
    found = [line.split("=", 1) for line in text.splitlines() if "=" in line]
    known = {line[0]: line[1] for line in found}
    files = [value for name, value in found if name == "EnvironmentFiles"]
    return UnitSetup(
        user=known.get("User", ""),
        working_directory=known.get("WorkingDirectory", "").lstrip("!"),
        commands="\n".join(value for name, value in found if name.startswith("Exec")),
        environment_files=tuple(value.rpartition(" (ignore_errors=")[0] for value in files),
    )
