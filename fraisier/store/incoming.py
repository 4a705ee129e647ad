"""Deliveries of git hosts in SQL: each is recorded once, however often it comes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Select, and_, delete, func, insert, select, update

from fraisier.domain.errors import KeyReused, NotFound
from fraisier.domain.ids import new_id
from fraisier.domain.incoming import (
    Incoming,
    IncomingFilter,
    IncomingStatus,
    NewIncoming,
    Outcome,
    as_json,
)
from fraisier.domain.push import Push
from fraisier.store.audit import note, noted
from fraisier.store.clock import utc_now
from fraisier.store.lists import after
from fraisier.store.tables import incoming_deliveries
from fraisier.store.transactions import Transactions

#: How many deliveries are looked at, or removed, in one transaction.
LOOKED_AT, REMOVED = 50, 500

_all = incoming_deliveries.c


class IncomingDeliveries(Transactions):
    """What came in from git hosts, and what came of it."""

    def receive(self, new: NewIncoming) -> Incoming:
        """Record a delivery, or return what is recorded of it; raise KeyReused."""
        known = and_(_all.provider == new.provider, _all.delivery_id == new.delivery_id)
        incoming_id = new_id("whi")

        def change(connection: Connection) -> Incoming:
            # one that another copy records meanwhile is a Conflict: then it is looked for again
            found = connection.execute(select(incoming_deliveries).where(known)).first()
            if found is None:
                at = utc_now(connection)
                connection.execute(insert(incoming_deliveries).values(**_row(incoming_id, new, at)))
                actor = f"webhook:{new.provider}"
                note(connection, actor, "webhook.receive", incoming_id, new.event)
                return _one(connection, incoming_id)
            if found.body_digest != new.digest:
                raise KeyReused(
                    f"the delivery {new.delivery_id} had another body when it came first",
                    "the git host gives each delivery an id of its own",
                )
            return _incoming(found)

        return self._write(change, lambda _: None)

    def settle(
        self, incoming_id: str, status: IncomingStatus, reason: str, outcomes: Sequence[Outcome]
    ) -> Incoming:
        """Record what came of a delivery, and return it; the first to say so is believed."""
        open_one = and_(_all.id == incoming_id, _all.status == IncomingStatus.RECEIVED.value)
        values = {"status": status.value, "reason": reason}
        told = update(incoming_deliveries).where(open_one)
        told = told.values(**values, deployments=[as_json(each) for each in outcomes])

        def change(connection: Connection) -> Incoming:
            connection.execute(told)
            return _one(connection, incoming_id)

        return self._write(change, lambda _: None)

    def redelivered(self, incoming_id: str, by: str, trace_id: str) -> Incoming:
        """Record that a delivery is to be dealt with anew, as another one; raise NotFound."""
        again_id, mark = new_id("whi"), new_id("aud")

        def change(connection: Connection) -> Incoming:
            found = _row_of(connection, incoming_id)
            again = {
                **found._mapping,
                "id": again_id,
                "delivery_id": again_id,
                "received_at": utc_now(connection),
                "trace_id": trace_id,
                **_unsettled(),
            }
            connection.execute(insert(incoming_deliveries).values(**again))
            note(connection, by, "webhook.redeliver", incoming_id, again_id, mark)
            return _one(connection, again_id)

        def done(connection: Connection) -> Incoming | None:
            return _one(connection, again_id) if noted(connection, mark) else None

        return self._write(change, done)

    def unsettled(self, before: int) -> list[Incoming]:
        """Return some deliveries received before a moment that nobody has dealt with."""
        waits = and_(_all.status == IncomingStatus.RECEIVED.value, _all.received_at < before)
        query = select(incoming_deliveries).where(waits).order_by(_all.received_at)
        with self._transaction(reading=True) as connection:
            return [_incoming(row) for row in connection.execute(query.limit(LOOKED_AT))]

    def incoming(self, wanted: IncomingFilter) -> list[Incoming]:
        """Return deliveries, newest first."""
        newest = select(incoming_deliveries).order_by(_all.received_at.desc(), _all.id.desc())
        page = _matching(newest, wanted).limit(wanted.limit).offset(wanted.offset)
        with self._transaction(reading=True) as connection:
            if wanted.place is not None:
                page = page.where(after(connection, _all.id, _all.received_at, wanted.place))
            return [_incoming(row) for row in connection.execute(page)]

    def count_incoming(self, wanted: IncomingFilter) -> int:
        """Return how many deliveries there are, whatever the limit and offset."""
        query = _matching(select(func.count()).select_from(incoming_deliveries), wanted)
        with self._transaction(reading=True) as connection:
            return connection.scalar(query) or 0

    def prune_incoming(self, before: int) -> int:
        """Remove some of the deliveries received before a moment; return how many."""
        old = select(_all.id).where(_all.received_at < before).order_by(_all.received_at)

        def change(connection: Connection) -> int:
            gone = list(connection.scalars(old.limit(REMOVED)))
            if gone:
                connection.execute(delete(incoming_deliveries).where(_all.id.in_(gone)))
            return len(gone)

        return self._write(change, lambda _: None)


def _row(incoming_id: str, new: NewIncoming, at: int) -> dict[str, Any]:
    first = new.pushes[0] if new.pushes else None
    row = {
        "id": incoming_id,
        "provider": new.provider,
        "delivery_id": new.delivery_id,
        "body_digest": new.digest,
        "received_at": at,
        "event": new.event,
        "repository": first.repository[:255] if first else "",
        "ref": first.name[:255] if first else "",
        "push": [push.as_json() for push in new.pushes],
        "trace_id": new.trace_id,
        **_unsettled(),
    }
    return {**row, "status": IncomingStatus.PONG.value} if new.pong else row


def _unsettled() -> dict[str, Any]:
    return {"status": IncomingStatus.RECEIVED.value, "reason": "", "deployments": []}


def _row_of(connection: Connection, incoming_id: str) -> Any:
    query = select(incoming_deliveries).where(_all.id == incoming_id)
    row = connection.execute(query).first()
    if row is None:
        raise NotFound(f'no delivery "{incoming_id}" came in', "see: fraisier webhook deliveries")
    return row


def _one(connection: Connection, incoming_id: str) -> Incoming:
    return _incoming(_row_of(connection, incoming_id))


def _incoming(row: Any) -> Incoming:
    return Incoming(
        id=row.id,
        provider=row.provider,
        delivery_id=row.delivery_id,
        received_at=row.received_at,
        event=row.event,
        trace_id=row.trace_id,
        status=IncomingStatus(row.status),
        reason=row.reason,
        pushes=tuple(Push.from_json(each) for each in row.push),
        outcomes=tuple(Outcome(**each) for each in row.deployments),
    )


def _matching(query: Select[Any], wanted: IncomingFilter) -> Select[Any]:
    if wanted.provider is not None:
        query = query.where(_all.provider == wanted.provider)
    if wanted.status is not None:
        query = query.where(_all.status == wanted.status.value)
    return query
