"""Reading the records: each method one transaction that changes nothing."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import Connection, and_, exists, func, or_, select

from fraisier.domain.deployment import Deployment, HostRecord, Placement, Status
from fraisier.domain.dora import Ended
from fraisier.domain.errors import DeploymentNotFound
from fraisier.domain.event import Event, Head
from fraisier.domain.ports import Figure, Filter
from fraisier.domain.reach import EVERYTHING, Reach
from fraisier.store.figures import ended, figures
from fraisier.store.lists import counted, listed, target_ids
from fraisier.store.rows import deployment_from, event_from, host_record_from, placement_from
from fraisier.store.tables import (
    deployment_hosts,
    deployments,
    events,
    placements,
    targets,
    tokens,
)
from fraisier.store.transactions import Transactions

LIVE = (Status.PENDING.value, Status.IN_PROGRESS.value)


def token_name(by: Any) -> Any:
    """Return, as a part of a query, the name of the token whose id is in a column."""
    return select(tokens.c.name).where(tokens.c.id == by).scalar_subquery()


class Reading(Transactions):
    """What can be asked of the records."""

    def blocker(self, deployment_id: str) -> Deployment | None:
        """Return the earlier live deployment of the same target, or the one that holds it."""
        other = deployments.alias("other")
        query = select(other).where(deployments.c.id == deployment_id, blocks(other))
        with self._transaction(reading=True) as connection:
            self._row(connection, deployment_id)
            row = connection.execute(query.order_by(other.c.accepted)).first()
            return deployment_from(row) if row is not None else None

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
        """Return a page of deployments."""
        with self._transaction(reading=True) as connection:
            return [deployment_from(row) for row in listed(connection, wanted)]

    def count(self, wanted: Filter, most: int | None = None) -> int:
        """Return how many deployments there are, whatever the page; at most `most`."""
        with self._transaction(reading=True) as connection:
            return counted(connection, wanted, most)

    def figures(self) -> list[Figure]:
        """Return what is known of the deployments that have ended, in numbers."""
        with self._transaction(reading=True) as connection:
            return figures(connection, LIVE)

    def ended(
        self,
        since: int,
        limit: int,
        fraise: str | None = None,
        environment: str | None = None,
        reach: Reach = EVERYTHING,
    ) -> list[Ended]:
        """Return deployments that ended since a moment (microseconds), the last to end first."""
        with self._transaction(reading=True) as connection:
            chosen = target_ids(connection, Filter(fraise, environment, reach=reach))
            some = [] if chosen is None else [deployments.c.target_id.in_(chosen)]
            return ended(connection, since, limit, some)

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

    def events(
        self, deployment_id: str, after: int = 0, limit: int | None = None, kind: str | None = None
    ) -> list[Event]:
        """Return a deployment's events after a sequence number, in order."""
        query = select(events).where(*_of(deployment_id, kind), events.c.sequence > after)
        ordered = query.order_by(events.c.sequence).limit(limit)
        with self._transaction(reading=True) as connection:
            self._row(connection, deployment_id)
            return [event_from(row) for row in connection.execute(ordered)]

    def count_events(self, deployment_id: str, kind: str | None = None, after: int = 0) -> int:
        """Return how many events a deployment has after a sequence number; `kind` None: any."""
        wanted = (*_of(deployment_id, kind), events.c.sequence > after)
        query = select(func.count()).select_from(events).where(*wanted)
        with self._transaction(reading=True) as connection:
            self._row(connection, deployment_id)
            return connection.scalar(query) or 0

    def heads(self, deployment_ids: Collection[str]) -> dict[str, Head]:
        """Return how far each log goes, all as of one moment; none for what is not recorded."""
        columns = (deployments.c.id, deployments.c.last_sequence, deployments.c.status)
        query = select(*columns).where(deployments.c.id.in_(sorted(deployment_ids)))
        with self._transaction(reading=True) as connection:
            rows = connection.execute(query).all()
        return {row.id: Head(row.last_sequence, row.status not in LIVE) for row in rows}

    def _deployment(self, connection: Connection, deployment_id: str) -> Deployment:
        return deployment_from(self._row(connection, deployment_id))

    def _row(self, connection: Connection, deployment_id: str, *, lock: bool = False) -> Any:
        query = select(deployments).where(deployments.c.id == deployment_id)
        row = connection.execute(query.with_for_update() if lock else query).first()
        if row is None:
            raise DeploymentNotFound(
                f'no deployment "{deployment_id}"', "see: fraisier history --limit 20"
            )
        return row


def blocks(other: Any) -> Any:
    """Return the condition under which `other` must end before a row of deployments.

    `other` is an alias of that table. It must where it is worked on, where it waits and was
    accepted earlier, and where it holds the target.
    """
    mine, its = deployments.c, other.c
    waits = and_(its.status == Status.PENDING.value, its.accepted < mine.accepted)
    holds = exists(select(targets.c.id).where(targets.c.held_by == its.id).correlate(other))
    first = or_(its.status == Status.IN_PROGRESS.value, waits, holds)
    return and_(its.target_id == mine.target_id, its.id != mine.id, first)


def is_target(fraise: str, environment: str) -> Any:
    return and_(targets.c.fraise == fraise, targets.c.environment == environment)


def _of(deployment_id: str, kind: str | None) -> list[Any]:
    one = [events.c.deployment_id == deployment_id]
    return one if kind is None else [*one, events.c.type == kind]
