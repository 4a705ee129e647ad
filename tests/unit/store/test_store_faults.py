"""What drivers say, told apart: for a moment, or for good."""

from __future__ import annotations

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


PASSING: list[Exception] = [
    *(Coded(state) for state in ("08006", "57P01", "57P03", "57014", "40001", "40P01", "55P03")),
    *(Coded(state) for state in ("53300", "25006")),
    *(pymysql.OperationalError(number, "said") for number in (2003, 2006, 2013, 1205, 1213, 1040)),
    *(pymysql.OperationalError(number, "said") for number in (1927, 1969, 1053, 1290, 3024)),
    pymysql.InterfaceError(0, ""),
    psycopg2.OperationalError("no answer within 20 s"),
    psycopg2.OperationalError("FATAL:  the database system is starting up"),
    psycopg2.OperationalError("FATAL:  the database system is not yet accepting connections"),
    psycopg2.OperationalError("FATAL:  the database system is in recovery mode"),
    psycopg2.OperationalError("server closed the connection unexpectedly"),
    psycopg2.OperationalError('connection to server at "db" , port 5432 failed: timed out'),
]
LASTING: list[tuple[Exception, str]] = [
    (Coded("42501"), ""),
    (Coded("23505"), ""),
    (pymysql.OperationalError(1045, "Access denied for user 'me'@'x'"), "password"),
    (pymysql.OperationalError(1049, "Unknown database 'x'"), "create it"),
    (pymysql.OperationalError(1114, "The table 'events' is full"), "free some space"),
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
    (psycopg2.errors.DiskFull("could not extend file: No space left on device"), "free some space"),
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


def test_a_full_pool_names_its_setting() -> None:
    assert "FRAISIER_DATABASE_POOL" in store_error(TimeoutError()).hint
