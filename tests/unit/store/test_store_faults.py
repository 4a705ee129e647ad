"""What drivers say, told apart: for a moment, or for good."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
import pymysql
import pytest
from sqlalchemy.exc import OperationalError, TimeoutError

from fraisier.domain.errors import StoreUnavailable
from fraisier.store.faults import store_error


class Coded(psycopg2.Error):
    """An error of PostgreSQL with its SQLSTATE."""

    def __init__(self, state: str) -> None:
        super().__init__(f"said {state}")
        self.state = state

    @property
    def pgcode(self) -> str:
        return self.state


def wrapped(error: Exception) -> OperationalError:
    """Return a driver's error as SQLAlchemy raises it."""
    return OperationalError("SELECT secret", {"a": "secret"}, error)


#: What PostgreSQL, libpq and proxies say where no connection comes about: without a SQLSTATE.
WHILE_AWAY = (
    "FATAL:  the database system is not accepting connections\nDETAIL:  Hot standby is disabled.",
    'FATAL:  database "x" is not currently accepting connections',
    'FATAL:  too many connections for database "x"',
    'FATAL:  too many connections for role "fraisier"',
    "FATAL:  sorry, too many clients already",
    "FATAL:  remaining connection slots are reserved for roles with the SUPERUSER attribute",
    "FATAL:  canceling authentication due to timeout",
    "FATAL:  terminating connection due to administrator command",
    "FATAL:  das Datenbanksystem startet gerade",
    "FATAL:  server login has been failing, try again later (server_login_retry)",
    "FATAL:  query_wait_timeout",
    "could not fork new process for connection: Resource temporarily unavailable",
    "SSL SYSCALL error: EOF detected",
    "SSL connection has been closed unexpectedly",
    "received invalid response to SSL negotiation: E",
    "session is read-only",
    "server is in hot standby mode",
    'could not translate host name "db" to address: Temporary failure in name resolution',
)
PASSING: list[Exception] = [
    *(Coded(state) for state in ("08006", "57P01", "57P03", "57014", "40001", "40P01", "55P03")),
    *(Coded(state) for state in ("53300", "25006", "53100", "53200", "25P03", "57P05", "58030")),
    *(pymysql.OperationalError(number, "said") for number in (2003, 2006, 2013, 1205, 1213, 1040)),
    *(pymysql.OperationalError(number, "said") for number in (1927, 1969, 1053, 1290, 3024)),
    *(pymysql.OperationalError(number, "said") for number in (1036, 1047, 1836, 3032, 3100, 4031)),
    pymysql.OperationalError(1114, "The table 'events' is full"),
    pymysql.InterfaceError(0, ""),
    pymysql.InternalError("Packet sequence number wrong - got 1 expected 2"),
    psycopg2.OperationalError("no answer within 20 s"),
    psycopg2.OperationalError("FATAL:  the database system is starting up"),
    psycopg2.OperationalError("FATAL:  the database system is not yet accepting connections"),
    psycopg2.OperationalError("FATAL:  the database system is in recovery mode"),
    psycopg2.OperationalError("server closed the connection unexpectedly"),
    psycopg2.OperationalError('connection to server at "db" , port 5432 failed: timed out'),
    *(psycopg2.OperationalError(said) for said in WHILE_AWAY),
    psycopg2.OperationalError(  # one of two servers is away, or one that starts is asked twice
        'connection to server at "a", port 5432 failed: Connection refused\n'
        'connection to server at "b", port 5432 failed: FATAL:  no pg_hba.conf entry for host "c"'
    ),
]
LASTING: list[tuple[Exception, str]] = [
    (Coded("42501"), ""),
    (Coded("23505"), ""),
    (pymysql.OperationalError(1045, "Access denied for user 'me'@'x'"), "password"),
    (pymysql.OperationalError(1049, "Unknown database 'x'"), "create it"),
    (pymysql.OperationalError(4151, "Access denied, this account is locked"), "administrator"),
    (
        psycopg2.OperationalError(
            'connection to server at "db", port 5432 failed: FATAL:  password authentication failed'
        ),
        "password",
    ),
    (
        psycopg2.OperationalError(
            'connection to server at "db", port 5432 failed: FATAL:  database "x" does not exist'
        ),
        "create it",
    ),
    (
        psycopg2.OperationalError(
            'connection to server at "a" failed: FATAL:  password authentication failed\n'
            'connection to server at "b" failed: FATAL:  no pg_hba.conf entry for host "c"'
        ),
        "password",
    ),
    (psycopg2.OperationalError('FATAL:  role "me" is not permitted to log in'), ""),
    (psycopg2.OperationalError('FATAL:  permission denied for database "x"'), "owner"),
    (
        psycopg2.OperationalError("server does not support SSL, but SSL was required"),
        "options for TLS",
    ),
    (psycopg2.OperationalError("SSL error: certificate verify failed"), "options for TLS"),
    (psycopg2.OperationalError("fe_sendauth: no password supplied"), "password"),
]


@pytest.mark.parametrize("error", PASSING, ids=repr)
def test_what_a_later_try_can_mend_is_unavailable(error: Exception) -> None:
    told = store_error(wrapped(error))
    assert isinstance(told, StoreUnavailable)
    assert "secret" not in str(told)


@pytest.mark.parametrize(("error", "hint"), LASTING, ids=repr)
def test_what_stays_wrong_is_not_and_says_what_to_do(error: Exception, hint: str) -> None:
    told = store_error(wrapped(error))
    assert not isinstance(told, StoreUnavailable)
    assert hint in told.hint
    assert "secret" not in str(told)


def test_a_connection_that_was_lost_in_any_way_may_come_back() -> None:
    error: Any = wrapped(psycopg2.Error("never heard of it"))
    assert not isinstance(store_error(error), StoreUnavailable)
    error.connection_invalidated = True
    assert isinstance(store_error(error), StoreUnavailable)


def test_sqlite_says_by_its_result_codes_what_may_pass(tmp_path: Path) -> None:
    for name in (
        "SQLITE_BUSY_SNAPSHOT",
        "SQLITE_LOCKED",
        "SQLITE_PROTOCOL",
        "SQLITE_IOERR_SHMSIZE",
    ):
        assert isinstance(store_error(wrapped(of_sqlite(name))), StoreUnavailable)
    for name in ("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_READONLY", "SQLITE_ERROR"):
        assert not isinstance(store_error(wrapped(of_sqlite(name))), StoreUnavailable)
    with closing(sqlite3.connect(tmp_path / "records.db")) as connection:
        connection.execute("CREATE TABLE a (b)")
        connection.execute("PRAGMA max_page_count = 3")
        with pytest.raises(sqlite3.OperationalError) as caught:
            connection.execute("INSERT INTO a VALUES (zeroblob(100000))")
    told = store_error(wrapped(caught.value))
    assert isinstance(told, StoreUnavailable)
    assert "free some space" in told.hint


def of_sqlite(name: str) -> sqlite3.OperationalError:
    """Return an error of SQLite with this result code."""
    error = sqlite3.OperationalError("it says so")
    error.sqlite_errorname = name
    return error


def test_a_full_pool_names_its_setting() -> None:
    assert "FRAISIER_DATABASE_POOL" in store_error(TimeoutError()).hint
