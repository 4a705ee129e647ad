"""The health of what is deployed: whose turn it is to look, what was found, and what is told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, and_, delete, exists, insert, or_, select, update

from fraisier.domain.catalogue import Target
from fraisier.domain.event import Fact
from fraisier.domain.health import (
    Claimed,
    Health,
    HostHealth,
    Seen,
    Verdict,
    after_look,
    availability,
)
from fraisier.domain.ids import new_id
from fraisier.store import log
from fraisier.store.clock import lease_now, utc_now
from fraisier.store.reading import Reading, is_target
from fraisier.store.tables import deployments, health_events, target_checks, target_health, targets

MICROSECONDS = 1_000_000
#: What the id of a claim becomes once its look is recorded.
_OPEN, _DONE = "chk_", "did_"


class HealthRecords(Reading):
    """What the periodic health checks of each target found."""

    def claim_check(self, target: Target, seconds: float) -> Claimed | None:
        """Return the right to look at a target now, for so many seconds; None where it is not due.

        Nobody may while a deployment of it is under way, or another process looks.
        """
        claim = new_id("chk")

        def change(connection: Connection) -> Claimed | None:
            row = _target(connection, target)
            if row is None or _is_busy(connection, row.id):
                return None
            at = lease_now(connection)
            until = at + int(seconds * MICROSECONDS)
            taken = _take(connection, row.id, claim, at, until, target.monitoring.interval)
            return Claimed(claim, row.fence) if taken else None

        def done(connection: Connection) -> Claimed | None:
            query = (
                select(targets.c.fence).join(target_checks).where(target_checks.c.claim == claim)
            )
            fence = connection.scalar(query)
            return None if fence is None else Claimed(claim, fence)

        return self._write(change, done)

    def record_check(
        self, claimed: Claimed, target: Target, seen: Sequence[Seen]
    ) -> list[Verdict] | None:
        """Record what a look found, and return what was told of; None where it does not count.

        It does not where a deployment has begun since, or where the claim had run out.
        """
        mark = claimed.id.replace(_OPEN, _DONE)
        told: list[Verdict] = []

        def change(connection: Connection) -> list[Verdict] | None:
            told.clear()
            mine = target_checks.c.claim == claimed.id
            until = lease_now(connection) + int(target.monitoring.interval * MICROSECONDS)
            ended = update(target_checks).where(mine).values(claim=mark, until=until)
            row = _target(connection, target)
            if connection.execute(ended).rowcount == 0 or row is None:
                return None
            if row.fence != claimed.fence or _is_busy(connection, row.id):
                return None
            told.extend(_put(connection, row.id, target, seen))
            return told

        def done(connection: Connection) -> list[Verdict] | None:
            recorded = select(target_checks.c.claim).where(target_checks.c.claim == mark)
            return told if connection.scalar(recorded) else None

        return self._write(change, done)

    def health(
        self, fraise: str | None = None, environment: str | None = None
    ) -> dict[tuple[str, str], list[HostHealth]]:
        """Return what the looks at each target came to, by its fraise and environment."""
        query = select(targets.c.fraise, targets.c.environment, target_health).join(target_health)
        for column, wanted in ((targets.c.fraise, fraise), (targets.c.environment, environment)):
            query = query if wanted is None else query.where(column == wanted)
        found: dict[tuple[str, str], list[HostHealth]] = {}
        with self._transaction(reading=True) as connection:
            for row in connection.execute(query.order_by(target_health.c.host)):
                found.setdefault((row.fraise, row.environment), []).append(_from(row))
        return found


def _target(connection: Connection, target: Target) -> Any:
    query = select(targets.c.id, targets.c.fence)
    return connection.execute(query.where(is_target(target.fraise, target.environment))).first()


def _is_busy(connection: Connection, target_id: str) -> bool:
    return bool(connection.scalar(select(exists().where(deployments.c.live_target == target_id))))


def _take(
    connection: Connection, target_id: str, claim: str, at: int, until: int, interval: float
) -> bool:
    """Put a claim where there is none, or one that is over, also by a clock that was set back.

    The pause after a look is over as well where it is longer than the interval that holds now.
    """
    next_at = at + int(interval * MICROSECONDS)
    paused = target_checks.c.claim.startswith(_DONE, autoescape=True)
    over = or_(
        target_checks.c.until <= at,
        target_checks.c.until > max(until, next_at),
        and_(paused, target_checks.c.until > next_at),
    )
    due = and_(target_checks.c.target_id == target_id, over)
    values = {"claim": claim, "until": until}
    if connection.execute(update(target_checks).where(due).values(**values)).rowcount:
        return True
    known = select(target_checks.c.target_id).where(target_checks.c.target_id == target_id)
    if connection.scalar(known) is not None:
        return False
    connection.execute(insert(target_checks).values(target_id=target_id, **values))
    return True


def _put(
    connection: Connection, target_id: str, target: Target, seen: Sequence[Seen]
) -> list[Verdict]:
    """Put what was seen in the place of what was; hosts that are the target's no more are gone."""
    mine = target_health.c.target_id == target_id
    before = {row.host: _from(row) for row in connection.execute(select(target_health).where(mine))}
    threshold, at = target.monitoring.failure_threshold, utc_now(connection)
    found = [Verdict(before.get(s.host), *after_look(before.get(s.host), s, threshold, at))
             for s in seen]  # fmt: skip
    connection.execute(delete(target_health).where(mine))
    if found:
        rows = [{**vars(each.after), "health": each.after.health.value} for each in found]
        connection.execute(insert(target_health), [{"target_id": target_id, **r} for r in rows])
    told = [each for each in found if each.news]
    facts = [Fact(each.event_type, each.after.host, each.data(target.check_type)) for each in told]
    well = availability([each.after.health for each in found])
    if well != availability([each.health for each in before.values()]):
        facts.append(Fact("metrics.service", None, well))
    for fact in facts:
        _tell(connection, target, fact, at)
    return told


def _tell(connection: Connection, target: Target, fact: Fact, at: int) -> None:
    """Record an event that is a stream of its own, in which it is the first and last."""
    event_id = new_id("evt")
    row = {
        "id": event_id,
        "at": at,
        "type": fact.type,
        "host": fact.host or "",
        "fraise": target.fraise,
        "environment": target.environment,
        "provider": target.provider,
        "region": target.region,
        "data": fact.data,
    }
    connection.execute(insert(health_events).values(**row))
    log.begin(connection, event_id, log.HEALTH)


def _from(row: Any) -> HostHealth:
    return HostHealth(
        row.host, Health(row.health), row.reason, row.since, row.seen_at, row.failures,
        row.passed, row.failed,
    )  # fmt: skip
