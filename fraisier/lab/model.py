"""What a lab and its hosts are, and the container labels that hold the truth about them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fraisier.domain.errors import LabError

LABEL = "fraisier.lab"
LOGIN = "deploy"
SSH_PORT = 22
SERVED_PORTS = (80, 443, 8000)

#: Takes one line of progress for the reader.
Say = Callable[[str], None]


@dataclass(frozen=True)
class LabHost:
    """One host: a container that runs systemd and sshd on its own loopback address.

    `port` is where its sshd answers on `address`; `ports` are the others published there.
    `state` is Docker's word for the container: running, exited, created, paused, dead. With
    `engine` a Docker engine of its own runs in it.
    """

    name: str
    address: str
    container: str
    port: int = SSH_PORT
    lab: str = ""
    folder: Path = Path()
    ports: tuple[int, ...] = SERVED_PORTS
    image: str = ""
    state: str = "running"
    engine: bool = False

    @property
    def running(self) -> bool:
        """True while the container runs."""
        return self.state == "running"

    def labels(self) -> dict[str, str]:
        """The container's labels, from which `containers.find` reads the host again."""
        return {
            LABEL: self.lab,
            f"{LABEL}.host": self.name,
            f"{LABEL}.address": self.address,
            f"{LABEL}.ssh-port": str(self.port),
            f"{LABEL}.ports": ",".join(map(str, self.ports)),
            f"{LABEL}.folder": str(self.folder),
            f"{LABEL}.image": self.image,
            f"{LABEL}.engine": "yes" if self.engine else "",
        }


@dataclass(frozen=True)
class Lab:
    """The hosts of one name, and the folder with their key pair, pinned host keys and examples."""

    name: str
    folder: Path
    hosts: tuple[LabHost, ...]

    @property
    def key(self) -> Path:
        """The private key that may log in as `deploy`."""
        return self.folder / "id_ed25519"

    @property
    def known_hosts(self) -> Path:
        """The pinned host keys of every host."""
        return self.folder / "known_hosts"

    @property
    def inventory(self) -> Path:
        """The hosts as an Ansible inventory."""
        return self.folder / "inventory.ini"

    @property
    def config(self) -> Path:
        """A ready fraises.yaml for the simple web service."""
        return self.folder / "fraises.yaml"

    @property
    def git(self) -> Path:
        """Repositories placed here have the same path on this machine and on every host."""
        return self.folder / "git"

    def ssh(self, host: LabHost) -> tuple[str, ...]:
        """The command that logs in to `host`, with its key pinned."""
        return (
            *("ssh", "-i", str(self.key)),
            *("-o", f"UserKnownHostsFile={self.known_hosts}"),
            *("-o", "StrictHostKeyChecking=yes"),
            *(() if host.port == SSH_PORT else ("-p", str(host.port))),
            f"{LOGIN}@{host.address}",
        )


def checked_name(name: str) -> str:
    """`name` when it can name a lab, its containers and its folder; LabError otherwise."""
    if re.fullmatch(r"[a-z][a-z0-9-]{0,30}", name):
        return name
    raise LabError(
        f'"{name}" cannot name a lab',
        "use up to 31 lower-case letters, digits and hyphens, a letter first",
    )
