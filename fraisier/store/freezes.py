"""Freezes in SQL, and what they and the deploy windows keep from beginning."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, insert, or_, select, update

from fraisier.domain.catalogue import Target
from fraisier.domain.deployment import Status
from fraisier.domain.errors import FreezeNotFound, Refused
from fraisier.domain.freeze import Freeze, NewFreeze, Stopped, goes_past, stop_of
from fraisier.domain.ids import new_id
from fraisier.store.audit import note, noted
from fraisier.store.clock import utc_now
from fraisier.store.reading import Reading, token_name
from fraisier.store.tables import deployments, freezes

#: A freeze, with the names of the tokens that made and lifted it.
_NAMED = (
    freezes,
    token_name(freezes.c.by).label("by_name"),
    token_name(freezes.c.lifted_by).label("lifted_by_name"),
)


class Freezes(Reading):
    """The records of freezes, looked at whenever something is to begin."""

    def add_freeze(self, new: NewFreeze) -> Freeze:
        """Record a freeze and return it."""
        freeze_id, mark = new_id("frz"), new_id("aud")

        def change(connection: Connection) -> Freeze:
            row = {**vars(new), "id": freeze_id, "created_at": utc_now(connection)}
            connection.execute(insert(freezes).values(**row))
            note(connection, new.by, "freeze", freeze_id, _told(new), mark)
            return _freeze(connection, freeze_id)

        return self._write(change, lambda c: _freeze(c, freeze_id) if noted(c, mark) else None)

    def lift_freeze(self, freeze_id: str, by: str) -> Freeze:
        """End a freeze, for good; raise FreezeNotFound, or Refused where it is over already."""
        mark = new_id("aud")

        def change(connection: Connection) -> Freeze:
            found = _freeze(connection, freeze_id, lock=True)
            if found.over(utc_now(connection)):
                raise Refused(f"{freeze_id} is over already", "see: fraisier freezes --all")
            values = {"lifted_at": utc_now(connection), "lifted_by": by}
            one = freezes.c.id == freeze_id
            connection.execute(update(freezes).where(one).values(**values))
            note(connection, by, "unfreeze", freeze_id, _told(found), mark)
            return _freeze(connection, freeze_id)

        return self._write(change, lambda c: _freeze(c, freeze_id) if noted(c, mark) else None)

    def freezes(self, over: bool = False) -> list[Freeze]:
        """Return those that hold or will hold, newest first; with `over` all of them."""
        with self._transaction(reading=True) as connection:
            return _freezes(connection, None if over else utc_now(connection))

    def stopped(self, target: Target) -> Stopped | None:
        """Return what keeps a deployment to a target from beginning now, if anything does."""
        with self._transaction(reading=True) as connection:
            return Gate(connection).of_target(target)


class Gate:
    """What may begin at this moment, by the freezes that are recorded and each one's windows."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._at = utc_now(connection)
        self._freezes = _freezes(connection, self._at)

    def of_target(self, target: Target) -> Stopped | None:
        """Return what keeps a deployment to a target from beginning, if it does not go past."""
        return stop_of(target, self._freezes, self._at)

    def of(self, row: Any) -> Stopped | None:
        """Return what keeps a recorded deployment from beginning."""
        past = goes_past(row.kind, row.options)
        return None if past else self.of_target(Target.from_json(row.target))

    def first_free(self, head: Any) -> Any | None:
        """Return the first of those that wait for a target that nothing stops; `head` is first."""
        if self.of(head) is None:
            return head
        behind = select(deployments).where(
            deployments.c.target_id == head.target_id,
            deployments.c.status == Status.PENDING.value,
            deployments.c.accepted > head.accepted,
        )
        rows = self._connection.execute(behind.order_by(deployments.c.accepted)).all()
        return next((row for row in rows if self.of(row) is None), None)

    def in_the_way(self, rows: Iterable[Any]) -> Any | None:
        """Return the first row that is not one that waits and cannot begin itself."""
        waits = Status.PENDING.value
        return next((row for row in rows if row.status != waits or self.of(row) is None), None)


def _freezes(connection: Connection, moment: int | None) -> list[Freeze]:
    """Return freezes, newest first; at a moment those that are not over."""
    query = select(*_NAMED).order_by(freezes.c.created_at.desc(), freezes.c.id.desc())
    if moment is not None:
        ends = or_(freezes.c.ends_at.is_(None), freezes.c.ends_at > moment)
        query = query.where(freezes.c.lifted_at.is_(None), ends)
    return _freezes_from(connection.execute(query).all())


def _freeze(connection: Connection, freeze_id: str, *, lock: bool = False) -> Freeze:
    query = select(*_NAMED).where(freezes.c.id == freeze_id)
    rows = connection.execute(query.with_for_update() if lock else query).all()
    if not rows:
        raise FreezeNotFound(f'no freeze "{freeze_id}"', "see: fraisier freezes")
    return _freezes_from(rows)[0]


def _freezes_from(rows: Sequence[Any]) -> list[Freeze]:
    return [Freeze(**row._mapping) for row in rows]


def _told(found: NewFreeze) -> str:
    """Return what a note says of a freeze: where, and why."""
    return f"{found.fraise} {found.environment}: {found.reason}"
