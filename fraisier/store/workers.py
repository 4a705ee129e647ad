"""Workers in SQL: who is at work, until when that is believed, and what waits for whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, and_, delete, func, insert, select, update

from fraisier import __version__
from fraisier.domain.catalogue import Target
from fraisier.domain.deployment import Status
from fraisier.domain.errors import LeaseLost
from fraisier.domain.ids import new_id
from fraisier.domain.reach import EVERYTHING, Reach
from fraisier.domain.worker import NewWorker, Pause, Waiting, WorkerRecord, takes
from fraisier.failpoints import failpoint
from fraisier.store import process
from fraisier.store.audit import note
from fraisier.store.clock import lease_now, utc_now
from fraisier.store.freezes import Freezes, Gate
from fraisier.store.reach import reached
from fraisier.store.reading import LIVE, blocks, token_name
from fraisier.store.tables import deployments, pauses, targets, workers
from fraisier.store.transactions import never

MICROSECONDS = 1_000_000
#: Kinds of workers that take what was queued; a command carries out only its own.
FOR_ALL = ("serve", "worker")


class Workers(Freezes):
    """The processes that work, by their leases, and the pause that stops all of them."""

    def join(self, new: NewWorker, lease: float) -> str:
        """Record a worker whose lease lasts so many seconds, and return its id."""
        worker_id = new_id("wrk")
        values = {**vars(new), "labels": dict(new.labels), "process": process.this_process()}

        def change(connection: Connection) -> str:
            self._forget_the_dead(connection)
            until = lease_now(connection) + int(lease * MICROSECONDS)
            times = {"started_at": utc_now(connection), "lease_until": until}
            row = {"id": worker_id, "version": __version__, **values, **times}
            connection.execute(insert(workers).values(**row))
            return worker_id

        def done(connection: Connection) -> str | None:
            return connection.scalar(select(workers.c.id).where(workers.c.id == worker_id))

        return self._write(change, done)

    def beat(self, worker_id: str, lease: float, configuration: str = "") -> bool:
        """Renew a worker's lease, and tell what it now works with.

        False where the lease has run out: then it is lost for good. It is tried once, without long
        patience: whoever calls tries again.
        """
        with self._transaction(self._hasty) as connection:
            at = lease_now(connection)
            living = and_(workers.c.id == worker_id, workers.c.lease_until >= at)
            until = at + int(lease * MICROSECONDS)
            values = {"lease_until": until, "configuration": configuration}
            renewed = connection.execute(update(workers).where(living).values(**values))
            failpoint("beat.before_commit")
        return renewed.rowcount == 1

    def leave(self, worker_id: str) -> None:
        """Forget a worker; what it still holds is then for others to take over."""
        self._write(
            lambda connection: connection.execute(delete(workers).where(workers.c.id == worker_id)),
            never,
        )

    def workers(self, reach: Reach = EVERYTHING) -> list[WorkerRecord]:
        """Return those at work, and those whose remains nobody has taken over, oldest first.

        Of what they hold only those of targets within a reach are told.
        """
        query = select(workers).order_by(workers.c.started_at, workers.c.id)
        running_now = deployments.c.status == Status.IN_PROGRESS.value
        held = select(deployments.c.id, deployments.c.worker_id).join(targets)
        held = held.where(running_now, reached(reach))
        with self._transaction(reading=True) as connection:
            running = list(connection.execute(held.order_by(deployments.c.started_at)))
            at = lease_now(connection)
            return [
                WorkerRecord(
                    row.id, row.name, row.kind, row.labels, row.at_once, row.version,
                    row.started_at, self._alive(connection, row, at),
                    tuple(each.id for each in running if each.worker_id == row.id),
                    row.configuration or "",
                )
                for row in connection.execute(query)
            ]  # fmt: skip

    def _require_alive(self, connection: Connection, worker_id: str) -> None:
        row = connection.execute(select(workers).where(workers.c.id == worker_id)).first()
        if row is None or row.lease_until < lease_now(connection):
            raise LeaseLost("this worker did not renew its lease in time, and begins nothing more")

    def _lives(self, connection: Connection, held: Any) -> bool:
        """Return whether the worker that holds a deployment is believed to be at work."""
        query = select(workers).where(workers.c.id == held.worker_id)
        row = connection.execute(query).first()
        return row is not None and self._alive(connection, row, lease_now(connection))

    def _alive(self, connection: Connection, row: Any, at: int) -> bool:
        local = connection.dialect.name == "sqlite"
        return row.lease_until >= at and not process.is_gone(row.process, this_machine=local)

    def _forget_the_dead(self, connection: Connection) -> None:
        holds = select(deployments.c.worker_id).where(
            deployments.c.status.in_(LIVE), deployments.c.worker_id.is_not(None)
        )
        at = lease_now(connection)
        for row in connection.execute(select(workers).where(workers.c.id.not_in(holds))).all():
            if not self._alive(connection, row, at):
                connection.execute(delete(workers).where(workers.c.id == row.id))

    # --- pause ----------------------------------------------------------------------------

    def pause(self, by: str, reason: str) -> None:
        """Let nothing begin until `resume`; what runs goes on."""

        def change(connection: Connection) -> None:
            connection.execute(delete(pauses))
            row = {"id": 1, "by": by, "reason": reason, "at": utc_now(connection)}
            connection.execute(insert(pauses).values(**row))
            note(connection, by, "queue.pause", "queue", reason)

        self._write(change, never)

    def resume(self, by: str) -> bool:
        """Let the queue go on; False where it was not paused."""

        def change(connection: Connection) -> bool:
            was = connection.execute(delete(pauses)).rowcount > 0
            if was:
                note(connection, by, "queue.resume", "queue")
            return was

        return self._write(change, never)

    def paused(self) -> Pause | None:
        """Return who paused the queue, if it is."""
        with self._transaction(reading=True) as connection:
            return self._pause(connection)

    def _pause(self, connection: Connection) -> Pause | None:
        row = connection.execute(select(pauses, token_name(pauses.c.by).label("by_name"))).first()
        return Pause(row.by, row.reason, row.at, row.by_name) if row is not None else None

    # --- waiting --------------------------------------------------------------------------

    def waiting(self, deployment_id: str) -> Waiting | None:
        """Return why a deployment has not begun, and its place; None where it has."""
        with self._transaction(reading=True) as connection:
            row = self._row(connection, deployment_id)
            if row.status != Status.PENDING.value:
                return None
            position = self._position(connection, row)
            pause = self._pause(connection)
            if pause is not None:
                by = pause.by_name or pause.by
                return Waiting(position, f"the queue is paused by {by}: {pause.reason}")
            gate = Gate(connection)
            stop = gate.of(row)
            if stop is not None:
                return Waiting(position, stop.reason, stop.freeze)
            first = gate.in_the_way(self._blocking(connection, deployment_id))
            if first is not None:
                return Waiting(position, _behind(first), first.id)
            return Waiting(position, self._idle(connection, row))

    def _blocking(self, connection: Connection, deployment_id: str) -> Sequence[Any]:
        other = deployments.alias("other")
        query = select(other).where(deployments.c.id == deployment_id, blocks(other))
        return connection.execute(query.order_by(other.c.accepted)).all()

    def _position(self, connection: Connection, row: Any) -> int:
        ahead = and_(
            deployments.c.target_id == row.target_id,
            deployments.c.status == Status.PENDING.value,
            deployments.c.accepted <= row.accepted,
        )
        return connection.scalar(select(func.count()).where(ahead)) or 0

    def _idle(self, connection: Connection, row: Any) -> str:
        """Return why one whose turn it is does not begin."""
        if row.worker_id is not None:
            return "its command is about to begin it"
        at = lease_now(connection)
        rows = connection.execute(select(workers).where(workers.c.kind.in_(FOR_ALL))).all()
        labels: list[Mapping[str, str]] = [
            each.labels for each in rows if self._alive(connection, each, at)
        ]
        if not labels:
            return "no server and no worker is running"
        target = Target.from_json(row.target)
        if not any(takes(each, target) for each in labels):
            network = f" and network {target.network}" if target.network else ""
            return f"no running worker takes region {target.region}{network}"
        return "it waits for a worker to be free"


def _behind(row: Any) -> str:
    if row.status == Status.IN_PROGRESS.value:
        return f"{row.id} is under way"
    if row.status == Status.PENDING.value:
        return f"{row.id} was accepted before it"
    return f"{row.id} is {row.status} and holds the target: a person must look, then unlock it"
