# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""Speaking to a running HAProxy over its UNIX sockets: commands, and the tables it answers with."""

from __future__ import annotations

import csv
import os
import re
import socket
import time
from contextlib import suppress
from typing import Iterator, Mapping, Sequence

from .failure import Failure
from .proxy_config import KEEP_ALIVE
from .proxy_model import Figures

SECONDS = 5.0
_LIMIT = 16 * 1024 * 1024
_PASSED = ("L4OK", "L6OK", "L7OK", "L7OKC")


class Runtime:
    """The workers of one HAProxy: the one that takes new connections, and those that end theirs.

    A reload leaves the worker before it to end what it has under way. A client's idle connection
    there may bring one more request, until KEEP_ALIVE is over, and that worker hears of no weights.
    """

    def __init__(self, admin: str) -> None:
        self._admin = admin
        self._master = os.path.join(os.path.dirname(admin), "master.sock")

    def alive(self) -> bool:
        """True where it answers."""
        try:
            return self.worker() > 0
        except Failure:
            return False

    def worker(self) -> int:
        """Return the process id of the worker that takes new connections."""
        found = re.search(r"^Pid: (\d+)$", self.ask("show info"), re.MULTILINE)
        if found is None:
            raise silent("it did not say which process it is")
        return int(found.group(1))

    def ask(self, command: str) -> str:
        """Return what the current worker answers; raises Failure `proxy_silent`."""
        return converse(self._admin, command)

    def tell(self, command: str) -> None:
        """Have the current worker do something; raises Failure `proxy_refused` where it refuses."""
        answer = self.ask(command).strip()
        if answer:
            raise Failure("proxy_refused", f"HAProxy refused {command!r}: {answer}")

    def rows(self, backend: str, old: bool = False) -> Iterator[Mapping[str, str]]:
        """Return the rows of `show stat` for a backend's servers; `old`: of the workers before."""
        if not old:
            yield from _rows(self.ask(f"show stat {backend} 4 -1"))
            return
        for pid in self._old():
            with suppress(Failure):
                yield from _rows(converse(self._master, f"@!{pid} show stat {backend} 4 -1"))

    def weights(self, backend: str) -> dict[str, int]:
        """Return the weight of each server now; empty where there is no such backend."""
        lines = [line.split() for line in self.ask(f"show servers state {backend}").splitlines()]
        heads = next((line[1:] for line in lines if line[:1] == ["#"]), [])
        if not heads:
            return {}
        name, weight = heads.index("srv_name"), heads.index("srv_uweight")
        return {line[name]: int(line[weight]) for line in lines if len(line) == len(heads)}

    def figures(self, backend: str) -> dict[str, Figures]:
        """Return what each server did."""
        return {row["svname"]: _figures(row) for row in self.rows(backend)}

    def sessions(self, backend: str, servers: Sequence[str]) -> int:
        """Return how many requests servers have under way, in every worker."""
        rows = [*self.rows(backend), *self.rows(backend, old=True)]
        return sum(
            int(row["scur"] or 0) + int(row["qcur"] or 0)
            for row in rows
            if row["svname"] in servers
        )

    def settled(self) -> bool:
        """True where no worker from before a reload can get another request."""
        if not self._old():
            return True
        found = re.search(r"^Uptime_sec: (\d+)$", self.ask("show info"), re.MULTILINE)
        return found is not None and int(found.group(1)) > KEEP_ALIVE

    def reload(self, seconds: float = 15.0) -> bool:
        """Have the master read its files again; True once a new worker answers.

        False where there was none in time: the worker before it then serves on.
        """
        before, _ready = self.worker(), self._table()
        converse(self._master, "reload")
        limit = time.monotonic() + seconds
        while time.monotonic() < limit:
            time.sleep(0.02)
            with suppress(Failure):
                if self._failed():
                    return False
                if self.worker() != before:
                    return True
        return False

    def _failed(self) -> bool:
        """True where the master could not start a worker with what it has read last."""
        return (
            re.search(r"^\d+\s+master\b.*\[failed: [1-9]", self._table(), re.MULTILINE) is not None
        )

    def _old(self) -> list[int]:
        return [pid for pid, reloads in self._workers().items() if reloads > 0]

    def _workers(self) -> dict[int, int]:
        """Return how often each worker was there for a reload, by process id."""
        found = re.findall(r"^(\d+)\s+worker\s+(\d+)", self._table(), re.MULTILINE)
        return {int(pid): int(reloads) for pid, reloads in found}

    def _table(self) -> str:
        """Return the master's processes; it takes no connection while it reads its files."""
        limit = time.monotonic() + SECONDS
        while True:
            try:
                return converse(self._master, "show proc", 1.0)
            except Failure:
                if time.monotonic() > limit:
                    raise
                time.sleep(0.02)


def converse(path: str, command: str, seconds: float = SECONDS) -> str:
    """Return what a socket answers to a line; raises Failure `proxy_silent`."""
    limit, answer = time.monotonic() + seconds, b""
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.settimeout(seconds)
            connection.connect(path)
            connection.sendall(command.encode() + b"\n")
            connection.shutdown(socket.SHUT_WR)  # or the master waits for more
            while len(answer) < _LIMIT:
                connection.settimeout(max(0.001, limit - time.monotonic()))
                chunk = connection.recv(65536)
                if not chunk:
                    return answer.decode("utf-8", "replace")
                answer += chunk
        except PermissionError as error:
            error.filename = error.filename or path
            raise
        except OSError as error:
            raise silent(f"{path}: {error.strerror or error}") from None
    raise silent("it answers without an end")


def silent(why: str) -> Failure:
    """Return the Failure of a proxy that does not answer."""
    return Failure(
        "proxy_silent",
        f"the proxy of this host does not answer ({why})",
        "on the host: systemctl status fraisier-proxy; journalctl -u fraisier-proxy -n 30",
    )


def _rows(text: str) -> Iterator[Mapping[str, str]]:
    if not text.startswith("# "):
        return
    yield from csv.DictReader(text[2:].strip().splitlines())


def _figures(row: Mapping[str, str]) -> Figures:
    def number(*names: str) -> int:
        return sum(int(row.get(name) or 0) for name in names)

    answers = [f"hrsp_{kind}" for kind in ("1xx", "2xx", "3xx", "4xx", "5xx", "other")]
    broken = number("econ", "eresp")
    return Figures(
        requests=number(*answers) + broken,
        errors_5xx=number("hrsp_5xx"),
        connection_errors=broken,
        response_seconds=number("rtime") / 1000,
        sessions=number("scur", "qcur"),
        up=_up(row),
    )


def _up(row: Mapping[str, str]) -> bool:
    asked = row.get("check_status", "").replace("*", "").strip()
    return asked in _PASSED and row.get("status", "").startswith(("UP", "DRAIN", "NOLB"))
