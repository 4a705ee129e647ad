"""What there is to know about a database: for people who look after it."""

from __future__ import annotations

import time
from typing import Any

from sqlalchemy import Connection, func, inspect, select, text

from fraisier.store.database import HEAD, connect, revision, translated
from fraisier.store.tables import metadata
from fraisier.store.urls import kind, shown

Facts = dict[str, Any]

_VERSION = {
    "sqlite": "SELECT 'SQLite ' || sqlite_version()",
    "postgresql": "SELECT 'PostgreSQL ' || current_setting('server_version')",
    "mysql": "SELECT VERSION()",
}
_BYTES = {
    "sqlite": "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()",
    "postgresql": "SELECT pg_database_size(current_database())",
    "mysql": "SELECT COALESCE(SUM(data_length + index_length), 0) FROM information_schema.tables "
    "WHERE table_schema = DATABASE()",
}
#: Settings without which a server may forget what it confirmed, and their safe values.
_DURABLE: dict[str, dict[str, tuple[str, ...]]] = {
    "sqlite": {"synchronous": ("2", "3"), "journal_mode": ("wal",)},
    "postgresql": {
        "synchronous_commit": ("on", "remote_apply", "remote_write", "local"),
        "fsync": ("on",),
        "full_page_writes": ("on",),
    },
    "mysql": {"innodb_flush_log_at_trx_commit": ("1",), "innodb_doublewrite": ("1", "ON")},
}
_SETTING = {
    "sqlite": "PRAGMA {}",
    "postgresql": "SELECT current_setting('{}')",
    "mysql": "SELECT @@{}",
}
COUNTED = ("targets", "deployments", "events", "audit", "tokens")


def look(url: str, pool: int) -> Facts:
    """Return the facts about a database whatever its schema; raise StoreError.

    `milliseconds` is what an answer takes, `settings` what durability rests on, and `warnings`
    says which of those are not safe.
    """
    engine = connect(url, pool)
    try:
        with translated(engine.url):
            found = revision(engine)
            with engine.connect().execution_options(reading=True) as connection:
                facts = _facts(connection, kind(engine.url), found)
        return {"url": shown(url), **facts, "pool": pool}
    finally:
        engine.dispose()


def _facts(connection: Connection, which: str, found: str | None) -> Facts:
    settings = {name: _setting(connection, which, name) for name in _DURABLE[which]}
    return {
        "kind": which,
        "server": str(connection.scalar(text(_VERSION[which]))),
        "revision": found,
        "newest": HEAD,
        "milliseconds": _milliseconds(connection),
        "bytes": int(connection.scalar(text(_BYTES[which])) or 0),
        "counts": _counts(connection),
        "settings": settings,
        "warnings": [
            f"{name} is {settings[name]}: what was confirmed can be lost with the power; set it to "
            f"{safe[0]}"
            for name, safe in _DURABLE[which].items()
            if settings[name] not in safe
        ],
    }


def _setting(connection: Connection, which: str, name: str) -> str:
    return str(connection.scalar(text(_SETTING[which].format(name))))


def _milliseconds(connection: Connection) -> float:
    begun = time.perf_counter()
    connection.execute(text("SELECT 1"))
    return round(1000 * (time.perf_counter() - begun), 2)


def _counts(connection: Connection) -> dict[str, int]:
    there = inspect(connection).get_table_names()
    return {
        name: int(connection.scalar(select(func.count()).select_from(metadata.tables[name])) or 0)
        for name in COUNTED
        if name in there
    }
