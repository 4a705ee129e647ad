"""The store on SQL: the deployments table is the queue, and each public method one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, and_, insert, select, update

from fraisier.domain.deployment import HostRecord, Placement, Status
from fraisier.domain.errors import Refused
from fraisier.domain.event import Event, Fact
from fraisier.domain.ids import new_id
from fraisier.store import log
from fraisier.store.audit import note
from fraisier.store.database import open_database
from fraisier.store.ending import end
from fraisier.store.queue import Queue
from fraisier.store.reading import LIVE, is_target
from fraisier.store.tables import deployment_hosts, deployments, installation, placements, targets
from fraisier.store.tokens import Tokens


class SqlStore(Queue, Tokens):
    """The records in one database."""

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

    def record(
        self,
        deployment_id: str,
        facts: Sequence[Fact],
        hosts: Sequence[HostRecord] = (),
        found: Sequence[Placement] = (),
        version: str | None = None,
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
            if version is not None:
                one = deployments.c.id == deployment_id
                connection.execute(update(deployments).where(one).values(version=version))
            return log.append(connection, deployment_id, facts)

    def finish(self, deployment_id: str, status: Status, reason: str) -> list[Event]:
        """End a deployment: its state, its last events and, where needed, the target's hold."""
        with self._transaction() as connection:
            return end(connection, self._deployment(connection, deployment_id), status, reason)

    def unlock(self, fraise: str, environment: str, reason: str, by: str) -> str | None:
        """Release a held target; return the deployment that held it, None if none did."""
        with self._transaction() as connection:
            where = is_target(fraise, environment)
            held = connection.scalar(select(targets.c.held_by).where(where))
            if held is not None:
                connection.execute(update(targets).where(where).values(held_by=None))
                note(connection, by, "unlock", held, reason)
            return held


def _put(connection: Connection, table: Any, values: dict[str, Any]) -> None:
    same = and_(*(column == values[column.name] for column in table.primary_key.columns))
    changed = connection.execute(update(table).where(same).values(**values))
    if changed.rowcount == 0:
        connection.execute(insert(table).values(**values))
