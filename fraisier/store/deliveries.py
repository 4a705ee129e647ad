"""Rows of deliveries and endpoints, inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Select, and_, func, insert, select, update

from fraisier.domain.delivery import (
    Attempt,
    Delivery,
    DeliveryFilter,
    DeliveryStatus,
    EndpointState,
    NewDelivery,
)
from fraisier.domain.errors import NotFound
from fraisier.domain.ids import new_id, now
from fraisier.store.tables import delivery_attempts, endpoints, outgoing_deliveries

PENDING = DeliveryStatus.PENDING.value
ENABLED: Mapping[str, Any] = {"disabled_at": None, "disabled_reason": ""}

_all = outgoing_deliveries.c


def new_row(endpoint: str, new: NewDelivery, at: int, disabled: bool) -> dict[str, Any]:
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
    }


def known_events(connection: Connection, endpoint: str, events: Sequence[str]) -> set[str]:
    """Return which of these events an endpoint has a delivery of."""
    mine = and_(_all.endpoint == endpoint, _all.event_id.in_(events))
    return set(connection.scalars(select(_all.event_id).where(mine)))


def after_the_last(connection: Connection, endpoint: str) -> int:
    """Return the present, or just after what was recorded last where the clock went back."""
    waiting = and_(_all.endpoint == endpoint, _all.status == PENDING, _all.attempts == 0)
    last = connection.scalar(select(func.max(_all.created_at)).where(waiting)) or 0
    return max(now(), int(last) + 1)


def waits_for_another(connection: Connection, row: Any) -> bool:
    """Return whether an earlier delivery of the same stream was not tried yet."""
    earlier = and_(
        _all.endpoint == row.endpoint,
        _all.status == PENDING,
        _all.stream_id == row.stream_id,
        _all.attempts == 0,
        _all.created_at < row.created_at,
    )
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
        values |= {"status": ended(attempt), "next_at": None, "ended_at": now()}
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
    return Delivery(**{**row._mapping, "status": DeliveryStatus(row.status), **changed})
