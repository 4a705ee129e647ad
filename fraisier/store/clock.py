"""The clocks of the records: the database's own, which all who use it share, in microseconds.

With SQLite they are the machine's: the one that nobody sets for leases, and the usual one for what
people read.
"""

from __future__ import annotations

import time

from sqlalchemy import Connection, text

from fraisier.domain.ids import now

NOW = {
    "postgresql": "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)",
    "mysql": "SELECT TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6))",
}


def lease_now(connection: Connection) -> int:
    """Return the time: since 1970 on a server, since this machine's boot with SQLite.

    SQLite has no clock but the machine's; that of the boot is the one that nobody sets.
    """
    told = _server_now(connection)
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000 if told is None else told


def utc_now(connection: Connection) -> int:
    """Return the time since 1970: the server's, so that no worker's clock is in the records."""
    told = _server_now(connection)
    return now() if told is None else told


def _server_now(connection: Connection) -> int | None:
    """Return a server's time; None with SQLite."""
    query = NOW.get("mysql" if connection.dialect.name == "mariadb" else connection.dialect.name)
    return None if query is None else int(connection.scalar(text(query)) or 0)
