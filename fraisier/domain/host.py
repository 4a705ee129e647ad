"""A machine, and how it is reached."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Host:
    """A machine, by the name the configuration gives it, and how it is reached.

    `connection` is `ssh`, or `local` for this very machine. Of a host of a team's own inventory
    only the name and the address are known here; how to reach it is the inventory's to say.
    `private_address`: where other machines reach it, where that is not `address`.
    """

    name: str
    address: str
    port: int = 22
    username: str | None = None
    ssh_key_path: str | None = None
    known_hosts: str | None = None
    python: str = "/usr/bin/python3"
    connection: str = "ssh"
    private_address: str | None = None
