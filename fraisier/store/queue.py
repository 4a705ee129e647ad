"""The queue: claimed in the order of acceptance, and taken over from the dead."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, and_, exists, select, update

from fraisier.domain.catalogue import Target
from fraisier.domain.deployment import Deployment, Status
from fraisier.domain.errors import LeaseLost
from fraisier.domain.event import Fact
from fraisier.domain.ids import new_id
from fraisier.failpoints import failpoint
from fraisier.store import log
from fraisier.store.audit import note
from fraisier.store.clock import lease_now
from fraisier.store.ending import end
from fraisier.store.freezes import Gate
from fraisier.store.reading import LIVE, blocks
from fraisier.store.requests import Requests
from fraisier.store.rows import deployment_from
from fraisier.store.tables import deployments, pauses, targets
from fraisier.store.transactions import never
from fraisier.store.workers import MICROSECONDS

#: After so many seconds, at the longest, another worker tries to end what one could not.
LONGEST_PAUSE = 300.0


class Queue(Requests):
    """Deployments from their claim on, and from a dead worker to a living one."""

    def claim(
        self,
        deployment_id: str,
        worker_id: str,
        patient: Callable[[], bool] = lambda: False,
    ) -> Deployment | None:
        """Start the deployment if it is its turn; None where it is not, or another was faster.

        Where the database goes away meanwhile it is tried again as long as `patient()` says so:
        what was claimed without anybody knowing would end as interrupted. Raises LeaseLost where
        the worker is no longer counted among the living.
        """
        with self._transaction(reading=True) as connection:
            self._row(connection, deployment_id)
            if not self._ready(connection, deployment_id):
                return None
        mark = new_id("evt")

        def change(connection: Connection) -> Deployment | None:
            found = self._claim(connection, deployment_id, worker_id, mark)
            failpoint("claim.before_commit")
            return found

        def done(connection: Connection) -> Deployment | None:
            began = log.marked(connection, mark, 1)
            return self._deployment(connection, deployment_id) if began else None

        found = self._write(change, done, patient)
        if found is not None:
            failpoint("claim.after_commit")
        return found

    def _claim(
        self, connection: Connection, deployment_id: str, worker_id: str, mark: str
    ) -> Deployment | None:
        fence = self._next_fence(connection, deployment_id)
        self._require_alive(connection, worker_id)
        one = deployments.c.id == deployment_id
        if not self._ready(connection, deployment_id):
            return None
        begun = {
            "status": Status.IN_PROGRESS.value,
            "started_at": log.present(connection, deployment_id),
        }
        waits = and_(one, deployments.c.status == Status.PENDING.value)
        held = {"worker_id": worker_id, "fence": fence}
        if connection.execute(update(deployments).where(waits).values(**begun, **held)).rowcount:
            log.append(connection, deployment_id, [Fact("deployment.started")], mark)
            begun_one = self._deployment(connection, deployment_id)
            self._go_past(connection, begun_one)
            return begun_one
        return None  # it was cancelled in this moment

    def _go_past(self, connection: Connection, begun: Deployment) -> None:
        """End those accepted earlier that could not begin: later they would undo this one."""
        name = self._row(connection, begun.id).target_id
        earlier = and_(
            deployments.c.target_id == name,
            deployments.c.status == Status.PENDING.value,
            deployments.c.accepted < begun.accepted,
        )
        for row in connection.execute(select(deployments).where(earlier).with_for_update()).all():
            reason = f"{begun.id} went ahead of it while it could not begin"
            end(connection, deployment_from(row), Status.SUPERSEDED, reason)

    def _next_fence(self, connection: Connection, deployment_id: str) -> int:
        """Raise the fence of a deployment's target; others wait until this transaction is over."""
        mine = targets.c.id == self._row(connection, deployment_id).target_id
        before = connection.scalar(select(targets.c.fence).where(mine).with_for_update())
        fence = int(before or 0) + 1
        connection.execute(update(targets).where(mine).values(fence=fence))
        return fence

    def claim_next(
        self,
        worker_id: str,
        takes: Callable[[Target], bool],
        patient: Callable[[], bool] = lambda: False,
    ) -> Deployment | None:
        """Start the queued deployment accepted first among those whose turn it is."""
        with self._transaction(reading=True) as connection:
            waiting = self._ready(connection)
        for row in waiting:
            if takes(Target.from_json(row.target)):
                found = self.claim(row.id, worker_id, patient)
                if found is not None:
                    return found
        return None

    def _ready(self, connection: Connection, one: str | None = None) -> list[Any]:
        """Return the rows whose turn it is, the first accepted first.

        It is only `one`, if it is its turn; without it, those that any worker may take. What a
        freeze or the deploy windows stop is gone past by what they do not stop.
        """
        other = deployments.alias("other")
        pending = deployments.c.status == Status.PENDING.value
        turn = ~exists(select(other.c.id).where(blocks(other)))
        query = select(deployments).where(pending, turn, ~exists(select(pauses.c.id)))
        if one is not None:
            query = query.where(deployments.c.target_id == self._row(connection, one).target_id)
        heads = connection.execute(query).all()
        gate = Gate(connection)
        free = [gate.first_free(head) for head in heads]
        mine = [row for row in free if row is not None and _is_wanted(row, one)]
        return sorted(mine, key=lambda row: (row.created_at, row.id))

    # --- what the dead left ---------------------------------------------------------------

    def take_over(self, worker_id: str) -> Deployment | None:
        """Return one running deployment of a dead worker, which is now held by this one.

        What waited for a dead command is cancelled on the way.
        """
        with self._transaction(reading=True) as connection:
            left = self._left_by_the_dead(connection, worker_id)
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
        if not _is_due(row, worker_id, lease_now(connection)):
            return None
        if row.status == Status.PENDING.value:
            reason = "its command ended before it began"
            end(connection, deployment_from(row), Status.CANCELLED, reason, mark)
            note(connection, worker_id, "cancel", deployment_id, reason)
            return None
        one = deployments.c.id == deployment_id
        values = {"worker_id": worker_id, "fence": fence}
        connection.execute(update(deployments).where(one).values(**values))
        return self._deployment(connection, deployment_id)

    def give_up(self, deployment: Deployment, worker_id: str) -> float:
        """Leave to others what this worker took over and could not end; return after how long."""
        failures = deployment.settle_failures + 1
        pause = _pause(failures)
        held = and_(deployments.c.id == deployment.id, deployments.c.fence == deployment.fence)

        def change(connection: Connection) -> None:
            at = lease_now(connection) + int(pause * MICROSECONDS)
            left = {"worker_id": None, "settle_failures": failures, "settle_after": at}
            values = {**left, "settle_failed_by": worker_id}
            connection.execute(update(deployments).where(held).values(**values))

        self._write(change, never)
        return pause

    def abandoned(self) -> bool:
        """Return whether a dead worker has left anything that is due."""
        with self._transaction(reading=True) as connection:
            return bool(self._left_by_the_dead(connection))

    def held_by(self, worker_id: str) -> list[Deployment]:
        """Return the running deployments that a worker holds."""
        running = deployments.c.status == Status.IN_PROGRESS.value
        query = select(deployments).where(running, deployments.c.worker_id == worker_id)
        with self._transaction(reading=True) as connection:
            return [deployment_from(row) for row in connection.execute(query)]

    def _left_by_the_dead(self, connection: Connection, worker_id: str = "") -> list[Any]:
        running = deployments.c.status == Status.IN_PROGRESS.value
        owned = and_(
            deployments.c.status == Status.PENDING.value, deployments.c.worker_id.is_not(None)
        )
        settled = (deployments.c.settle_after, deployments.c.settle_failed_by)
        failed = (deployments.c.settle_failures, *settled)
        query = select(deployments.c.id, deployments.c.worker_id, *failed).where(running | owned)
        rows = connection.execute(query.order_by(deployments.c.created_at)).all()
        at = lease_now(connection)
        return [
            row for row in rows if _is_due(row, worker_id, at) and not self._lives(connection, row)
        ]


def _is_wanted(row: Any, one: str | None) -> bool:
    return row.worker_id is None if one is None else bool(row.id == one)


def _pause(failures: int) -> float:
    """Return how many seconds others leave what could not be ended so often: 1, 2, 4 and so on."""
    return min(2.0 ** (failures - 1), LONGEST_PAUSE)


def _is_due(row: Any, worker_id: str, at: int) -> bool:
    """Return whether a worker may take over what others gave up; who failed last comes last.

    With SQLite the clock begins anew with each boot: what is far ahead is of an earlier one.
    """
    if row.settle_after is None:
        return True
    mine = row.settle_failed_by == worker_id
    more = _pause(row.settle_failures) if mine else 0.0
    left = row.settle_after - at + int(more * MICROSECONDS)
    return bool(left <= 0 or left > 2 * LONGEST_PAUSE * MICROSECONDS)


def require_held(row: Any, deployment: Deployment) -> None:
    """Raise LeaseLost unless a row is still held as `deployment` says."""
    if row.fence != deployment.fence:
        raise LeaseLost(
            f"{deployment.id} was taken over while this worker did not renew its lease",
            "nothing more is written; the records tell what became of it",
        )
