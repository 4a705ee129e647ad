"""Removing old records, a little at a time, so that nobody has to wait for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, and_, delete, func, or_, select

from fraisier.domain.deployment import Status
from fraisier.domain.retention import KEY_HOURS, SUCCESSES_KEPT, Pruned, Retention
from fraisier.store.audit import note
from fraisier.store.settling import settle
from fraisier.store.tables import (
    deployment_hosts,
    deployments,
    events,
    health_events,
    targets,
    untold,
)
from fraisier.store.transactions import Transactions

HOUR = 3_600 * 1_000_000
#: Deployments looked at, and events removed, in one transaction.
LOOKED_AT, REMOVED = 200, 2000

_LINE = events.c.type == "log.line"
#: The end of a log stays: its number tells how many events there were. So does what the tests of a
#: version came to, for it may go on later.
_OTHER = events.c.type.not_in(("log.line", "deployment.completed", "deployment.tested"))
#: Of these some sink still has to hear.
_TELLING = deployments.c.id.in_(select(untold.c.stream_id))


def prune(engine: Engine, retention: Retention, now: int, dry_run: bool = False) -> Pruned:
    """Remove what may go at `now` (microseconds) and return how much; raise StoreError.

    A dry run only counts. What is live, holds a target, is one of the last successes of a target,
    may be asked for again with its idempotency key or has not gone on to every sink is never
    removed.
    """
    return _Pruning(engine, retention, now, dry_run).run()


class _Pruning(Transactions):
    def __init__(self, engine: Engine, retention: Retention, now: int, dry_run: bool) -> None:
        super().__init__(engine)
        self._retention, self._now, self._dry = retention, now, dry_run

    def run(self) -> Pruned:
        while self._settled():
            pass
        gone = self._surplus() if self._retention.deployments is not None else []
        for one in [] if self._dry else gone:
            self._remove_deployment(*one)
        self._old_health()
        skipped = [one for one, _ in gone]
        pruned = Pruned(
            len(gone),
            self._old_events(_OTHER, self._retention.events_days, skipped),
            self._old_events(_LINE, self._retention.logs_days, skipped),
        )
        if not self._dry and pruned != Pruned():
            with self._transaction() as connection:
                note(connection, "retention", "db.prune", "records", str(vars(pruned)))
        return pruned

    def _settled(self) -> int:
        with self._transaction() as connection:
            return settle(connection)

    def _surplus(self) -> list[tuple[str, int]]:
        """Return the id and the number of events of each deployment that may go."""
        with self._transaction(reading=True) as connection:
            of = [str(row.id) for row in connection.execute(select(targets.c.id))]
        found = []
        for target in of:
            with self._transaction(reading=True) as connection:
                found += self._surplus_of(connection, target)
        return found

    def _surplus_of(self, connection: Connection, target: str) -> list[tuple[str, int]]:
        mine = deployments.c.target_id == target
        newest = select(deployments.c.id).where(mine).order_by(deployments.c.accepted.desc())
        kept = _ids(connection, newest.limit(self._retention.deployments))
        good = newest.where(deployments.c.status == Status.SUCCESS.value)
        kept |= _ids(connection, good.limit(SUCCESSES_KEPT))
        kept |= _ids(connection, select(targets.c.held_by).where(targets.c.id == target))
        repeatable = and_(
            deployments.c.idempotency_key.is_not(None),
            deployments.c.created_at > self._now - KEY_HOURS * HOUR,
        )
        query = select(deployments.c.id, deployments.c.last_sequence).where(
            mine, deployments.c.completed_at.is_not(None), ~repeatable, ~_TELLING
        )
        return [(row.id, row.last_sequence) for row in connection.execute(query)
                if row.id not in kept]  # fmt: skip

    def _remove_deployment(self, deployment_id: str, last_sequence: int) -> None:
        mine = events.c.deployment_id == deployment_id
        for until in range(REMOVED, last_sequence, REMOVED):
            self._delete(and_(mine, events.c.sequence <= until))
        with self._transaction() as connection:
            connection.execute(delete(events).where(mine))
            hosts = deployment_hosts.c.deployment_id == deployment_id
            connection.execute(delete(deployment_hosts).where(hosts))
            connection.execute(delete(deployments).where(deployments.c.id == deployment_id))

    def _old_events(
        self, which: ColumnElement[bool], days: int | None, skipped: Sequence[str]
    ) -> int:
        """Remove events of deployments that ended so many days ago; return how many."""
        if days is None:
            return 0
        total, gone = 0, set(skipped)
        for page in self._ended_before(self._now - days * 24 * HOUR):
            with self._transaction(reading=True) as connection:
                per = select(events.c.deployment_id, func.count(), func.max(events.c.sequence))
                chosen = per.where(events.c.deployment_id.in_(page), which)
                rows = connection.execute(chosen.group_by(events.c.deployment_id)).all()
            for deployment_id, count, last in rows:
                if deployment_id not in gone:
                    total += count
                    self._remove_events(deployment_id, which, last)
        return total

    def _old_health(self) -> None:
        """Remove what was told of health outside of deployments, as old as other events."""
        if self._retention.events_days is None or self._dry:
            return
        old = health_events.c.at < self._now - self._retention.events_days * 24 * HOUR
        telling = health_events.c.id.in_(select(untold.c.stream_id))
        with self._transaction() as connection:
            connection.execute(delete(health_events).where(old, ~telling))

    def _remove_events(
        self, deployment_id: str, which: ColumnElement[bool], last_sequence: int
    ) -> None:
        mine = and_(events.c.deployment_id == deployment_id, which)
        for until in [] if self._dry else range(REMOVED, last_sequence + REMOVED, REMOVED):
            self._delete(and_(mine, events.c.sequence <= until))

    def _delete(self, which: ColumnElement[bool]) -> None:
        with self._transaction() as connection:
            connection.execute(delete(events).where(which))

    def _ended_before(self, moment: int) -> Iterator[list[str]]:
        """Yield the ids of deployments that ended before a moment, a page at a time."""
        at: tuple[int, str] = (0, "")
        while True:
            ended, name = deployments.c.completed_at, deployments.c.id
            after = or_(ended > at[0], and_(ended == at[0], name > at[1]))
            old = and_(ended < moment, after, ~_TELLING)
            query = select(name, ended).where(old).order_by(ended, name)
            with self._transaction(reading=True) as connection:
                rows = connection.execute(query.limit(LOOKED_AT)).all()
            if not rows:
                return
            yield [row.id for row in rows]
            at = (rows[-1].completed_at, rows[-1].id)


def _ids(connection: Connection, query: Any) -> set[str]:
    return {row[0] for row in connection.execute(query)}
