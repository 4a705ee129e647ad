"""Rows of deliveries and endpoints, inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Select, and_, func, insert, or_, select, update

from fraisier.domain.delivery import (
    Attempt,
    Delivery,
    DeliveryFilter,
    DeliveryStatus,
    EndpointState,
    NewDelivery,
)
from fraisier.domain.errors import NotFound
from fraisier.domain.ids import new_id
from fraisier.store.clock import utc_now
from fraisier.store.tables import delivery_attempts, endpoints, outgoing_deliveries

PENDING = DeliveryStatus.PENDING.value
ENABLED: Mapping[str, Any] = {"disabled_at": None, "disabled_reason": ""}

_all = outgoing_deliveries.c


def new_row(
    endpoint: str, new: NewDelivery, number: int, at: int, disabled: bool
) -> dict[str, Any]:
    status = DeliveryStatus.NOT_SENT if disabled else DeliveryStatus.PENDING
    return {
        "id": new_id("whk"),
        "endpoint": endpoint,
        **vars(new),
        "status": status.value,
        "attempts": 0,
        "created_at": at,
        "next_at": None if disabled else at,
        "ended_at": at if disabled else None,
        "number": number,
    }


def known_events(connection: Connection, endpoint: str, events: Sequence[str]) -> set[str]:
    """Return which of these events an endpoint has a delivery of."""
    mine = and_(_all.endpoint == endpoint, _all.event_id.in_(events))
    return set(connection.scalars(select(_all.event_id).where(mine)))


def last_number(connection: Connection, endpoint: str) -> int:
    """Return the number of the delivery that an endpoint got last; 0 where it has none."""
    query = select(func.max(_all.number)).where(_all.endpoint == endpoint)
    return connection.scalar(query) or 0


def let_be_due(connection: Connection, endpoint: str, at: int) -> None:
    """Let what nobody has tried or taken be due now, where a wrong clock made it due later."""
    ahead = and_(_all.endpoint == endpoint, _all.status == PENDING, _all.next_at > at)
    unclaimed = and_(ahead, _all.attempts == 0, _all.next_at == _all.created_at)
    connection.execute(update(outgoing_deliveries).where(unclaimed).values(next_at=at))


def waits_for_another(connection: Connection, row: Any) -> bool:
    """Return whether an earlier delivery of the same stream was not tried yet.

    Those of 0.1.0 have no number, and are told apart by their times.
    """
    untried = and_(
        _all.endpoint == row.endpoint,
        _all.status == PENDING,
        _all.stream_id == row.stream_id,
        _all.attempts == 0,
    )
    older = and_(_all.number == row.number, _all.created_at < row.created_at)
    earlier = and_(untried, or_(_all.number < row.number, older))
    return connection.scalar(select(_all.id).where(earlier).limit(1)) is not None


def put_outcome(
    connection: Connection, delivery: Delivery, attempt: Attempt, next_at: int | None
) -> None:
    """Record what an attempt makes of its delivery.

    A failure that comes late changes nothing where another process was done with it meanwhile.
    """
    values: dict[str, Any] = {"attempts": _all.attempts + 1}
    if attempt.problem and next_at is not None:
        values |= {"next_at": next_at}
    else:
        values |= {"status": ended(attempt), "next_at": None, "ended_at": utc_now(connection)}
    open_ = _all.status == PENDING if attempt.problem else _all.id.is_not(None)
    one = update(outgoing_deliveries).where(_all.id == delivery.id, open_)
    connection.execute(one.values(**values))


def tried(connection: Connection, delivery: Delivery, attempt: Attempt) -> bool:
    """Return whether this attempt is recorded."""
    of = delivery_attempts.c
    same = and_(of.delivery_id == delivery.id, of.at == attempt.at)
    return connection.scalar(select(of.number).where(same).limit(1)) is not None


def ended(attempt: Attempt) -> str:
    return (DeliveryStatus.FAILED if attempt.problem else DeliveryStatus.DELIVERED).value


def put_attempt(connection: Connection, delivery_id: str, attempt: Attempt) -> None:
    mine = delivery_attempts.c.delivery_id == delivery_id
    last = connection.scalar(select(func.max(delivery_attempts.c.number)).where(mine)) or 0
    row = {**vars(attempt), "delivery_id": delivery_id, "number": last + 1}
    connection.execute(insert(delivery_attempts).values(**row))


def put_health(connection: Connection, endpoint: str, attempt: Attempt) -> None:
    state = state_of(connection, endpoint)
    if not attempt.problem and state.failing_since is not None:
        put_endpoint(connection, endpoint, failing_since=None)
    elif attempt.problem and state.failing_since is None:
        put_endpoint(connection, endpoint, failing_since=attempt.at)


def put_endpoint(connection: Connection, endpoint: str, **values: Any) -> None:
    one = endpoints.c.id == endpoint
    if connection.execute(select(endpoints.c.id).where(one).with_for_update()).first() is None:
        row = {"id": endpoint, "failing_since": None, **ENABLED, **values}
        connection.execute(insert(endpoints).values(**row))
    else:
        connection.execute(update(endpoints).where(one).values(**values))


def state_of(connection: Connection, endpoint: str) -> EndpointState:
    row = connection.execute(select(endpoints).where(endpoints.c.id == endpoint)).first()
    return EndpointState(**row._mapping) if row is not None else EndpointState(endpoint)


def matching(query: Select[Any], wanted: DeliveryFilter) -> Select[Any]:
    if wanted.endpoint is not None:
        query = query.where(_all.endpoint == wanted.endpoint)
    if wanted.status is not None:
        query = query.where(_all.status == wanted.status.value)
    return query


def delivery_row(connection: Connection, delivery_id: str) -> Delivery:
    row = connection.execute(select(outgoing_deliveries).where(_all.id == delivery_id)).first()
    if row is None:
        raise NotFound(f'no delivery "{delivery_id}"', "see: fraisier webhook deliveries")
    return delivery_from(row)


def delivery_from(row: Any, **changed: Any) -> Delivery:
    values = {name: value for name, value in row._mapping.items() if name != "number"}
    return Delivery(**{**values, "status": DeliveryStatus(row.status), **changed})
