"""The audit trail: who did what to what, inside the caller's transaction."""

from __future__ import annotations

from sqlalchemy import Connection, insert

from fraisier.domain.ids import new_id, now
from fraisier.store.tables import audit


def note(connection: Connection, actor: str, action: str, subject: str, reason: str = "") -> None:
    """Record that `actor` did `action` to `subject`."""
    row = {"actor": actor, "action": action, "subject": subject, "reason": reason}
    connection.execute(insert(audit).values(id=new_id("aud"), at=now(), **row))
