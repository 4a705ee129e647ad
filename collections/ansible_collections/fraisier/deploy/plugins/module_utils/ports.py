# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""Ports of a host: finding free ones, and remembering whose they are."""

from __future__ import annotations

import fcntl
import os
import socket
from contextlib import contextmanager
from typing import Iterator

from .failure import Failure
from .files import read_json, write_json

RECORD = "/var/lib/fraisier/ports.json"
FIRST, LAST = 9100, 9899


class Ports:
    """Who has which port. `record`: the file that remembers, beside which its lock is."""

    def __init__(self, record: str = RECORD, first: int = FIRST, last: int = LAST) -> None:
        self._record = record
        self._range = range(first, last + 1)

    def allocate(self, owner: str, wanted: int | None = None) -> int:
        """Return the port of an owner: the one that it has, else `wanted`, else a free one.

        An owner that wants another than it has gets that one and gives up the first. `wanted`
        need not be free to listen on: what listens there may be the owner. Raises Failure
        `port_taken` where it is another owner's, `ports_exhausted` where there is none left.
        """
        with self._locked():
            taken = self.taken()
            if wanted is None and owner in taken:
                return taken[owner]
            others = {port: name for name, port in taken.items() if name != owner}
            port = self._free(others) if wanted is None else _require_free(wanted, others)
            if taken.get(owner) != port:
                write_json(self._record, {**taken, owner: port}, 0o644)
            return port

    def free(self, owner: str) -> bool:
        """Forget an owner's port; say whether it had one."""
        with self._locked():
            taken = self.taken()
            had = taken.pop(owner, None) is not None
            if had:
                write_json(self._record, taken, 0o644)
            return had

    def taken(self) -> dict[str, int]:
        """Return the ports by their owners."""
        return {owner: int(port) for owner, port in (read_json(self._record) or {}).items()}

    def _free(self, others: dict[int, str]) -> int:
        for port in self._range:
            if port not in others and bindable(port):
                return port
        raise Failure(
            "ports_exhausted",
            f"no port from {self._range[0]} to {self._range[-1]} is free on the host",
            "set proxy.app_port to one that is",
        )

    @contextmanager
    def _locked(self) -> Iterator[None]:
        os.makedirs(os.path.dirname(self._record), 0o755, exist_ok=True)
        lock = os.open(f"{self._record}.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)  # nobody holds it longer than a file takes to write
            yield
        finally:
            os.close(lock)


def allocate(owner: str, wanted: int | None = None) -> int:
    """Return the port of an owner on this host, as `Ports.allocate` does."""
    return Ports().allocate(owner, wanted)


def bindable(port: int, address: str = "") -> bool:
    """True where nothing listens on a port, on any address or on one."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def _require_free(wanted: int, others: dict[int, str]) -> int:
    if wanted in others:
        raise Failure(
            "port_taken",
            f"port {wanted} of this host is {others[wanted]}'s",
            "choose another proxy.app_port; mind that the next port is taken as well",
        )
    return wanted
