"""One transaction: its errors are ours, and one that may not have happened is looked for."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, IntegrityError, TimeoutError

from fraisier.domain.errors import StoreError, StoreUnavailable
from fraisier.store.clock import utc_now
from fraisier.store.database import store_error
from fraisier.store.engines import HASTY, new_engine

T = TypeVar("T")

#: Seconds before a change is tried again.
PAUSES = (0.02, 0.1, 0.4)
PATIENT_SECONDS = 0.5


class Conflict(StoreError):
    """Another transaction wrote the same row first."""


class Transactions:
    """What every part of the store does its work in."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @cached_property
    def _hasty(self) -> Engine:
        """Return what a lease is renewed by: one connection, which is given up after seconds."""
        of = self._engine
        return of if of.dialect.name == "sqlite" else new_engine(of.url, 1, HASTY)

    @contextmanager
    def _transaction(
        self, engine: Engine | None = None, *, reading: bool = False
    ) -> Iterator[Connection]:
        try:
            with (
                (engine or self._engine).connect().execution_options(reading=reading) as connection,
                connection.begin(),
            ):
                yield connection
        except IntegrityError as error:
            raise Conflict(store_error(error).message) from error
        except (DBAPIError, TimeoutError) as error:
            raise store_error(error) from error

    def now(self) -> int:
        """Return the time by the database's clock, in UTC microseconds."""
        with self._transaction(reading=True) as connection:
            return utc_now(connection)

    def _write(
        self,
        change: Callable[[Connection], T],
        done: Callable[[Connection], T | None],
        patient: Callable[[], bool] = lambda: False,
    ) -> T:
        """Make a change, again where it failed for the moment, and while `patient()` says so.

        A connection that breaks at COMMIT leaves open whether the change was made: before the next
        try, `done` looks for it, and returns what it came to, or None.
        """
        pauses, perhaps = iter(PAUSES), False
        while True:
            try:
                if perhaps and (found := self._looked_for(done)) is not None:
                    return found
                with self._transaction() as connection:
                    return change(connection)
            except (StoreUnavailable, Conflict) as error:
                pause = next(pauses, None)
                if pause is None and (isinstance(error, Conflict) or not patient()):
                    raise
                perhaps = True
                time.sleep(pause or PATIENT_SECONDS)

    def _looked_for(self, done: Callable[[Connection], T | None]) -> T | None:
        with self._transaction(reading=True) as connection:
            return done(connection)


def never(_connection: Connection) -> None:
    """Say of a change that makes no difference when it is made twice."""
    return
