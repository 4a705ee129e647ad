"""What is true on a lab host, seen from inside its container."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fraisier.domain.errors import LabError
from fraisier.lab import LabHost, exec_in
from fraisier.lab.engine import docker

#: Prints what `Place.look` reads; every line begins with what it is.
LOOK = """
cd {app} 2> /dev/null || exit 0
echo "current $(basename "$(readlink current)")"
echo "switched $(stat -c %.9Y current 2> /dev/null)"
echo "active $(systemctl show -p MainPID --value {unit})"
echo "fence $(tr -d '\\n' < .fraisier/fence.json 2> /dev/null)"
sed 's/^/mark /' {marks} 2> /dev/null
true
"""


@dataclass(frozen=True)
class Mark:
    """One line of the host: what (build, step, start), when (ns since 1970), of which version."""

    what: str
    at: int
    version: str
    release: str
    pid: int


@dataclass(frozen=True)
class Look:
    """A host at one moment: where `current` points, which release runs, its fence, its marks."""

    current: str | None
    running: str | None
    fence: dict[str, Any]
    marks: tuple[Mark, ...]
    switched: int | None

    def of(self, version: str) -> tuple[Mark, ...]:
        """Return the marks of one version."""
        return tuple(mark for mark in self.marks if mark.version == version)


@dataclass
class Place:
    """A target's place on one host."""

    host: LabHost
    name: str
    _first: int = -1

    @property
    def app(self) -> str:
        """Return the application's folder there."""
        return f"/opt/{self.name}"

    @property
    def marks(self) -> str:
        """Return the file of marks there."""
        return f"/var/tmp/{self.name}.marks"

    def look(self) -> Look:
        """Look at the host now."""
        script = LOOK.format(app=self.app, unit=f"{self.name}.service", marks=self.marks)
        return read_look(exec_in(self.host.container, "sh", "-c", script))

    def holder(self) -> str | None:
        """Return the deployment that the host's fence names: a glance, where root may have one."""
        said = self._read(f"{self.app}/.fraisier/fence.json")
        return str(json.loads(said)["deployment"]) if said else None

    def works_on(self, version: str) -> bool:
        """Return whether the build of a version has left a mark: a glance as well."""
        return version in self._read(self.marks)

    def runs_by_now(self, version: str) -> bool:
        """Return whether a version was started: a glance as well."""
        marks = (line.split() for line in self._read(self.marks).splitlines())
        return any(words[0] == "start" and words[2] == version for words in marks)

    def _read(self, path: str) -> str:
        try:
            return (self._root / path[1:]).read_text()
        except PermissionError:
            with suppress(LabError):  # it boots
                return exec_in(self.host.container, "sh", "-c", f"cat {path} 2> /dev/null || true")
            return ""
        except OSError:
            return ""

    @property
    def _root(self) -> Path:
        if not Path(f"/proc/{self._first}").exists():  # as after a reboot
            named = docker("inspect", "--format", "{{.State.Pid}}", self.host.container)
            self._first = int(named.strip()) or -1
        return Path(f"/proc/{self._first}/root")

    def clean(self) -> None:
        """Remove what a target left on a host."""
        unit = f"{self.name}.service"
        script = (
            f"systemctl disable --now {unit}; umount {self.app}; rm -rf {self.app} {self.marks} "
        )
        script += f"/etc/systemd/system/{unit}; systemctl daemon-reload; true"
        exec_in(self.host.container, "sh", "-c", f"({script}) > /dev/null 2>&1")


def read_look(said: str) -> Look:
    """Read what LOOK printed."""
    lines = [line.partition(" ") for line in said.splitlines()]
    told = {kind: rest.strip() for kind, _, rest in lines if kind != "mark"}
    marks = tuple(_mark(rest) for kind, _, rest in lines if kind == "mark")
    pid = int(told.get("active") or 0)
    started = [mark for mark in marks if mark.what == "start" and mark.pid == pid]
    running = None if not pid else started[-1].release if started else "unknown"
    moment = told.get("switched")
    return Look(
        current=told.get("current") or None,
        running=running,
        fence=json.loads(told.get("fence") or "{}"),
        marks=marks,
        switched=_nanoseconds(moment) if moment else None,
    )


def _mark(line: str) -> Mark:
    what, at, version, release, pid = line.split()
    return Mark(what, int(at), version, release, int(pid))


def _nanoseconds(moment: str) -> int:
    seconds, _, rest = moment.partition(".")
    return int(seconds) * 10**9 + int(rest.ljust(9, "0")[:9] or 0)
