"""Forgetting streams that have ended and that every sink was told all of."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, delete, exists, func, or_, select

from fraisier.store.clock import utc_now
from fraisier.store.log import DEPLOYMENT
from fraisier.store.tables import deployments, relay_progress, relays, untold

#: How many are forgotten in one transaction.
SETTLED = 500
#: A sink that nobody has served for so long is forgotten, and holds nothing back any more.
FORGOTTEN_DAYS = 7
_DAY = 86_400 * 1_000_000


def settle(connection: Connection) -> int:
    """Forget some of what everybody was told of, inside the caller's transaction; return how much.

    Sinks that nobody has served for FORGOTTEN_DAYS are forgotten first. Before anything is removed
    it is looked once more, while no sink can say that it is to be told again.
    """
    before = utc_now(connection) - FORGOTTEN_DAYS * _DAY
    old = select(relays.c.sink).where(relays.c.seen_at < before)
    if connection.execute(old).first() is not None:
        _hold_all(connection)
        gone = list(connection.scalars(old))
        connection.execute(delete(relays).where(relays.c.sink.in_(gone)))
        connection.execute(delete(relay_progress).where(relay_progress.c.sink.in_(gone)))
    over = list(connection.scalars(_over().limit(SETTLED)))
    if over:
        _hold_all(connection)
        over = list(connection.scalars(_over().where(untold.c.stream_id.in_(over))))
    for table in (untold, relay_progress) if over else ():
        connection.execute(delete(table).where(table.c.stream_id.in_(over)))
    return len(over)


def _hold_all(connection: Connection) -> None:
    """Let nobody change who is to be told what, until the transaction ends."""
    connection.execute(select(relays.c.sink).order_by(relays.c.sink).with_for_update())


def _over() -> Any:
    """Return the query of the streams that nobody has to be told of any more."""
    last = func.coalesce(deployments.c.last_sequence, 1)
    reached = (
        exists()
        .where(
            relay_progress.c.sink == relays.c.sink,
            relay_progress.c.stream_id == untold.c.stream_id,
            relay_progress.c.sequence >= last,
        )
        .correlate(relays, untold, deployments)
    )
    behind: ColumnElement[bool] = (
        exists().where(relays.c.sink.is_not(None), ~reached).correlate(untold, deployments)
    )
    ended = or_(
        untold.c.kind != DEPLOYMENT,
        deployments.c.id.is_(None),
        deployments.c.completed_at.is_not(None),
    )
    joined = untold.outerjoin(deployments, deployments.c.id == untold.c.stream_id)
    gone = and_(untold.c.kind == DEPLOYMENT, deployments.c.id.is_(None))
    return select(untold.c.stream_id).select_from(joined).where(ended, or_(gone, ~behind))
