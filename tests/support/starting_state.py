"""Saved starting states: what a first deployment leaves on hosts and in the records.

Most tests on hosts begin with a service that runs. A first deployment costs about 4 seconds of the
processor; to unpack what an earlier one left, and to start the service, costs a tenth of that.
"""

from __future__ import annotations

import hashlib
import sqlite3
from contextlib import closing
from dataclasses import dataclass

from support.target import APP_PATH, UNIT, Target, until

#: Where a host keeps its part of a state.
KEPT = "/root/starting-states"
#: What a first deployment of systemd writes on a host.
PATHS = (
    APP_PATH,
    f"/etc/systemd/system/{UNIT}",
    f"/etc/systemd/system/{UNIT}.d",
    f"/etc/systemd/system/multi-user.target.wants/{UNIT}",
)


@dataclass(frozen=True)
class Saved:
    """The records of a first deployment, and the version it deployed."""

    records: bytes
    version: str


_saved: dict[str, Saved] = {}


def restore(target: Target, version: str) -> bool:
    """Give a target on clean hosts the state that it was in once; False where none was saved."""
    key, records = _key(target), target.folder / "fraisier.db"
    saved = _saved.get(key or "")
    if saved is None or saved.version != version or records.exists() or not _clean(target):
        return False
    records.write_bytes(saved.records)
    for host in target.hosts:
        unpack = f"tar -C / -xf {KEPT}/{key}.tar && systemctl daemon-reload"
        target.inside(host, f"{unpack} && systemctl start {UNIT}")
    for host in target.hosts:
        until(lambda host=host: target.served(host) == version)
    return True


def save(target: Target, version: str) -> None:
    """Keep the state after a first deployment, unless it belongs to one test only."""
    key = _key(target)
    if key is None:
        return
    paths = " ".join(PATHS)
    for host in target.hosts:
        target.inside(
            host, f"mkdir -p {KEPT}; tar --ignore-failed-read -cf {KEPT}/{key}.tar {paths} 2>&1"
        )
    with closing(sqlite3.connect(target.folder / "fraisier.db")) as connection:
        _saved[key] = Saved(connection.serialize(), version)


def _key(target: Target) -> str | None:
    """Return a name for what is deployed where; None where the test's own folder is part of it."""
    text = (target.folder / "fraises.yaml").read_text()
    if str(target.folder.parent) in text or "proxy" in text:
        return None
    hosts = " ".join(host.container for host in target.hosts)
    return hashlib.sha256(f"{hosts}\n{text}".encode()).hexdigest()[:16]


def _clean(target: Target) -> bool:
    look = f"ls -d {' '.join(PATHS)} 2>/dev/null || true"
    return all(target.inside(host, look) == "" for host in target.hosts)
