"""The audit trail as it is read, and what is added to it where nothing else is changed."""

from __future__ import annotations

from operator import eq, ge
from typing import Any

from sqlalchemy import Connection, func, or_, select

from fraisier.domain.audit import DONE, AuditFilter, AuditRow
from fraisier.domain.ids import new_id
from fraisier.store.audit import note, noted
from fraisier.store.lists import after
from fraisier.store.reading import Reading, token_name
from fraisier.store.tables import audit


class Trail(Reading):
    """The audit trail; its rows are never changed, and no retention removes them."""

    def audit(self, wanted: AuditFilter) -> list[AuditRow]:
        """Return rows, newest first."""
        named = select(audit, token_name(audit.c.actor).label("actor_name"))
        newest = named.where(*_conditions(wanted)).order_by(audit.c.at.desc())
        page = newest.order_by(audit.c.id.desc()).limit(wanted.limit).offset(wanted.offset)
        with self._transaction(reading=True) as connection:
            if wanted.place is not None:
                page = page.where(after(connection, audit.c.id, audit.c.at, wanted.place))
            return [AuditRow(**row._mapping) for row in connection.execute(page)]

    def count_audit(self, wanted: AuditFilter) -> int:
        """Return how many rows there are, whatever the limit and offset."""
        query = select(func.count()).select_from(audit).where(*_conditions(wanted))
        with self._transaction(reading=True) as connection:
            return connection.scalar(query) or 0

    def add_audit(
        self, actor: str, action: str, subject: str, reason: str = "", result: str = DONE
    ) -> None:
        """Record something that changes nothing else in the records."""
        mark = new_id("aud")

        def change(connection: Connection) -> bool:
            note(connection, actor, action, subject, reason, mark, result)
            return True

        self._write(change, lambda connection: noted(connection, mark) or None)


def _conditions(wanted: AuditFilter) -> list[Any]:
    wishes = (
        (audit.c.action, eq, wanted.action),
        (audit.c.subject, eq, wanted.subject),
        (audit.c.at, ge, wanted.since),
    )
    found = [compare(column, wish) for column, compare, wish in wishes if wish is not None]
    if wanted.actor is not None:
        names = (audit.c.actor, token_name(audit.c.actor))
        found.append(or_(*(name == wanted.actor for name in names)))
    return found
