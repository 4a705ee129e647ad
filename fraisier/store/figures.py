"""Deployments that have ended, counted by the database."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Select, case, func, or_, select

from fraisier.domain.deployment import SERVED_ON, UNTOUCHED
from fraisier.domain.dora import Ended
from fraisier.domain.ports import DURATIONS, Figure
from fraisier.store.tables import deployments, targets

LABELS = ("fraise", "environment", "provider", "strategy", "kind", "status")


def figures(connection: Connection, live: tuple[str, ...]) -> list[Figure]:
    """Return one figure for each combination of labels; `live` are the states that are no end."""
    return [_figure(row) for row in connection.execute(_query(live))]


def ended(connection: Connection, since: int, limit: int, which: Sequence[Any]) -> list[Ended]:
    """Return the deployments for which `which` holds that ended since then, the last first."""
    c = deployments.c
    untouched = or_(c.reason.contains(UNTOUCHED), c.reason.contains(SERVED_ON))
    query = (
        select(
            targets.c.fraise, targets.c.environment, c.kind, c.status, c.created_at, c.started_at,
            c.completed_at, case((untouched, 0), else_=1).label("touched"),
        )
        .join(targets)
        .where(c.completed_at >= since, *which)
        .order_by(c.completed_at.desc(), c.id)
        .limit(limit)
    )  # fmt: skip
    rows = connection.execute(query)
    return [Ended(**{**row._mapping, "touched": bool(row.touched)}) for row in rows]


def _query(live: tuple[str, ...]) -> Select[Any]:
    took = (deployments.c.completed_at - deployments.c.started_at) / 1e6
    labels = (
        targets.c.fraise,
        targets.c.environment,
        deployments.c.target["provider"].as_string().label("provider"),
        deployments.c.strategy,
        deployments.c.kind,
        deployments.c.status,
    )
    counts = (
        func.count().label("count"),
        func.count(deployments.c.started_at).label("begun"),
        func.sum(took).label("seconds"),
        *(func.sum(case((took <= n, 1), else_=0)).label(f"within_{n}") for n in DURATIONS),
    )
    ended = deployments.c.status.not_in(live)
    return select(*labels, *counts).join(targets).where(ended).group_by(*labels).order_by(*labels)


def _figure(row: Any) -> Figure:
    return Figure(
        **{name: row._mapping[name] for name in LABELS},
        count=row._mapping["count"],
        begun=row.begun,
        seconds=float(row.seconds or 0),
        within=tuple(row._mapping[f"within_{limit}"] for limit in DURATIONS),
    )
