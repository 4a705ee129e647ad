"""What the database says, read past Fraisier's own code, and through restarts of its server."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, create_engine, func, select
from sqlalchemy.exc import DBAPIError

from fraisier.store.tables import (
    deployments,
    events,
    outgoing_deliveries,
    placements,
    targets,
    workers,
)

PATIENCE_SECONDS = 60.0
DRIVERS = {"postgresql": "psycopg2", "mysql": "pymysql"}


@dataclass(frozen=True)
class Owner:
    """Who held a deployment, and how it stood: its state, its worker's name and its process."""

    status: str
    worker: str | None
    name: str | None
    pid: int | None
    fence: int


class Records:
    """Reads one database. Times are in microseconds since 1970."""

    def __init__(self, url: str) -> None:
        for kind, driver in DRIVERS.items():
            url = url.replace(f"{kind}://", f"{kind}+{driver}://", 1)
        self._engine = create_engine(url, pool_size=2, pool_pre_ping=True)

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()

    def _rows(self, query: Select[Any]) -> list[Mapping[str, Any]]:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                with self._engine.connect() as connection:
                    return [dict(row._mapping) for row in connection.execute(query)]
            except DBAPIError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)

    def deployment(self, deployment_id: str) -> Mapping[str, Any] | None:
        """Return a deployment's row, None where there is none."""
        found = self._rows(select(deployments).where(deployments.c.id == deployment_id))
        return found[0] if found else None

    def with_key(self, key: str) -> list[str]:
        """Return the deployments that were made with an idempotency key."""
        wanted = deployments.c.idempotency_key == key
        return [row["id"] for row in self._rows(select(deployments.c.id).where(wanted))]

    def of_target(self, environment: str) -> list[Mapping[str, Any]]:
        """Return every deployment of a target, in the order they were accepted."""
        query = select(deployments).join(targets).where(targets.c.environment == environment)
        return self._rows(query.order_by(deployments.c.accepted))

    def owner(self, deployment_id: str) -> Owner | None:
        """Return who holds a deployment, None where there is no such deployment."""
        held = deployments.outerjoin(workers, workers.c.id == deployments.c.worker_id)
        columns = (deployments.c.status, deployments.c.fence, deployments.c.worker_id)
        query = select(*columns, workers.c.name, workers.c.process).select_from(held)
        found = self._rows(query.where(deployments.c.id == deployment_id))
        if not found:
            return None
        row = found[0]
        pid = (row["process"] or {}).get("pid")
        return Owner(row["status"], row["worker_id"], row["name"], pid, row["fence"])

    def story(self, deployment_id: str) -> list[tuple[int, str]]:
        """Return the numbers and types of a deployment's events, in order."""
        query = select(events.c.sequence, events.c.type)
        query = query.where(events.c.deployment_id == deployment_id).order_by(events.c.sequence)
        return [(row["sequence"], row["type"]) for row in self._rows(query)]

    def placements(self, environment: str) -> dict[str, dict[str, Any]]:
        """Return what the records say that each host of a target runs."""
        query = select(placements).join(targets).where(targets.c.environment == environment)
        kept = ("release", "version", "known")
        return {row["host"]: {name: row[name] for name in kept} for row in self._rows(query)}

    def untold(self) -> list[str]:
        """Return the events of deployments that no delivery was made of."""
        made = select(outgoing_deliveries.c.event_id)
        query = select(events.c.id, events.c.type).where(events.c.type.like("deployment.%"))
        found = self._rows(query.where(events.c.id.not_in(made)))
        return [f"{row['id']} {row['type']}" for row in found]

    def most_live(self) -> int:
        """Return the highest number of attempts that any target has under way now."""
        running = deployments.c.status == "in_progress"
        query = select(func.count().label("live")).where(running).group_by(deployments.c.target_id)
        return max((row["live"] for row in self._rows(query)), default=0)
