"""A team's own Ansible inventory: which hosts a group has, as Ansible itself reads it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from fraisier.domain.catalogue import Host, InventoryGroup
from fraisier.domain.errors import ConfigurationError, Problem
from fraisier.domain.plain_text import clean
from fraisier.runner.folder import base
from fraisier.runner.invocation import environment

LIMIT_SECONDS = 60
SAID_LINES = 6


class AnsibleInventories:
    """Asks `ansible-inventory`; scripts and plugins in an inventory run as they do for Ansible."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._environ = environ

    def hosts(self, named: InventoryGroup) -> tuple[Host, ...]:
        """Return the hosts of a group, or the one host of that name, in the inventory's order.

        Raises ConfigurationError where the inventory cannot be read or names no such hosts.
        """
        found = self._read(named)
        names = list(dict.fromkeys(_members(found, named.group)))
        variables = found.get("_meta", {}).get("hostvars", {})
        if not names and named.group in variables:
            names = [named.group]
        if not names:
            known = ", ".join(sorted(set(found) - {"_meta"}))
            raise _problem(named, f'no hosts are in a group "{named.group}"; groups: {known}')
        return tuple(_host(name, variables.get(name, {})) for name in names)

    def _read(self, named: InventoryGroup) -> dict[str, Any]:
        program = Path(sys.executable).parent / "ansible-inventory"
        with tempfile.TemporaryDirectory(dir=base()) as folder:
            try:
                done = subprocess.run(
                    [program, "-i", named.inventory, "--list"],
                    env=environment(Path(folder), self._environ, named.inventory),
                    stdin=subprocess.DEVNULL,
                    capture_output=True,
                    text=True,
                    timeout=LIMIT_SECONDS,
                )
            except subprocess.TimeoutExpired:
                raise _problem(named, f"it was not read within {LIMIT_SECONDS} s") from None
        if done.returncode != 0:
            said = "\n".join(done.stderr.strip().splitlines()[-SAID_LINES:])
            raise _problem(named, f"Ansible cannot read it: {clean(said)}")
        data: dict[str, Any] = json.loads(done.stdout)
        return data


def _members(groups: Mapping[str, Any], name: str) -> Iterator[str]:
    """Yield the hosts of a group, those of its children after its own."""
    group = groups.get(name, {})
    yield from group.get("hosts", ())
    for child in group.get("children", ()):
        yield from _members(groups, child)


def _host(name: str, variables: Mapping[str, Any]) -> Host:
    port, user = str(variables.get("ansible_port", "")), variables.get("ansible_user")
    return Host(
        name=name,
        address=str(variables.get("ansible_host", name)),
        port=int(port) if port.isdigit() else 22,
        username=str(user) if user else None,
        connection="local" if variables.get("ansible_connection") == "local" else "ssh",
    )


def _problem(named: InventoryGroup, message: str) -> ConfigurationError:
    hint = f"see what Ansible finds: ansible-inventory -i {named.inventory} --graph"
    return ConfigurationError([Problem(named.inventory, 0, "", message)], hint)
