"""Colours on lab hosts: giving one a proxy, and seeing what its record and its proxy say."""

from __future__ import annotations

import json
import re
from typing import Any

from fraisier.lab import LabHost
from support.compose_hosts import Hosts
from support.target import APP_PATH, Target

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
