"""Reading the records: each method one transaction that changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from operator import eq, ge
from typing import Any

from sqlalchemy import Connection, Engine, and_, or_, select, tuple_
from sqlalchemy.exc import DBAPIError

from fraisier.domain.deployment import Deployment, HostRecord, Placement, Status
from fraisier.domain.errors import DeploymentNotFound
from fraisier.domain.event import Event
from fraisier.domain.ports import Filter
from fraisier.store.database import store_error
from fraisier.store.rows import deployment_from, event_from, host_record_from, placement_from
from fraisier.store.tables import deployment_hosts, deployments, events, placements, targets

LIVE = (Status.PENDING.value, Status.IN_PROGRESS.value)


class Reading:
    """What can be asked of the records."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @contextmanager
    def _transaction(self, *, reading: bool = False) -> Iterator[Connection]:
        try:
            with (
                self._engine.connect().execution_options(reading=reading) as connection,
                connection.begin(),
            ):
                yield connection
        except DBAPIError as error:
            raise store_error(error) from error

    def blocker(self, deployment_id: str) -> Deployment | None:
        """Return the earlier live deployment of the same target, if there is one."""
        with self._transaction(reading=True) as connection:
            row = self._blocking(connection, self._row(connection, deployment_id))
            return deployment_from(row) if row is not None else None

    def _blocking(self, connection: Connection, row: Any) -> Any:
        order = tuple_(deployments.c.created_at, deployments.c.id)
        earlier = order < tuple_(row.created_at, row.id)
        running = deployments.c.status == Status.IN_PROGRESS.value
        query = select(deployments).where(
            deployments.c.target_id == row.target_id,
            deployments.c.status.in_(LIVE),
            deployments.c.id != row.id,
            or_(running, earlier),
        )
        return connection.execute(query.order_by(deployments.c.created_at)).first()

    def held(self, fraise: str, environment: str) -> str | None:
        """Return the id of the deployment that holds a target, if one does."""
        with self._transaction(reading=True) as connection:
            query = select(targets.c.held_by).where(is_target(fraise, environment))
            return connection.scalar(query)

    def deployment(self, deployment_id: str) -> Deployment:
        """Return one deployment, or raise DeploymentNotFound."""
        with self._transaction(reading=True) as connection:
            return self._deployment(connection, deployment_id)

    def deployments(self, wanted: Filter) -> list[Deployment]:
        """Return deployments, newest first."""
        query = select(deployments).join(targets).order_by(deployments.c.created_at.desc())
        wishes = (
            (targets.c.fraise, eq, wanted.fraise),
            (targets.c.environment, eq, wanted.environment),
            (deployments.c.status, eq, wanted.status),
            (deployments.c.created_at, ge, wanted.since),
        )
        for column, compare, wish in wishes:
            if wish is not None:
                query = query.where(compare(column, wish))
        with self._transaction(reading=True) as connection:
            return [deployment_from(row) for row in connection.execute(query.limit(wanted.limit))]

    def host_records(self, deployment_id: str) -> list[HostRecord]:
        """Return what a deployment did to each host, in the target's order."""
        query = select(deployment_hosts).where(deployment_hosts.c.deployment_id == deployment_id)
        with self._transaction(reading=True) as connection:
            found = {row.host: host_record_from(row) for row in connection.execute(query)}
            order = [host.name for host in self._deployment(connection, deployment_id).target.hosts]
        return [found[name] for name in order if name in found]

    def placements(self, fraise: str, environment: str) -> dict[str, Placement]:
        """Return what each host of a target runs, as last reported by the host."""
        query = select(placements).join(targets).where(is_target(fraise, environment))
        with self._transaction(reading=True) as connection:
            return {row.host: placement_from(row) for row in connection.execute(query)}

    def events(self, deployment_id: str, after: int = 0) -> list[Event]:
        """Return a deployment's events after a sequence number, in order."""
        query = select(events).where(
            events.c.deployment_id == deployment_id, events.c.sequence > after
        )
        with self._transaction(reading=True) as connection:
            self._row(connection, deployment_id)
            return [
                event_from(row) for row in connection.execute(query.order_by(events.c.sequence))
            ]

    def _deployment(self, connection: Connection, deployment_id: str) -> Deployment:
        return deployment_from(self._row(connection, deployment_id))

    def _row(self, connection: Connection, deployment_id: str) -> Any:
        row = connection.execute(
            select(deployments).where(deployments.c.id == deployment_id)
        ).first()
        if row is None:
            raise DeploymentNotFound(
                f'no deployment "{deployment_id}"', "see: fraisier history --limit 20"
            )
        return row


def is_target(fraise: str, environment: str) -> Any:
    return and_(targets.c.fraise == fraise, targets.c.environment == environment)
