"""The clock of leases: the database's own, which all who use it share, in microseconds."""

from __future__ import annotations

import time

from sqlalchemy import Connection, text

NOW = {
    "postgresql": "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)",
    "mysql": "SELECT TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6))",
}


def lease_now(connection: Connection) -> int:
    """Return the time: since 1970 on a server, since this machine's boot with SQLite.

    SQLite has no clock but the machine's; that of the boot is the one that nobody sets.
    """
    query = NOW.get("mysql" if connection.dialect.name == "mariadb" else connection.dialect.name)
    if query is None:
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000
    return int(connection.scalar(text(query)) or 0)
