"""Allowances in SQL: what processes take of them, all counted in one place."""

from __future__ import annotations

from sqlalchemy import Connection, delete, insert, select, update

from fraisier.domain.rate import WINDOW, Allowance
from fraisier.store.clock import lease_now
from fraisier.store.tables import rate_limits
from fraisier.store.transactions import Transactions

SECOND = 1_000_000
#: For how many windows a row stays that nobody asks for.
KEPT = 60
#: The row that is written to learn whether the database takes changes.
PROBE = "probe"


class Rates(Transactions):
    """What is used of each allowance, in the window of now."""

    def take_allowance(self, key: str, wanted: int, limit: int) -> Allowance:
        """Take up to `wanted` of the `limit` that a key has in one window, all at once.

        Windows follow the database's clock. One that is taken twice, as its commit was not told,
        counts twice: never is more granted than the limit.
        """

        def change(connection: Connection) -> Allowance:
            at = lease_now(connection)
            number, past = divmod(at, WINDOW * SECOND)
            used = _used(connection, key, number)
            granted = max(0, min(wanted, limit - used))
            mine = rate_limits.c.id == key
            values = {"slot": number, "used": used + granted}
            connection.execute(update(rate_limits).where(mine).values(**values))
            left = max(0, limit - used - granted)
            return Allowance(granted, left, (WINDOW * SECOND - past) / SECOND)

        return self._write(change, lambda _: None)

    def try_write(self) -> None:
        """Write something that nobody reads; raise StoreError where that is refused."""

        def change(connection: Connection) -> None:
            at = lease_now(connection)
            values = {"slot": at // (WINDOW * SECOND), "used": at % (1 << 31)}
            mine = update(rate_limits).where(rate_limits.c.id == PROBE).values(**values)
            if connection.execute(mine).rowcount == 0:
                connection.execute(insert(rate_limits).values(id=PROBE, **values))

        self._write(change, lambda _: None)


def _used(connection: Connection, key: str, number: int) -> int:
    """Return what is used in a window; until the end of the transaction others wait."""
    query = select(rate_limits).where(rate_limits.c.id == key).with_for_update()
    row = connection.execute(query).first()
    if row is not None:
        return row.used if row.slot == number else 0
    old = rate_limits.c.slot < number - KEPT
    connection.execute(delete(rate_limits).where(old))
    # another one that does so too is a Conflict: then the row is there
    connection.execute(insert(rate_limits).values(id=key, slot=number, used=0))
    return 0
