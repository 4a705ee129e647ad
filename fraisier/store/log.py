"""The gapless log of a deployment: appending facts, inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, insert, update

from fraisier.domain.event import Event, Fact
from fraisier.domain.ids import new_id, now
from fraisier.store.tables import deployments, events


def append(connection: Connection, deployment_id: str, facts: Sequence[Fact]) -> list[Event]:
    """Append facts after the last recorded one; the row's lock keeps the numbers gapless."""
    if not facts:
        return []
    last = connection.scalar(
        update(deployments)
        .where(deployments.c.id == deployment_id)
        .values(last_sequence=deployments.c.last_sequence + len(facts))
        .returning(deployments.c.last_sequence)
    )
    assert last is not None, f"no deployment {deployment_id}"
    at = now()
    recorded = [
        Event(new_id("evt"), deployment_id, sequence, fact.type, at, fact.host, dict(fact.data))
        for sequence, fact in enumerate(facts, last - len(facts) + 1)
    ]
    connection.execute(insert(events), [vars(event) for event in recorded])
    return recorded
