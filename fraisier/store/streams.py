"""The streams that sinks are told of, in SQL: which wait, which are over, what is in them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, and_, func, or_, select

from fraisier.domain.notice import Notice
from fraisier.store.log import AUDIT, DEPLOYMENT, HEALTH
from fraisier.store.rows import event_from, notice_from, notice_of_audit, notice_of_health
from fraisier.store.tables import (
    audit,
    deployments,
    events,
    health_events,
    relay_progress,
    untold,
)


def waiting_for(sink: str) -> Any:
    """Return the query of the streams that hold something a sink was not told of."""
    mine = and_(relay_progress.c.sink == sink, relay_progress.c.stream_id == untold.c.stream_id)
    told = func.coalesce(relay_progress.c.sequence, 0)
    last = func.coalesce(deployments.c.last_sequence, 1)
    there = or_(deployments.c.id.is_not(None), untold.c.kind != DEPLOYMENT)
    return (
        select(untold.c.stream_id, untold.c.kind, told.label("told"))
        .select_from(
            untold.outerjoin(relay_progress, mine).outerjoin(
                deployments, deployments.c.id == untold.c.stream_id
            )
        )
        .where(there, last > told)
    )


def notices_of(connection: Connection, row: Any, limit: int) -> Sequence[Notice]:
    """Return what a row of `waiting_for` has to be told, at most so much of it."""
    if row.kind == AUDIT:
        note = connection.execute(select(audit).where(audit.c.id == row.stream_id)).first()
        return [notice_of_audit(note, _about(connection, note.subject))] if note else []
    if row.kind == HEALTH:
        one = health_events.c.id == row.stream_id
        told = connection.execute(select(health_events).where(one)).first()
        return [notice_of_health(told)] if told is not None else []
    of = connection.execute(select(deployments).where(deployments.c.id == row.stream_id)).first()
    if of is None:  # removed just now
        return []
    later = and_(events.c.deployment_id == row.stream_id, events.c.sequence > row.told)
    query = select(events).where(later).order_by(events.c.sequence).limit(limit)
    return [notice_from(event_from(each), of) for each in connection.execute(query)]


def _about(connection: Connection, subject: str) -> Any:
    """Return the deployment that a note is about; None where it is about something else."""
    if not subject.startswith("dep_"):
        return None
    return connection.execute(select(deployments).where(deployments.c.id == subject)).first()
