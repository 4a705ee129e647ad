"""The store on SQL: the deployments table is the queue, and each public method one transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Connection, and_, insert, select, update

from fraisier.domain.deployment import (
    CancelAsked,
    Deployment,
    HostRecord,
    Placement,
    Status,
    check_move,
)
from fraisier.domain.errors import Refused
from fraisier.domain.event import Event, Fact
from fraisier.domain.ids import new_id
from fraisier.domain.retention import Pruned, Retention
from fraisier.failpoints import failpoint
from fraisier.store import log
from fraisier.store.audit import note, noted
from fraisier.store.database import open_database
from fraisier.store.ending import end, last_facts
from fraisier.store.engines import CONNECTIONS
from fraisier.store.health import HealthRecords
from fraisier.store.holds import Holds, put_pause
from fraisier.store.incoming import IncomingDeliveries
from fraisier.store.keys import Keys
from fraisier.store.outgoing import Outgoing
from fraisier.store.queue import Queue, require_held
from fraisier.store.rates import Rates
from fraisier.store.reading import LIVE, is_target
from fraisier.store.relay import Relays
from fraisier.store.retention import prune
from fraisier.store.rows import deployment_from
from fraisier.store.tables import deployment_hosts, deployments, installation, placements, targets
from fraisier.store.tokens import Tokens
from fraisier.store.trail import Trail
from fraisier.store.transactions import never


class SqlStore(
    Queue, Holds, HealthRecords, Relays, Outgoing, IncomingDeliveries, Tokens, Rates, Keys, Trail
):
    """The records in one database."""

    @classmethod
    def open(cls, url: str, pool: int = CONNECTIONS) -> SqlStore:
        """Open the database at a URL as `open_database` does; raise StoreError."""
        return cls(open_database(url, pool))

    def installation(self) -> str:
        """Return this installation's id, made with the database."""
        with self._transaction(reading=True) as connection:
            return str(connection.scalar(select(installation.c.id)))

    def record(
        self,
        deployment: Deployment,
        facts: Sequence[Fact],
        hosts: Sequence[HostRecord] = (),
        found: Sequence[Placement] = (),
        version: str | None = None,
        patient: Callable[[], bool] = lambda: False,
    ) -> list[Event]:
        """Append facts and what they say about hosts; raise Refused once the deployment ended.

        While the database is away it is tried again as long as `patient()` says so.

        Raises LeaseLost where another worker holds the deployment now.
        """
        mark = new_id("evt")

        def change(connection: Connection) -> list[Event]:
            row = self._row(connection, deployment.id, lock=True)
            require_held(row, deployment)
            if row.status not in LIVE:
                raise Refused(f"{deployment.id} has ended: {row.status}")
            _put_details(connection, row, hosts, found, version)
            put_pause(connection, deployment.id, facts)
            recorded = log.append(connection, deployment.id, facts, mark)
            failpoint("record.before_commit")
            return recorded

        done = (lambda c: log.marked(c, mark, len(facts))) if facts else never
        recorded = self._write(change, done, patient)
        failpoint("record.after_commit")
        return recorded

    def finish(
        self,
        deployment: Deployment,
        status: Status,
        reason: str,
        patient: Callable[[], bool] = lambda: False,
    ) -> list[Event]:
        """End a deployment: its state, its last events and, where needed, the target's hold.

        Raises LeaseLost where another worker holds the deployment now, and CancelAsked where it
        would be a success but a wish to cancel was recorded first.
        """
        mark = new_id("evt")

        def change(connection: Connection) -> list[Event]:
            row = self._row(connection, deployment.id, lock=True)
            check_move(Status(row.status), status)
            require_held(row, deployment)
            if status is Status.SUCCESS and row.cancel_requested_at is not None:
                raise CancelAsked
            recorded = end(connection, deployment_from(row), status, reason, mark)
            failpoint("finish.before_commit")
            return recorded

        count = len(last_facts(deployment, status, reason, 0))
        recorded = self._write(change, lambda c: log.marked(c, mark, count), patient)
        failpoint("finish.after_commit")
        return recorded

    def unlock(self, fraise: str, environment: str, reason: str, by: str) -> str | None:
        """Release a held target; return the deployment that held it, None if none did."""
        mark, where = new_id("aud"), is_target(fraise, environment)
        seen: list[str] = []

        def change(connection: Connection) -> str | None:
            query = select(targets.c.held_by).where(where).with_for_update()
            held: str | None = connection.scalar(query)
            if held is not None:
                seen.append(held)
                connection.execute(update(targets).where(where).values(held_by=None))
                note(connection, by, "unlock", held, reason, mark)
            return held

        return self._write(change, lambda c: seen[-1] if noted(c, mark) else None)

    def prune(self, retention: Retention) -> Pruned:
        """Remove what need not be kept any longer, a little at a time, and return how much."""
        return prune(self._engine, retention, self.now())


def _put_details(
    connection: Connection,
    row: Any,
    hosts: Sequence[HostRecord],
    found: Sequence[Placement],
    version: str | None,
) -> None:
    for host in hosts:
        _put(connection, deployment_hosts, {"deployment_id": row.id, **vars(host)})
    for placement in found:
        _put(connection, placements, {"target_id": row.target_id, **vars(placement)})
    if version is not None:
        one = deployments.c.id == row.id
        connection.execute(update(deployments).where(one).values(version=version))


def _put(connection: Connection, table: Any, values: dict[str, Any]) -> None:
    same = and_(*(column == values[column.name] for column in table.primary_key.columns))
    changed = connection.execute(update(table).where(same).values(**values))
    if changed.rowcount == 0:
        connection.execute(insert(table).values(**values))
