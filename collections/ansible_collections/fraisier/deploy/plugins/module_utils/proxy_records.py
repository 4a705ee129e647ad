# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""Our own record of the services behind a host's proxy, and the lock of whoever changes it."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from typing import Iterator, Mapping, Sequence

from .failure import Failure
from .fence import try_lock
from .files import read_json, read_text, remove_file, write_atomic, write_json
from .proxy_model import Backend
from .proxy_runtime import silent

_LOCK_SECONDS = 60.0
_POLL = 0.05


class ProxyRecords:
    """A folder of `<backend>/backend.json`, beside which a service's fence on a proxy may be."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def all(self) -> dict[str, Backend]:
        """Return the services by name."""
        names = sorted(os.listdir(self.folder)) if os.path.isdir(self.folder) else []
        found = {n: read_json(self._path(n)) for n in names if os.path.exists(self._path(n))}
        return {name: Backend.from_json(data) for name, data in found.items() if data}

    def get(self, name: str) -> Backend:
        """Return a service; raises Failure `proxy_unknown`."""
        data = read_json(self._path(name))
        if data is None:
            raise unknown(name)
        return Backend.from_json(data)

    def write(self, backend: Backend) -> None:
        """Write a service down."""
        os.makedirs(os.path.dirname(self._path(backend.name)), 0o700, exist_ok=True)
        write_json(self._path(backend.name), backend.as_json())

    def forget(self, name: str) -> None:
        """Remove a service; its fence stays."""
        remove_file(self._path(name))

    @property
    def loaded(self) -> str | None:
        """The fingerprint of what HAProxy has read last; None where nobody knows."""
        return read_text(os.path.join(self.folder, "loaded"))

    @loaded.setter
    def loaded(self, fingerprint: str) -> None:
        write_atomic(os.path.join(self.folder, "loaded"), fingerprint)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep others from changing the proxy; raises Failure `proxy_silent` after a minute."""
        os.makedirs(self.folder, 0o700, exist_ok=True)
        path = os.path.join(self.folder, "lock")
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        limit = time.monotonic() + _LOCK_SECONDS
        try:
            while not try_lock(lock):
                if time.monotonic() > limit:
                    raise silent("another run has been changing it for a minute")
                time.sleep(_POLL)
            yield
        finally:
            os.close(lock)

    def _path(self, backend: str) -> str:
        return os.path.join(self.folder, backend, "backend.json")


def require_servers(backend: Backend, servers: Sequence[str] | Mapping[str, int]) -> None:
    """Raise Failure `proxy_unknown` for a server that the service does not have."""
    for name in servers:
        if name not in backend.places:
            raise unknown(f"{backend.name}/{name}")


def unknown(what: str) -> Failure:
    """Return the Failure of what the proxy does not know."""
    return Failure(
        "proxy_unknown",
        f"the proxy of this host does not know {what}",
        "run: fraisier setup FRAISE ENVIRONMENT --yes",
    )
