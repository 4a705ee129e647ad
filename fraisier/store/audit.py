"""The audit trail: who did what to what, inside the caller's transaction."""

from __future__ import annotations

from sqlalchemy import Connection, insert, select

from fraisier.domain.audit import DONE
from fraisier.domain.ids import new_id
from fraisier.store import log
from fraisier.store.clock import utc_now
from fraisier.store.tables import audit


def note(
    connection: Connection,
    actor: str,
    action: str,
    subject: str,
    reason: str = "",
    mark: str | None = None,
    result: str = DONE,
) -> None:
    """Record that `actor` did `action` to `subject`. `noted` finds the row by its `mark`."""
    row = {"actor": actor, "action": action, "subject": subject, "reason": reason}
    row["result"] = result
    note_id = mark or new_id("aud")
    connection.execute(insert(audit).values(id=note_id, at=utc_now(connection), **row))
    log.begin(connection, note_id, log.AUDIT)


def noted(connection: Connection, mark: str) -> bool:
    """Return whether the note with this mark is recorded."""
    return connection.scalar(select(audit.c.id).where(audit.c.id == mark)) is not None
