"""What sinks were told: progress per sink and stream, and what is left, in the order of each log.

Nothing is read by a cursor over ids, for those appear out of the order of their commits. A stream
(a deployment's log, one audit note, or one change of a host's health) is `untold` from the
transaction that begins it until it has ended and every sink was told all of it; within it,
sequences are gapless and committed in order.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import (
    Connection,
    and_,
    delete,
    func,
    insert,
    literal,
    or_,
    select,
    update,
)

from fraisier.domain.errors import LeaseLost
from fraisier.domain.notice import Notice
from fraisier.store.clock import utc_now
from fraisier.store.log import AUDIT, DEPLOYMENT, HEALTH
from fraisier.store.settling import settle
from fraisier.store.streams import notices_of, waiting_for
from fraisier.store.tables import (
    audit,
    deployments,
    events,
    health_events,
    relay_progress,
    relays,
    untold,
)
from fraisier.store.transactions import never
from fraisier.store.workers import Workers

#: How many streams are read for one answer of `untold`.
STREAMS = 50


class Relays(Workers):
    """The progress of each sink; one worker at a time serves it."""

    def hold_relay(self, sink: str, worker_id: str) -> Mapping[str, Any] | None:
        """Let a worker serve a sink, and return what to remember of it.

        None while another one that is alive serves it. Raises LeaseLost where this one is not
        counted among the living.
        """

        def change(connection: Connection) -> Mapping[str, Any] | None:
            self._require_alive(connection, worker_id)
            one = relays.c.sink == sink
            row = connection.execute(select(relays).where(one).with_for_update()).first()
            at = utc_now(connection)
            if row is None:
                new = {"sink": sink, "worker_id": worker_id, "seen_at": at, "state": {}}
                connection.execute(insert(relays).values(**new))
                return {}
            if row.worker_id != worker_id and self._lives(connection, row):
                return None
            mine = {"worker_id": worker_id, "seen_at": at}
            connection.execute(update(relays).where(one).values(**mine))
            state: Mapping[str, Any] = row.state
            return state

        return self._write(change, never)

    def leave_relay(self, sink: str, worker_id: str) -> None:
        """Let others serve a sink."""
        mine = and_(relays.c.sink == sink, relays.c.worker_id == worker_id)

        def change(connection: Connection) -> None:
            free = {"worker_id": None, "seen_at": utc_now(connection)}
            connection.execute(update(relays).where(mine).values(**free))

        self._write(change, never)

    def remember(self, sink: str, worker_id: str, state: Mapping[str, Any]) -> None:
        """Keep what a sink wants to know at its next beginning; raise LeaseLost."""

        def change(connection: Connection) -> None:
            self._require_relay(connection, sink, worker_id)
            one = relays.c.sink == sink
            connection.execute(update(relays).where(one).values(state=dict(state)))

        self._write(change, never)

    def untold(self, sink: str, limit: int, after: str = "") -> list[Notice]:
        """Return events that a sink was not told of, each stream's in order without a gap.

        Of many streams those after the id `after` come first, so that each has its turn.
        """
        with self._transaction(reading=True) as connection:
            waiting = waiting_for(sink).limit(STREAMS)
            stream = untold.c.stream_id
            later = connection.execute(waiting.where(stream > after).order_by(stream)).all()
            room = STREAMS - len(later)
            first = waiting.where(stream <= after).order_by(stream).limit(room)
            rows = [*later, *(connection.execute(first).all() if room and after else ())]
            share = max(1, limit // max(1, len(rows)))
            found: list[Notice] = []
            for row in rows:
                if len(found) >= limit:
                    break
                found += notices_of(connection, row, min(share, limit - len(found)))
            return found

    def told(self, sink: str, worker_id: str, reached: Mapping[str, int]) -> None:
        """Record how far a sink was told each stream; raise LeaseLost where another serves it."""

        def change(connection: Connection) -> None:
            self._require_relay(connection, sink, worker_id)
            for stream, sequence in sorted(reached.items()):
                _put_progress(connection, sink, stream, sequence)

        self._write(change, never)

    def tell_again(self, sink: str, worker_id: str, since: int) -> None:
        """Let a sink be told anew of all that is recorded and was not over at a moment.

        Nobody else is told twice. `since` is in microseconds; raises LeaseLost.
        """

        def change(connection: Connection) -> None:
            self._require_relay(connection, sink, worker_id)
            others = [name for name in connection.scalars(select(relays.c.sink)) if name != sink]
            known = select(untold.c.stream_id)
            open_or_late = or_(
                deployments.c.completed_at.is_(None), deployments.c.completed_at >= since
            )
            for kind, table, which, last in (
                (DEPLOYMENT, deployments, open_or_late, deployments.c.last_sequence),
                (AUDIT, audit, audit.c.at >= since, literal(1)),
                (HEALTH, health_events, health_events.c.at >= since, literal(1)),
            ):
                fresh = and_(which, table.c.id.not_in(known))
                for other in others:
                    done = select(literal(other), table.c.id, last).where(fresh)
                    told = insert(relay_progress)
                    connection.execute(told.from_select(["sink", "stream_id", "sequence"], done))
                rows = select(table.c.id, literal(kind)).where(fresh)
                connection.execute(insert(untold).from_select(["stream_id", "kind"], rows))
            connection.execute(delete(relay_progress).where(relay_progress.c.sink == sink))

        self._write(change, never)

    def settle_told(self) -> int:
        """Forget the streams that have ended and were told to every sink; return how many."""

        return self._write(settle, never)

    def relay_lag(self) -> dict[str, float]:
        """Return for each sink how old, in seconds, the oldest event is that it was not told of."""
        found: dict[str, float] = {}
        with self._transaction(reading=True) as connection:
            for sink in list(connection.scalars(select(relays.c.sink).order_by(relays.c.sink))):
                waiting = waiting_for(sink).subquery()
                next_one = and_(
                    events.c.deployment_id == waiting.c.stream_id,
                    events.c.sequence == waiting.c.told + 1,
                )
                oldest = connection.scalar(select(func.min(events.c.at)).where(next_one))
                alone = [
                    connection.scalar(
                        select(func.min(each.c.at)).where(each.c.id == waiting.c.stream_id)
                    )
                    for each in (audit, health_events)
                ]
                every = [at for at in (oldest, *alone) if at is not None]
                at = utc_now(connection)
                found[sink] = max(0.0, (at - min(every)) / 1e6) if every else 0.0
        return found

    def _require_relay(self, connection: Connection, sink: str, worker_id: str) -> None:
        query = select(relays.c.worker_id).where(relays.c.sink == sink).with_for_update()
        if connection.scalar(query) != worker_id:
            raise LeaseLost(f"another worker passes events on to {sink} now")


def _put_progress(connection: Connection, sink: str, stream: str, sequence: int) -> None:
    one = and_(relay_progress.c.sink == sink, relay_progress.c.stream_id == stream)
    changed = connection.execute(update(relay_progress).where(one).values(sequence=sequence))
    if changed.rowcount == 0:
        row = {"sink": sink, "stream_id": stream, "sequence": sequence}
        connection.execute(insert(relay_progress).values(**row))
