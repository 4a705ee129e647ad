"""Many small services on the lab's hosts, and the processes that deploy them."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from fraisier.lab import Lab, LabHost, exec_in
from support.command import Fraisier
from support.forked import Command
from support.repository import Repository
from support.server import started

MARKS = "/tmp/fraisier-marks"
#: Appends one line for each build, so that a deployment that ran twice shows on its host.
MARK = f'echo "$FRAISIER_FRAISE $FRAISIER_VERSION" >> {MARKS}'


@dataclass
class Many:
    """So many fraises `s0`, `s1`, … in `production`, one host each, with the cheapest service."""

    lab: Lab
    repository: Repository
    folder: Path
    count: int
    fraisier: Fraisier = field(init=False)

    def __post_init__(self) -> None:
        self.fraisier = Fraisier(self.folder)
        fraises = {name: self._fraise(index, name) for index, name in enumerate(self.names)}
        (self.folder / "fraises.yaml").write_text(yaml.safe_dump({"fraises": fraises}))
        for host in self.lab.hosts:
            exec_in(host.container, "sh", "-c", f"rm -f {MARKS}; install -m 666 /dev/null {MARKS}")

    @property
    def names(self) -> list[str]:
        """Return the fraises' names."""
        return [f"s{index}" for index in range(self.count)]

    def marks(self) -> dict[str, list[str]]:
        """Return the versions that were built, by fraise, in the order of their building."""
        found: dict[str, list[str]] = {name: [] for name in self.names}
        for host in self.lab.hosts:
            for line in exec_in(host.container, "cat", MARKS).splitlines():
                name, version = line.split()
                found[name].append(version)
        return found

    def serves(self, name: str) -> str:
        """Return the version that a fraise's unit runs, as its host has it; empty if it is down."""
        host = self._host(self.names.index(name))
        look = (
            f"pid=$(systemctl show -P MainPID {name}); "
            "tr '\\0' '\\n' < /proc/$pid/environ | sed -n s/^FRAISIER_VERSION=//p"
        )
        return exec_in(host.container, "sh", "-c", look).strip()

    def wipe(self) -> None:
        """Bring the hosts back to what they were."""
        units = " ".join(self.names)
        paths = " ".join(f"/etc/systemd/system/{name}.service /opt/{name}" for name in self.names)
        clean = f"systemctl disable --now {units} 2>/dev/null; rm -rf {paths} {MARKS}"
        for host in self.lab.hosts:
            reload = "systemctl daemon-reload; systemctl reset-failed"
            exec_in(host.container, "sh", "-c", f"{clean}; {reload}; true")

    def _host(self, index: int) -> LabHost:
        return self.lab.hosts[index % len(self.lab.hosts)]

    def _fraise(self, index: int, name: str) -> dict[str, object]:
        host = self._host(index)
        key = str(self.lab.key)
        reached = {"hostname": host.address, "username": "deploy", "ssh_key_path": key}
        config = {
            "hosts": [reached],
            "known_hosts": str(self.lab.known_hosts),
            "service_name": name,
            "app_path": f"/opt/{name}",
            "service_user": "app",
            "build": [MARK],
            "exec": ["/bin/sleep", "infinity"],
            "health_check": {"type": "exec", "command": ["/bin/true"]},
        }
        production = {"provider": "bare_metal", "provider_config": config}
        source = {"git_repo": str(self.repository.path), "git_provider": "git"}
        return {**source, "environments": {"production": production}}


@dataclass
class Worker:
    """A running `fraisier worker`. `log` is what it said."""

    process: subprocess.Popen[bytes] | Command
    log: Path

    def stop(self, seconds: float = 60) -> int:
        """Ask it to stop and return how it ended."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)

    def kill(self) -> None:
        """End it as the machine's own failure would."""
        self.process.kill()
        self.process.wait()


@contextmanager
def working(
    fraisier: Fraisier, name: str, *options: str, executed: bool = False
) -> Iterator[Worker]:
    """Run `fraisier worker`; it is stopped at the end, if it still runs. `executed` as a server."""
    log = fraisier.folder / f"worker-{name}.log"
    worker = Worker(started(fraisier, ("worker", "--name", name, *options), log, executed), log)
    try:
        yield worker
    finally:
        if worker.process.poll() is None:
            worker.stop()


def in_order(wanted: Sequence[str], found: Sequence[str]) -> bool:
    """Return whether what was found is what was wanted, in that order, perhaps not all of it."""
    left = iter(wanted)
    return all(each in left for each in found)
