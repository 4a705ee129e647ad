"""Deliveries in SQL: what waits for which receiver, who sends it, and what came of each attempt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, and_, delete, func, insert, select, update

from fraisier.domain.delivery import (
    Attempt,
    Delivery,
    DeliveryFilter,
    DeliveryStatus,
    EndpointState,
    NewDelivery,
)
from fraisier.domain.errors import Refused
from fraisier.domain.ids import new_id
from fraisier.store.audit import note, noted
from fraisier.store.clock import utc_now
from fraisier.store.deliveries import (
    ENABLED,
    PENDING,
    delivery_from,
    delivery_row,
    ended,
    known_events,
    last_number,
    let_be_due,
    matching,
    new_row,
    put_attempt,
    put_endpoint,
    put_health,
    put_outcome,
    state_of,
    tried,
    waits_for_another,
)
from fraisier.store.lists import after
from fraisier.store.reading import Reading
from fraisier.store.tables import delivery_attempts, endpoints, outgoing_deliveries
from fraisier.store.transactions import never

#: How many deliveries that are due are looked at for one that may be sent.
LOOKED_AT = 50
#: How many old deliveries are removed in one transaction.
REMOVED = 500

_all = outgoing_deliveries.c


class Outgoing(Reading):
    """The deliveries to each endpoint, their attempts, and how each endpoint does."""

    def add_deliveries(self, endpoint: str, new: Sequence[NewDelivery]) -> int:
        """Record what is to be delivered, in its order, but for events it has; return how many.

        For a disabled endpoint they are recorded as not sent.
        """

        def change(connection: Connection) -> int:
            known = known_events(connection, endpoint, [each.event_id for each in new])
            fresh = {each.event_id: each for each in new if each.event_id not in known}
            if not fresh:
                return 0
            disabled = state_of(connection, endpoint).disabled_at is not None
            at, last = utc_now(connection), last_number(connection, endpoint)
            let_be_due(connection, endpoint, at)
            rows = [
                new_row(endpoint, each, last + place, at + place, disabled)
                for place, each in enumerate(fresh.values(), 1)
            ]
            connection.execute(insert(outgoing_deliveries), rows)
            return len(rows)

        return self._write(change, never)

    def due_endpoints(self, among: Sequence[str], at: int) -> list[str]:
        """Return those of some endpoints that something is due for, the longest waiting first."""
        due = and_(_all.endpoint.in_(among), _all.status == PENDING, _all.next_at <= at)
        query = select(_all.endpoint).where(due).group_by(_all.endpoint)
        with self._transaction(reading=True) as connection:
            return list(connection.scalars(query.order_by(func.min(_all.next_at))))

    def claim_delivery(self, endpoint: str, at: int, until: int) -> Delivery | None:
        """Take the next delivery that is due, for oneself until a moment; None where there is none.

        The first attempts of one stream are in its order: while one is under way, none is taken.
        """
        due = and_(_all.endpoint == endpoint, _all.status == PENDING, _all.next_at <= at)
        first = select(outgoing_deliveries).where(due).order_by(_all.next_at, _all.number)

        def change(connection: Connection) -> Delivery | None:
            for row in connection.execute(first.limit(LOOKED_AT)).all():
                if row.attempts == 0 and waits_for_another(connection, row):
                    continue
                seen = and_(_all.id == row.id, _all.status == PENDING, _all.next_at == row.next_at)
                taken = update(outgoing_deliveries).where(seen).values(next_at=until)
                if connection.execute(taken).rowcount == 1:
                    return delivery_from(row, next_at=until)
            return None

        return self._write(change, never)

    def release_delivery(self, delivery: Delivery, at: int) -> None:
        """Give back what was taken and not tried."""
        mine = and_(_all.id == delivery.id, _all.next_at == delivery.next_at)
        free = update(outgoing_deliveries).where(mine, _all.status == PENDING).values(next_at=at)
        self._write(lambda connection: connection.execute(free), never)

    def attempted(self, delivery: Delivery, attempt: Attempt, next_at: int | None) -> EndpointState:
        """Record an attempt: it is delivered, tried again at `next_at`, or failed (None).

        Returns how the endpoint does now.
        """

        def change(connection: Connection) -> EndpointState:
            query = select(_all.id).where(_all.id == delivery.id).with_for_update()
            if connection.execute(query).first() is not None:
                put_attempt(connection, delivery.id, attempt)
                put_outcome(connection, delivery, attempt, next_at)
            put_health(connection, delivery.endpoint, attempt)
            return state_of(connection, delivery.endpoint)

        def done(connection: Connection) -> EndpointState | None:
            if tried(connection, delivery, attempt):
                return state_of(connection, delivery.endpoint)
            return None

        return self._write(change, done)

    def tried_out(self, delivery: Delivery, attempt: Attempt, by: str) -> Delivery:
        """Record a test, which is over, and return it; one that got through enables the endpoint.

        One that failed changes nothing else.
        """
        endpoint, came_to = delivery.endpoint, ended(attempt)
        row = {**vars(delivery), "status": came_to, "attempts": 1, "ended_at": attempt.at}

        def change(connection: Connection) -> Delivery:
            if not known_events(connection, endpoint, [delivery.event_id]):
                connection.execute(insert(outgoing_deliveries).values(**row))
                put_attempt(connection, delivery.id, attempt)
                note(connection, by, "webhook.test", endpoint, came_to)
            if not attempt.problem:
                put_endpoint(connection, endpoint, failing_since=None, **ENABLED)
            return delivery_row(connection, delivery.id)

        return self._write(change, never)

    def disable_endpoint(self, endpoint: str, reason: str, at: int) -> None:
        """Send an endpoint nothing more; what waits for it is not sent."""

        def change(connection: Connection) -> None:
            if state_of(connection, endpoint).disabled_at is None:
                put_endpoint(connection, endpoint, disabled_at=at, disabled_reason=reason)
                note(connection, "fraisier", "webhook.disable", endpoint, reason)
            waiting = and_(_all.endpoint == endpoint, _all.status == PENDING)
            values = {"status": DeliveryStatus.NOT_SENT.value, "next_at": None, "ended_at": at}
            connection.execute(update(outgoing_deliveries).where(waiting).values(**values))

        self._write(change, never)

    def delivery_lag(self) -> dict[str, float]:
        """Return for each endpoint how long, in seconds, a delivery has been due and untried."""
        untried = and_(_all.status == PENDING, _all.attempts == 0)
        oldest = select(_all.endpoint, func.min(_all.created_at)).where(untried)
        with self._transaction(reading=True) as connection:
            at = utc_now(connection)
            rows = connection.execute(oldest.group_by(_all.endpoint)).all()
        return {endpoint: max(0.0, (at - since) / 1e6) for endpoint, since in rows}

    def endpoint_states(self) -> dict[str, EndpointState]:
        """Return how every endpoint does that something is recorded of."""
        count = select(_all.endpoint, func.count()).where(_all.status == PENDING)
        with self._transaction(reading=True) as connection:
            waiting = {row[0]: row[1] for row in connection.execute(count.group_by(_all.endpoint))}
            found = {
                row.id: EndpointState(**row._mapping, pending=waiting.pop(row.id, 0))
                for row in connection.execute(select(endpoints))
            }
        return found | {name: EndpointState(name, pending=n) for name, n in waiting.items()}

    def deliveries(self, wanted: DeliveryFilter) -> list[Delivery]:
        """Return deliveries, newest first."""
        newest = select(outgoing_deliveries).order_by(_all.created_at.desc(), _all.id.desc())
        page = matching(newest, wanted).limit(wanted.limit).offset(wanted.offset)
        with self._transaction(reading=True) as connection:
            if wanted.place is not None:
                page = page.where(after(connection, _all.id, _all.created_at, wanted.place))
            return [delivery_from(row) for row in connection.execute(page)]

    def count_deliveries(self, wanted: DeliveryFilter) -> int:
        """Return how many deliveries there are, whatever the limit and offset."""
        query = matching(select(func.count()).select_from(outgoing_deliveries), wanted)
        with self._transaction(reading=True) as connection:
            return connection.scalar(query) or 0

    def delivery(self, delivery_id: str) -> Delivery:
        """Return one delivery, or raise NotFound."""
        with self._transaction(reading=True) as connection:
            return delivery_row(connection, delivery_id)

    def attempts_of(self, deliveries: Sequence[str]) -> Mapping[str, list[Attempt]]:
        """Return the attempts of each delivery, in order."""
        mine = delivery_attempts.c.delivery_id.in_(deliveries)
        query = select(delivery_attempts).where(mine).order_by(delivery_attempts.c.number)
        found: dict[str, list[Attempt]] = {each: [] for each in deliveries}
        with self._transaction(reading=True) as connection:
            for row in connection.execute(query):
                values = {k: v for k, v in row._mapping.items() if k != "delivery_id"}
                found[row.delivery_id].append(Attempt(**values))
        return found

    def redeliver(self, delivery_id: str, by: str, at: int) -> Delivery:
        """Let a delivery be tried anew, with the same id; raise Refused where it is disabled."""
        mark = new_id("aud")

        def change(connection: Connection) -> Delivery:
            found = delivery_row(connection, delivery_id)
            state = state_of(connection, found.endpoint)
            if state.disabled_at is not None:
                raise Refused(
                    f"{found.endpoint} is disabled: {state.disabled_reason}",
                    f"a test that gets through enables it: fraisier webhook test {found.endpoint}",
                )
            again = {"status": PENDING, "attempts": 0, "next_at": at, "ended_at": None}
            connection.execute(
                update(outgoing_deliveries).where(_all.id == delivery_id).values(**again)
            )
            note(connection, by, "webhook.redeliver", delivery_id, found.endpoint, mark)
            return delivery_row(connection, delivery_id)

        def done(connection: Connection) -> Delivery | None:
            return delivery_row(connection, delivery_id) if noted(connection, mark) else None

        return self._write(change, done)

    def prune_deliveries(self, before: int) -> int:
        """Remove some of the deliveries made before a moment; return how many."""
        old = select(_all.id).where(_all.created_at < before).order_by(_all.created_at)

        def change(connection: Connection) -> int:
            gone = list(connection.scalars(old.limit(REMOVED)))
            if gone:
                attempts = delivery_attempts.c.delivery_id.in_(gone)
                connection.execute(delete(delivery_attempts).where(attempts))
                connection.execute(delete(outgoing_deliveries).where(_all.id.in_(gone)))
            return len(gone)

        return self._write(change, never)
