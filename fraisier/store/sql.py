"""The store on SQL: the deployments table is the queue, and each public method one transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Connection, Engine, and_, insert, select, update

from fraisier.domain.deployment import (
    HOLDING,
    Deployment,
    HostRecord,
    Placement,
    Status,
    check_move,
)
from fraisier.domain.errors import Refused
from fraisier.domain.event import Event, Fact
from fraisier.domain.ids import new_id, now
from fraisier.domain.ports import NewDeployment
from fraisier.store import log, owner
from fraisier.store.database import open_database
from fraisier.store.reading import LIVE, Reading, is_target
from fraisier.store.rows import deployment_from, values_of
from fraisier.store.tables import (
    audit,
    deployment_hosts,
    deployments,
    installation,
    placements,
    targets,
)


class SqlStore(Reading):
    """The records in one database. `is_dead` tells whether a recorded owner is gone."""

    def __init__(
        self, engine: Engine, is_dead: Callable[[dict[str, Any]], bool] = owner.is_dead
    ) -> None:
        super().__init__(engine)
        self._is_dead = is_dead

    @classmethod
    def open(cls, url: str) -> SqlStore:
        """Open, create and migrate the database at a URL; raise StoreError."""
        return cls(open_database(url))

    def installation(self) -> str:
        """Return this installation's id, made at first use."""
        with self._transaction() as connection:
            found = connection.scalar(select(installation.c.id))
            if found is None:
                found = new_id("ins")
                connection.execute(insert(installation).values(id=found))
            return str(found)

    def request(self, new: NewDeployment) -> Deployment:
        """Record an accepted request with its first event; raise Refused."""
        with self._transaction() as connection:
            again = self._same_key(connection, new)
            if again is not None:
                return again
            target_id = self._target_id(connection, new.target.fraise, new.target.environment)
            self._make_way(connection, new, target_id)
            row = values_of(new, target_id, owner.this_process())
            connection.execute(insert(deployments).values(**row))
            log.append(connection, row["id"], [Fact("deployment.queued", None, _asked(new))])
            return self._deployment(connection, row["id"])

    def _same_key(self, connection: Connection, new: NewDeployment) -> Deployment | None:
        if new.idempotency_key is None:
            return None
        query = select(deployments).where(deployments.c.idempotency_key == new.idempotency_key)
        row = connection.execute(query).first()
        if row is None:
            return None
        found = deployment_from(row)
        same = (found.kind, found.target.fraise, found.target.environment, found.version)
        if same != (new.kind, new.target.fraise, new.target.environment, new.version):
            raise Refused(
                f'idempotency key "{new.idempotency_key}" was used for another request, {found.id}',
                "use a new key for a new request",
            )
        return found

    def _target_id(self, connection: Connection, fraise: str, environment: str) -> str:
        query = select(targets.c.id).where(is_target(fraise, environment))
        found = connection.scalar(query)
        if found is None:
            found = new_id("tgt")
            connection.execute(
                insert(targets).values(id=found, fraise=fraise, environment=environment)
            )
        return str(found)

    def _make_way(self, connection: Connection, new: NewDeployment, target_id: str) -> None:
        held = connection.scalar(select(targets.c.held_by).where(targets.c.id == target_id))
        name = f"{new.target.fraise} {new.target.environment}"
        if held is not None:
            raise Refused(
                f"{name} is held since {held} left its hosts in a state that was not confirmed",
                f"look at it (fraisier show {held}), then: fraisier unlock {name} --reason …",
            )
        waiting = and_(deployments.c.target_id == target_id, deployments.c.status.in_(LIVE))
        live = connection.execute(select(deployments).where(waiting)).all()
        if live and new.target.on_busy == "reject":
            raise Refused(
                f"{name} is busy: {live[0].id} is {live[0].status}",
                "wait for it, or set on_busy: queue",
            )
        if new.target.on_busy == "supersede":
            for row in live:
                if row.status == Status.PENDING.value:
                    reason = "a newer request took its place"
                    self._end(connection, deployment_from(row), Status.SUPERSEDED, reason)

    def claim(self, deployment_id: str) -> bool:
        """Start the deployment if it waits and nothing accepted earlier for its target is live."""
        with self._transaction() as connection:
            row = self._row(connection, deployment_id)
            if row.status != Status.PENDING.value or self._blocking(connection, row) is not None:
                return False
            connection.execute(
                update(deployments)
                .where(deployments.c.id == deployment_id)
                .values(
                    status=Status.IN_PROGRESS.value, started_at=now(), owner=owner.this_process()
                )
            )
            log.append(connection, deployment_id, [Fact("deployment.started")])
            return True

    def record(
        self,
        deployment_id: str,
        facts: Sequence[Fact],
        hosts: Sequence[HostRecord] = (),
        found: Sequence[Placement] = (),
    ) -> list[Event]:
        """Append facts and what they say about hosts; raise Refused once the deployment ended."""
        with self._transaction() as connection:
            row = self._row(connection, deployment_id)
            if row.status not in LIVE:
                raise Refused(f"{deployment_id} has ended: {row.status}")
            for host in hosts:
                _put(connection, deployment_hosts, {"deployment_id": deployment_id, **vars(host)})
            for placement in found:
                _put(connection, placements, {"target_id": row.target_id, **vars(placement)})
            return log.append(connection, deployment_id, facts)

    def finish(self, deployment_id: str, status: Status, reason: str) -> list[Event]:
        """End a deployment: its state, its last events and, where needed, the target's hold."""
        with self._transaction() as connection:
            deployment = self._deployment(connection, deployment_id)
            return self._end(connection, deployment, status, reason)

    def _end(
        self, connection: Connection, deployment: Deployment, status: Status, reason: str
    ) -> list[Event]:
        check_move(deployment.status, status)
        connection.execute(
            update(deployments)
            .where(deployments.c.id == deployment.id)
            .values(status=status.value, reason=reason, completed_at=now())
        )
        if status in HOLDING:
            holds = is_target(deployment.target.fraise, deployment.target.environment)
            connection.execute(update(targets).where(holds).values(held_by=deployment.id))
        return log.append(connection, deployment.id, _last_facts(status, reason))

    def abandon_dead(self) -> list[Deployment]:
        """End what a process of this machine left unfinished when it died."""
        with self._transaction() as connection:
            live = connection.execute(select(deployments).where(deployments.c.status.in_(LIVE)))
            dead = [row for row in live if self._is_dead(row.owner)]
            for row in dead:
                if row.status == Status.PENDING.value:
                    status, reason = Status.CANCELLED, "its command ended before it began"
                else:
                    status, reason = Status.INTERRUPTED, "its process died; the hosts must be seen"
                self._end(connection, deployment_from(row), status, reason)
            return [self._deployment(connection, row.id) for row in dead]

    def unlock(self, fraise: str, environment: str, reason: str, by: str) -> str | None:
        """Release a held target; return the deployment that held it, None if none did."""
        with self._transaction() as connection:
            where = is_target(fraise, environment)
            held = connection.scalar(select(targets.c.held_by).where(where))
            if held is not None:
                connection.execute(update(targets).where(where).values(held_by=None))
                row = {"action": "unlock", "subject": held, "actor": by, "reason": reason}
                connection.execute(insert(audit).values(id=new_id("aud"), at=now(), **row))
            return held


def _asked(new: NewDeployment) -> dict[str, Any]:
    asked = new.requested_version or new.target.branch
    return {"version": new.version, "requested": asked, "strategy": new.strategy}


def _last_facts(status: Status, reason: str) -> list[Fact]:
    data = {"status": status.value, "reason": reason}
    named = [] if status is Status.SUCCESS else [Fact(f"deployment.{status.value}", None, data)]
    return [*named, Fact("deployment.completed", None, data)]


def _put(connection: Connection, table: Any, values: dict[str, Any]) -> None:
    same = and_(*(column == values[column.name] for column in table.primary_key.columns))
    changed = connection.execute(update(table).where(same).values(**values))
    if changed.rowcount == 0:
        connection.execute(insert(table).values(**values))
