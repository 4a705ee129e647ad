"""Slots on lab hosts: give a host a proxy, reuse a prepared host, read its record and its proxy."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ansible_collections.fraisier.deploy.plugins.module_utils import proxy_setup
from fraisier.domain.errors import LabError
from fraisier.lab import Lab, LabHost
from support.compose_hosts import Hosts
from support.repository import Repository
from support.target import APP_PATH, Target, wipe

#: The proxy of a target: it is asked on the port that lab hosts publish.
PROXY: dict[str, Any] = {"port": 8000, "app_port": 9000, "drain": 3}
BACKEND = "my_api.production"
_ASK = """
import socket, sys
with socket.socket(socket.AF_UNIX) as s:
    s.connect("/run/fraisier-proxy/admin.sock")
    s.sendall(b"show servers state BACKEND\\n")
    s.shutdown(socket.SHUT_WR)
    while chunk := s.recv(65536):
        sys.stdout.write(chunk.decode())
""".replace("BACKEND", BACKEND)


def prepare(target: Target) -> None:
    """Have `fraisier setup` give the target's hosts a proxy."""
    done = target.fraisier("setup", "my_api", "production", "--yes")
    assert done.code == 0, f"{done.out}\n{done.err}"


def give_proxy(target: Target) -> None:
    """Write the files of `fraisier setup` to the target's hosts and start their proxies.

    It takes a tenth of the processor time of `prepare`; integration/test_proxy.py tests setup.
    """
    root = proxy_setup.ROOT
    commands = [f"mkdir -p {root}/certs {proxy_setup.STATE}"]
    commands.append(f"chmod 700 {root}/certs {proxy_setup.STATE}")
    for file in proxy_setup.proxy_texts().values():
        packed = base64.b64encode(file["text"].encode()).decode()
        commands.append(f"echo {packed} | base64 -d > {file['path']}")
    commands += ["systemctl daemon-reload", f"systemctl enable --now {proxy_setup.UNIT}"]
    for host in target.hosts:
        target.inside(host, " && ".join(commands))


class Reused:
    """A target on one host that the tests of a module share, prepared again only after a failure.

    Preparing it costs as much as three deployments. `begin` deploys a first release to slots.
    """

    def __init__(self, lab: Lab, folder: Path, begin: Callable[[Target], None]) -> None:
        self._lab, self._folder, self._begin = lab, folder, begin
        self._made = 0
        self._target: Target | None = None

    def ready(self) -> Target:
        """Return the target: a good release has all traffic, nothing is staged or locked."""
        if self._target is None or not _at_rest(self._target):
            self.close()
            self._target = self._make()
            self._begin(self._target)
        return self._target

    def close(self) -> None:
        """Bring the host back to what it was before."""
        wipe(self._lab.hosts[0])

    def _make(self) -> Target:
        self._made += 1
        name = f"{self._folder.name}-{self._made}"
        folder = self._folder / str(self._made)
        folder.mkdir()
        repository = Repository.create(self._lab.git / name, "app", folder / "work")
        (folder / "project").mkdir()
        return Target(self._lab, self._lab.hosts[:1], repository, folder / "project")


@contextmanager
def reused(lab: Lab, folder: Path, begin: Callable[[Target], None]) -> Iterator[Reused]:
    """Yield a target for a module's tests; its host is wiped at the end."""
    shared = Reused(lab, folder, begin)
    try:
        shared.ready()
        yield shared
    finally:
        shared.close()


def _at_rest(target: Target) -> bool:
    """Say whether a good release has all traffic on the first host, nothing is staged or locked."""
    try:
        record = colours(target)
        shares = weights(target)
    except (LabError, ValueError, IndexError):
        return False
    shown = target.fraisier("--json", "status", "my_api", "production")
    return (
        record["staged"] is None
        and shares.get(record["live"]) == 100
        and target.served(target.hosts[0]) is not None
        and shown.code == 0
        and shown.json["targets"][0]["held_by"] is None
    )


def other(slot: str) -> str:
    """Return the other of the two slots."""
    return "green" if slot == "blue" else "blue"


def running(target: Target) -> list[str]:
    """Return the units of the service that run on the first host."""
    listed = "systemctl list-units --plain --no-legend --state=active 'my-api*' | cut -d' ' -f1"
    return target.inside(target.hosts[0], listed).split()


def enabled(target: Target) -> list[str]:
    """Return the units of the service that start with the first host."""
    wanted = "ls /etc/systemd/system/multi-user.target.wants | grep my-api || true"
    return target.inside(target.hosts[0], wanted).split()


def colours(target: Target, host: LabHost | None = None) -> dict[str, Any]:
    """Return the record of the colours on a host."""
    text = target.inside(host or target.hosts[0], f"cat {APP_PATH}/.fraisier/colours.json")
    found: dict[str, Any] = json.loads(text)
    return found


def weights(target: Target | Hosts, host: LabHost | None = None) -> dict[str, int]:
    """Return what each colour gets of the traffic, as the running proxy says."""
    text = target.inside(host or target.hosts[0], f"python3 -c '{_ASK}'")
    head, *lines = [line.split() for line in text.splitlines() if re.match(r"#|\d+ ", line)]
    name, weight = head.index("srv_name") - 1, head.index("srv_uweight") - 1
    return {line[name]: int(line[weight]) for line in lines}
