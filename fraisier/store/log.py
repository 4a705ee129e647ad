"""The gapless log of a deployment: appending facts, inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, insert, select, update

from fraisier.domain.event import Event, Fact
from fraisier.domain.ids import new_id
from fraisier.store.clock import utc_now
from fraisier.store.rows import event_from
from fraisier.store.tables import deployments, events, untold

#: The kinds of streams that sinks are told of.
DEPLOYMENT, AUDIT, HEALTH = "deployment", "audit", "health"


def begin(connection: Connection, stream_id: str, kind: str) -> None:
    """Note that a stream begins that every sink is to be told of."""
    connection.execute(insert(untold).values(stream_id=stream_id, kind=kind))


def append(
    connection: Connection, deployment_id: str, facts: Sequence[Fact], mark: str | None = None
) -> list[Event]:
    """Append facts after the last recorded one; the row's lock keeps the numbers gapless.

    Their times are the database's, and never go back. `mark` is the id of the first: `marked` finds
    them by it.
    """
    if not facts:
        return []
    one = deployments.c.id == deployment_id
    query = select(deployments.c.last_sequence, deployments.c.last_event_at).where(one)
    last, last_at = connection.execute(query.with_for_update()).one()
    at = max(utc_now(connection), last_at or 0)
    grown = {"last_sequence": last + len(facts), "last_event_at": at}
    connection.execute(update(deployments).where(one).values(**grown))
    ids = [mark or new_id("evt"), *(new_id("evt") for _ in facts[1:])]
    recorded = [
        Event(event_id, deployment_id, sequence, fact.type, at, fact.host, dict(fact.data))
        for sequence, (event_id, fact) in enumerate(zip(ids, facts, strict=True), last + 1)
    ]
    connection.execute(insert(events), [vars(event) for event in recorded])
    return recorded


def present(connection: Connection, deployment_id: str) -> int:
    """Return the time, or that of a log's last event where the database's clock was set back."""
    last = select(deployments.c.last_event_at).where(deployments.c.id == deployment_id)
    return max(utc_now(connection), connection.scalar(last) or 0)


def marked(connection: Connection, mark: str, count: int) -> list[Event] | None:
    """Return the `count` events from the marked one on; None where they are not recorded."""
    first = connection.execute(select(events).where(events.c.id == mark)).first()
    if first is None:
        return None
    same = events.c.deployment_id == first.deployment_id
    query = select(events).where(same, events.c.sequence >= first.sequence)
    rows = connection.execute(query.order_by(events.c.sequence).limit(count))
    return [event_from(row) for row in rows]
