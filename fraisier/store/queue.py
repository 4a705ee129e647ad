"""The queue: requests accepted in an order, claimed in that order, cancelled, taken over."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, and_, exists, insert, select, update

from fraisier.domain.catalogue import Target
from fraisier.domain.deployment import AS_CONFIGURED, Deployment, Status
from fraisier.domain.errors import KeyReused, LeaseLost, Refused
from fraisier.domain.event import Fact
from fraisier.domain.ids import new_id, now
from fraisier.domain.ports import NewDeployment
from fraisier.failpoints import failpoint
from fraisier.store import log
from fraisier.store.audit import note, noted
from fraisier.store.ending import end
from fraisier.store.reading import LIVE, blocks, is_target
from fraisier.store.rows import deployment_from, values_of
from fraisier.store.tables import deployments, pauses, targets
from fraisier.store.transactions import never
from fraisier.store.workers import Workers


class Queue(Workers):
    """Deployments from their request to their claim, and from a dead worker to a living one."""

    # --- requests -------------------------------------------------------------------------

    def request(self, new: NewDeployment, worker_id: str | None = None) -> Deployment:
        """Record an accepted request with its first event; raise Refused."""
        deployment_id = new_id("dep")

        def change(connection: Connection) -> Deployment:
            found = self._request(connection, deployment_id, new, worker_id)
            failpoint("request.before_commit")
            return found

        found = self._write(change, lambda connection: self._found(connection, deployment_id))
        failpoint("request.after_commit")
        return found

    def _request(
        self,
        connection: Connection,
        deployment_id: str,
        new: NewDeployment,
        worker_id: str | None,
    ) -> Deployment:
        target = self._lock_target(connection, new.target.fraise, new.target.environment)
        again = self._same_key(connection, new.triggered_by, new.idempotency_key, new.fingerprint)
        if again is not None:
            return again
        self._make_way(connection, new, target)
        accepted = target.accepted + 1
        mine = targets.c.id == target.id
        connection.execute(update(targets).where(mine).values(accepted=accepted))
        row = values_of(deployment_id, new, target.id, accepted, worker_id)
        connection.execute(insert(deployments).values(**row))
        log.append(connection, deployment_id, [Fact("deployment.queued", None, _asked(new))])
        return self._deployment(connection, deployment_id)

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

    def _lock_target(self, connection: Connection, fraise: str, environment: str) -> Any:
        """Return a target's row, made where it is missing; whoever has it comes first."""
        query = select(targets).where(is_target(fraise, environment)).with_for_update()
        row = connection.execute(query).first()
        if row is not None:
            return row
        names = {"fraise": fraise, "environment": environment}
        connection.execute(insert(targets).values(id=new_id("tgt"), **names))
        return connection.execute(query).one()

    def _make_way(self, connection: Connection, new: NewDeployment, target: Any) -> None:
        name = f"{new.target.fraise} {new.target.environment}"
        if target.held_by is not None:
            raise Refused(
                f"{name} is held since {target.held_by} left its hosts in a state that was not "
                "confirmed",
                f"look at it (fraisier show {target.held_by}), then: fraisier unlock {name} "
                "--reason …",
            )
        live = and_(deployments.c.target_id == target.id, deployments.c.status.in_(LIVE))
        if new.target.on_busy == "reject":
            busy = connection.execute(select(deployments).where(live)).first()
            if busy is not None:
                raise Refused(
                    f"{name} is busy: {busy.id} is {busy.status}",
                    "wait for it, or set on_busy: queue",
                )
        if new.target.on_busy == "supersede":
            waiting = and_(live, deployments.c.status == Status.PENDING.value)
            for row in connection.execute(select(deployments).where(waiting).with_for_update()):
                reason = "a newer request took its place"
                end(connection, deployment_from(row), Status.SUPERSEDED, reason)

    def _found(self, connection: Connection, deployment_id: str) -> Deployment | None:
        query = select(deployments).where(deployments.c.id == deployment_id)
        row = connection.execute(query).first()
        return deployment_from(row) if row is not None else None

    # --- claims ---------------------------------------------------------------------------

    def claim(self, deployment_id: str, worker_id: str) -> Deployment | None:
        """Start the deployment if it is its turn; None where it is not, or another was faster.

        Raises LeaseLost where the worker is no longer counted among the living.
        """
        with self._transaction(reading=True) as connection:
            self._row(connection, deployment_id)
            if not self._ready(connection, deployments.c.id == deployment_id):
                return None
        mark = new_id("evt")

        def change(connection: Connection) -> Deployment | None:
            found = self._claim(connection, deployment_id, worker_id, mark)
            failpoint("claim.before_commit")
            return found

        def done(connection: Connection) -> Deployment | None:
            began = log.marked(connection, mark, 1)
            return self._deployment(connection, deployment_id) if began else None

        found = self._write(change, done)
        if found is not None:
            failpoint("claim.after_commit")
        return found

    def _claim(
        self, connection: Connection, deployment_id: str, worker_id: str, mark: str
    ) -> Deployment | None:
        fence = self._next_fence(connection, deployment_id)
        self._require_alive(connection, worker_id)
        one = deployments.c.id == deployment_id
        if not self._ready(connection, one):
            return None
        begun = {"status": Status.IN_PROGRESS.value, "started_at": now()}
        waits = and_(one, deployments.c.status == Status.PENDING.value)
        held = {"worker_id": worker_id, "fence": fence}
        if connection.execute(update(deployments).where(waits).values(**begun, **held)).rowcount:
            log.append(connection, deployment_id, [Fact("deployment.started")], mark)
            return self._deployment(connection, deployment_id)
        return None  # it was cancelled in this moment

    def _next_fence(self, connection: Connection, deployment_id: str) -> int:
        """Raise the fence of a deployment's target; others wait until this transaction is over."""
        mine = targets.c.id == self._row(connection, deployment_id).target_id
        before = connection.scalar(select(targets.c.fence).where(mine).with_for_update())
        fence = int(before or 0) + 1
        connection.execute(update(targets).where(mine).values(fence=fence))
        return fence

    def claim_next(self, worker_id: str, takes: Callable[[Target], bool]) -> Deployment | None:
        """Start the queued deployment accepted first among those whose turn it is."""
        with self._transaction(reading=True) as connection:
            waiting = self._ready(connection, deployments.c.worker_id.is_(None))
        for row in waiting:
            if takes(Target.from_json(row.target)):
                found = self.claim(row.id, worker_id)
                if found is not None:
                    return found
        return None

    def _ready(self, connection: Connection, wanted: Any) -> list[Any]:
        """Return those wanted whose turn it is (id and target), the first accepted first."""
        other = deployments.alias("other")
        pending = deployments.c.status == Status.PENDING.value
        turn = ~exists(select(other.c.id).where(blocks(other)))
        query = select(deployments.c.id, deployments.c.target).where(
            wanted, pending, turn, ~exists(select(pauses.c.id))
        )
        ordered = query.order_by(deployments.c.created_at, deployments.c.id)
        return list(connection.execute(ordered))

    # --- cancel ---------------------------------------------------------------------------

    def cancel(self, deployment_id: str, by: str) -> Deployment:
        """End a pending deployment, or record the wish to end a running one; raise Refused."""
        mark = new_id("aud")

        def change(connection: Connection) -> Deployment:
            found = self._cancel(connection, deployment_id, by, mark)
            failpoint("cancel.before_commit")
            return found

        def done(connection: Connection) -> Deployment | None:
            return self._deployment(connection, deployment_id) if noted(connection, mark) else None

        found = self._write(change, done)
        failpoint("cancel.after_commit")
        return found

    def _cancel(self, connection: Connection, deployment_id: str, by: str, mark: str) -> Deployment:
        found = deployment_from(self._row(connection, deployment_id, lock=True))
        if found.status.terminal:
            raise Refused(f"{deployment_id} has ended already: it is {found.status.value}")
        if found.cancel_requested_at is None:
            wish = {"cancel_requested_at": now(), "cancel_requested_by": by}
            one = deployments.c.id == deployment_id
            connection.execute(update(deployments).where(one).values(**wish))
            note(connection, by, "cancel", deployment_id, mark=mark)
        if found.status is Status.PENDING:
            end(connection, found, Status.CANCELLED, f"cancelled by {by} before it began")
        return self._deployment(connection, deployment_id)

    # --- what the dead left ---------------------------------------------------------------

    def take_over(self, worker_id: str) -> Deployment | None:
        """Return one running deployment of a dead worker, which is now held by this one.

        What waited for a dead command is cancelled on the way.
        """
        with self._transaction(reading=True) as connection:
            left = self._left_by_the_dead(connection)
        for row in left:
            mark = new_id("evt")

            def change(
                connection: Connection, deployment_id: str = row.id, mark: str = mark
            ) -> Deployment | None:
                found = self._take_over(connection, deployment_id, worker_id, mark)
                failpoint("take_over.before_commit")
                return found

            taken = self._write(change, never)
            if taken is not None:
                failpoint("take_over.after_commit")
                return taken
        return None

    def _take_over(
        self, connection: Connection, deployment_id: str, worker_id: str, mark: str
    ) -> Deployment | None:
        fence = self._next_fence(connection, deployment_id)
        self._require_alive(connection, worker_id)
        row = self._row(connection, deployment_id, lock=True)
        if row.status not in LIVE or row.worker_id == worker_id or self._lives(connection, row):
            return None
        if row.status == Status.PENDING.value:
            reason = "its command ended before it began"
            end(connection, deployment_from(row), Status.CANCELLED, reason, mark)
            return None
        one = deployments.c.id == deployment_id
        values = {"worker_id": worker_id, "fence": fence}
        connection.execute(update(deployments).where(one).values(**values))
        return self._deployment(connection, deployment_id)

    def abandoned(self) -> bool:
        """Return whether a dead worker has left anything."""
        with self._transaction(reading=True) as connection:
            return bool(self._left_by_the_dead(connection))

    def held_by(self, worker_id: str) -> list[Deployment]:
        """Return the running deployments that a worker holds."""
        running = deployments.c.status == Status.IN_PROGRESS.value
        query = select(deployments).where(running, deployments.c.worker_id == worker_id)
        with self._transaction(reading=True) as connection:
            return [deployment_from(row) for row in connection.execute(query)]

    def _left_by_the_dead(self, connection: Connection) -> list[Any]:
        running = deployments.c.status == Status.IN_PROGRESS.value
        owned = and_(
            deployments.c.status == Status.PENDING.value, deployments.c.worker_id.is_not(None)
        )
        query = select(deployments.c.id, deployments.c.worker_id).where(running | owned)
        ordered = query.order_by(deployments.c.created_at)
        return [row for row in connection.execute(ordered) if not self._lives(connection, row)]


def _asked(new: NewDeployment) -> dict[str, Any]:
    default = AS_CONFIGURED if new.version == AS_CONFIGURED else new.target.branch
    asked = new.requested_version or default
    return {"version": new.version, "requested": asked, "strategy": new.strategy}


def require_held(row: Any, deployment: Deployment) -> None:
    """Raise LeaseLost unless a row is still held as `deployment` says."""
    if row.fence != deployment.fence:
        raise LeaseLost(
            f"{deployment.id} was taken over while this worker did not renew its lease",
            "nothing more is written; the records tell what became of it",
        )
