"""Reading the records: each method one transaction that changes nothing."""

from __future__ import annotations

from operator import eq, ge
from typing import Any

from sqlalchemy import Connection, and_, exists, false, func, or_, select, true

from fraisier.domain.deployment import Deployment, HostRecord, Placement, Status
from fraisier.domain.errors import DeploymentNotFound
from fraisier.domain.event import Event
from fraisier.domain.ports import Figure, Filter
from fraisier.domain.reach import Reach
from fraisier.store.figures import figures
from fraisier.store.rows import deployment_from, event_from, host_record_from, placement_from
from fraisier.store.tables import deployment_hosts, deployments, events, placements, targets
from fraisier.store.transactions import Transactions

LIVE = (Status.PENDING.value, Status.IN_PROGRESS.value)


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
        """Return deployments, newest first."""
        query = select(deployments).join(targets).where(*_conditions(wanted))
        newest = query.order_by(deployments.c.created_at.desc(), deployments.c.id.desc())
        page = newest.limit(wanted.limit).offset(wanted.offset)
        with self._transaction(reading=True) as connection:
            return [deployment_from(row) for row in connection.execute(page)]

    def count(self, wanted: Filter) -> int:
        """Return how many deployments there are, whatever the limit and offset."""
        query = select(func.count()).select_from(deployments).join(targets)
        with self._transaction(reading=True) as connection:
            return connection.scalar(query.where(*_conditions(wanted))) or 0

    def figures(self) -> list[Figure]:
        """Return what is known of the deployments that have ended, in numbers."""
        with self._transaction(reading=True) as connection:
            return figures(connection, LIVE)

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


def _conditions(wanted: Filter) -> list[Any]:
    wishes = (
        (targets.c.fraise, eq, wanted.fraise),
        (targets.c.environment, eq, wanted.environment),
        (deployments.c.status, eq, wanted.status),
        (deployments.c.created_at, ge, wanted.since),
    )
    asked = [compare(column, wish) for column, compare, wish in wishes if wish is not None]
    return [*asked, reached(wanted.reach)]


def reached(reach: Reach) -> Any:
    """Return the condition that a row of targets is within a reach.

    Beginnings are compared as they are: LIKE would not heed case everywhere, and knows wildcards.
    """
    if reach.everything:
        return true()
    fitting = [
        and_(_fits(targets.c.fraise, fraise), _fits(targets.c.environment, environment))
        for fraise, environment in reach.halves
    ]
    return or_(false(), *fitting)


def _fits(column: Any, pattern: str) -> Any:
    if not pattern.endswith("*"):
        return column == pattern
    beginning = pattern[:-1]
    return func.substr(column, 1, len(beginning)) == beginning if beginning else true()


def _of(deployment_id: str, kind: str | None) -> list[Any]:
    one = [events.c.deployment_id == deployment_id]
    return one if kind is None else [*one, events.c.type == kind]
