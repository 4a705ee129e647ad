"""How each kind of database is spoken to: durably, and never waiting for ever."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import URL, Connection, Engine, ExceptionContext, create_engine, event

from fraisier.store.database_files import keep_private
from fraisier.store.faults import is_read_only
from fraisier.store.urls import kind
from fraisier.store.words import to_json

#: Connections of one process, opened as they are needed.
CONNECTIONS = 20
RECYCLE_SECONDS = 1800
#: A commit is on the disk before it is told, also where the server is set up otherwise.
ON_DISK = (
    "SELECT set_config('synchronous_commit', 'on', false) "
    "WHERE current_setting('synchronous_commit') = 'off'"
)


@dataclass(frozen=True)
class Patience:
    """How many seconds to wait: for a connection, a lock, one statement, an answer at all."""

    connect: int = 5
    lock: int = 10
    statement: int = 15
    answer: int = 20


#: What a request, a claim or a heartbeat can wait for.
USUAL = Patience()
#: What the renewal of a lease can wait for: a connection that hangs is left for another.
HASTY = Patience(connect=3, lock=4, statement=4, answer=5)
#: What migrations, backups and restores need.
LONG = Patience(connect=10, lock=60, statement=0, answer=3600)
SQLITE_LOCK_SECONDS = 20
SQLITE_PAUSE_SECONDS = 0.01


def new_engine(url: URL, pool: int = CONNECTIONS, patience: Patience = USUAL) -> Engine:
    """Return an engine with at most `pool` connections; nothing is opened yet."""
    engine = _MAKERS[kind(url)](url, pool, patience)
    event.listen(engine, "handle_error", _leave_read_only)
    return engine


def _leave_read_only(context: ExceptionContext) -> None:
    """Keep no connection to a server that was the primary: the next one finds who is it now."""
    if is_read_only(context.original_exception):
        context.is_disconnect = True


def _sqlite(url: URL, pool: int, patience: Patience) -> Engine:
    engine = create_engine(
        url,
        json_serializer=to_json,
        pool_size=pool,
        pool_timeout=SQLITE_LOCK_SECONDS,
        connect_args={"timeout": max(SQLITE_LOCK_SECONDS, patience.lock)},
    )
    event.listen(engine, "do_connect", lambda *_: keep_private(url.database))
    event.listen(engine, "connect", _set_up_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _set_up_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # transactions are begun by us, below
    _write_ahead(connection)
    for pragma in ("synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _write_ahead(connection: Any) -> None:
    """Let a file be written ahead; where others just made it, SQLite itself does not wait."""
    deadline = time.monotonic() + SQLITE_LOCK_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
        time.sleep(SQLITE_PAUSE_SECONDS)


def _begin_sqlite(connection: Connection) -> None:
    reading = connection.get_execution_options().get("reading", False)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


def _postgresql(url: URL, pool: int, patience: Patience) -> Engine:
    from fraisier.store.patient import connection_class

    arguments = {
        "connection_factory": connection_class(patience.connect, patience.answer),
        "application_name": "fraisier",
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 1000 * patience.answer,
    }
    given = {name: value for name, value in arguments.items() if name not in url.query}
    many = {"executemany_mode": "values_plus_batch"}  # one round trip for many rows
    engine = create_engine(url, connect_args=given, **many, **_pooled(pool))
    settings = {
        "lock_timeout": f"{patience.lock}s",
        "statement_timeout": f"{patience.statement}s",
        "idle_in_transaction_session_timeout": f"{patience.answer}s",
    }
    limits = [f"SET {name} = '{text}'" for name, text in settings.items()]
    _at_connect(engine, "; ".join([*limits, ON_DISK]))
    return engine


def _mysql(url: URL, pool: int, patience: Patience) -> Engine:
    limits = {"read_timeout": patience.answer, "write_timeout": patience.answer}
    given = {"charset": "utf8mb4", "connect_timeout": patience.connect, **limits}
    arguments = {name: value for name, value in given.items() if name not in url.query}
    engine = create_engine(url, connect_args=arguments, **_pooled(pool))
    modes = "STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION"
    settings = f"innodb_lock_wait_timeout = {patience.lock}, sql_mode = '{modes}'"
    only_mariadb = (
        f"idle_transaction_timeout = {patience.answer}, max_statement_time = {patience.statement}"
    )
    _at_connect(engine, f"SET {settings} /*M! , {only_mariadb} */")
    return engine


def _pooled(pool: int) -> dict[str, Any]:
    return {
        "json_serializer": to_json,
        "isolation_level": "READ COMMITTED",
        "pool_size": pool,
        "max_overflow": 0,
        "pool_timeout": USUAL.answer,
        "pool_pre_ping": True,
        "pool_recycle": RECYCLE_SECONDS,
    }


def _at_connect(engine: Engine, statement: str) -> None:
    def set_up(connection: Any, _record: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute(statement)
        connection.commit()

    event.listen(engine, "connect", set_up)


_MAKERS: dict[str, Callable[[URL, int, Patience], Engine]] = {
    "sqlite": _sqlite,
    "postgresql": _postgresql,
    "mysql": _mysql,
}
