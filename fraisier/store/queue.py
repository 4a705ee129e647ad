"""The queue: requests accepted, claimed in their order, cancelled, and never left to the dead."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, Engine, and_, exists, insert, select, update

from fraisier.domain.deployment import AS_CONFIGURED, Deployment, Status
from fraisier.domain.errors import KeyReused, Refused
from fraisier.domain.event import Fact
from fraisier.domain.ids import new_id, now
from fraisier.domain.ports import NewDeployment
from fraisier.store import log, owner
from fraisier.store.audit import note
from fraisier.store.ending import end
from fraisier.store.reading import LIVE, Reading, blocks, is_target
from fraisier.store.rows import deployment_from, values_of
from fraisier.store.tables import deployments, targets


class Queue(Reading):
    """Deployments from their request to their claim. `is_dead` tells whether an owner is gone."""

    def __init__(
        self, engine: Engine, is_dead: Callable[[dict[str, Any]], bool] = owner.is_dead
    ) -> None:
        super().__init__(engine)
        self._is_dead = is_dead

    def request(self, new: NewDeployment, queued: bool = False) -> Deployment:
        """Record an accepted request with its first event; raise Refused."""
        with self._transaction() as connection:
            again = self._same_key(
                connection, new.triggered_by, new.idempotency_key, new.fingerprint
            )
            if again is not None:
                return again
            target_id = self._target_id(connection, new.target.fraise, new.target.environment)
            self._make_way(connection, new, target_id)
            row = values_of(new, target_id, None if queued else owner.this_process())
            connection.execute(insert(deployments).values(**row))
            log.append(connection, row["id"], [Fact("deployment.queued", None, _asked(new))])
            return self._deployment(connection, row["id"])

    def repeated(self, by: str, key: str, fingerprint: str) -> Deployment | None:
        """Return what was asked for with this key before; raise KeyReused if that was another."""
        with self._transaction(reading=True) as connection:
            return self._same_key(connection, by, key, fingerprint)

    def _same_key(
        self, connection: Connection, by: str, key: str | None, fingerprint: str
    ) -> Deployment | None:
        if key is None:
            return None
        query = select(deployments).where(
            deployments.c.triggered_by == by, deployments.c.idempotency_key == key
        )
        row = connection.execute(query).first()
        if row is not None and row.fingerprint != fingerprint:
            raise KeyReused(
                f"this idempotency key was used for another request, {row.id}",
                "use a new key for a new request",
            )
        return deployment_from(row) if row is not None else None

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
        live = and_(deployments.c.target_id == target_id, deployments.c.status.in_(LIVE))
        if new.target.on_busy == "reject":
            busy = connection.execute(select(deployments).where(live)).first()
            if busy is not None:
                raise Refused(
                    f"{name} is busy: {busy.id} is {busy.status}",
                    "wait for it, or set on_busy: queue",
                )
        if new.target.on_busy == "supersede":
            waiting = deployments.c.status == Status.PENDING.value
            for row in connection.execute(select(deployments).where(live, waiting)).all():
                reason = "a newer request took its place"
                end(connection, deployment_from(row), Status.SUPERSEDED, reason)

    def claim(self, deployment_id: str) -> bool:
        """Start the deployment if it waits and nothing accepted earlier for its target is live."""
        with self._transaction(reading=True) as connection:
            self._row(connection, deployment_id)
            if not self._ready(connection, deployments.c.id == deployment_id):
                return False
        with self._transaction() as connection:
            if not self._ready(connection, deployments.c.id == deployment_id):
                return False
            begun = {"status": Status.IN_PROGRESS.value, "started_at": now()}
            connection.execute(
                update(deployments)
                .where(deployments.c.id == deployment_id)
                .values(**begun, owner=owner.this_process())
            )
            log.append(connection, deployment_id, [Fact("deployment.started")])
            return True

    def claim_next(self) -> Deployment | None:
        """Start the queued deployment accepted first among those whose turn it is."""
        with self._transaction(reading=True) as connection:
            waiting = self._ready(connection, deployments.c.owner.is_(None))
        for deployment_id in waiting:
            if self.claim(deployment_id):
                return self.deployment(deployment_id)
        return None

    def _ready(self, connection: Connection, wanted: Any) -> list[str]:
        """Return the ids of those wanted whose turn it is, the first accepted first."""
        other = deployments.alias("other")
        pending = deployments.c.status == Status.PENDING.value
        turn = ~exists(select(other.c.id).where(blocks(other.c)))
        query = select(deployments.c.id).where(wanted, pending, turn)
        ordered = query.order_by(deployments.c.created_at, deployments.c.id)
        return [str(row.id) for row in connection.execute(ordered)]

    def cancel(self, deployment_id: str, by: str) -> Deployment:
        """End a pending deployment, or record the wish to end a running one; raise Refused."""
        with self._transaction() as connection:
            found = self._deployment(connection, deployment_id)
            if found.status.terminal:
                raise Refused(f"{deployment_id} has ended already: it is {found.status.value}")
            if found.cancel_requested_at is None:
                wish = {"cancel_requested_at": now(), "cancel_requested_by": by}
                where = deployments.c.id == deployment_id
                connection.execute(update(deployments).where(where).values(**wish))
                note(connection, by, "cancel", deployment_id)
            if found.status is Status.PENDING:
                reason = f"cancelled by {by} before it began"
                end(connection, found, Status.CANCELLED, reason)
            return self._deployment(connection, deployment_id)

    def abandon_dead(self) -> list[Deployment]:
        """End what a process of this machine left unfinished when it died."""
        with self._transaction(reading=True) as connection:
            if not self._left_by_the_dead(connection):
                return []
        with self._transaction() as connection:
            dead = self._left_by_the_dead(connection)
            for row in dead:
                if row.status == Status.PENDING.value:
                    status, reason = Status.CANCELLED, "its command ended before it began"
                else:
                    status, reason = Status.INTERRUPTED, "its process died; the hosts must be seen"
                end(connection, deployment_from(row), status, reason)
            return [self._deployment(connection, row.id) for row in dead]

    def begun_here(self) -> list[str]:
        """Return what this process has begun and not ended."""
        running = deployments.c.status == Status.IN_PROGRESS.value
        query = select(deployments.c.id, deployments.c.owner).where(running)
        me = owner.this_process()
        with self._transaction(reading=True) as connection:
            return [str(row.id) for row in connection.execute(query) if row.owner == me]

    def _left_by_the_dead(self, connection: Connection) -> list[Any]:
        owned = and_(deployments.c.status.in_(LIVE), deployments.c.owner.is_not(None))
        live = connection.execute(select(deployments).where(owned))
        return [row for row in live if self._is_dead(row.owner)]


def _asked(new: NewDeployment) -> dict[str, Any]:
    default = AS_CONFIGURED if new.version == AS_CONFIGURED else new.target.branch
    asked = new.requested_version or default
    return {"version": new.version, "requested": asked, "strategy": new.strategy}
