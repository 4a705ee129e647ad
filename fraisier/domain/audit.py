"""The audit trail: who did what to what, why and when. Rows are added and never changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from fraisier.domain.paging import Place

#: What came of it: it was done, or it was forbidden and nothing else changed.
DONE, FORBIDDEN = "done", "forbidden"


@dataclass(frozen=True)
class AuditRow:
    """One thing that was done (`at`: UTC microseconds). `actor` is a token's id, `cli:<login>`,
    `webhook:<git host>`, `promotion:<deployment>`, or a part of Fraisier that has a policy;
    `actor_name` a token's name.
    """

    id: str
    at: int
    actor: str
    action: str
    subject: str
    reason: str
    result: str = DONE
    actor_name: str | None = None


@dataclass(frozen=True)
class AuditFilter:
    """Which rows to list, newest first; None means any. `since` is in microseconds."""

    actor: str | None = None
    action: str | None = None
    subject: str | None = None
    since: int | None = None
    limit: int = 100
    offset: int = 0
    place: Place | None = None


class AuditStore(Protocol):
    """The audit trail. Each method is one transaction."""

    def audit(self, wanted: AuditFilter) -> Sequence[AuditRow]:
        """Return rows, newest first."""

    def count_audit(self, wanted: AuditFilter) -> int:
        """Return how many rows there are, whatever the limit and offset."""

    def add_audit(
        self, actor: str, action: str, subject: str, reason: str = "", result: str = DONE
    ) -> None:
        """Record something that changes nothing else in the records."""
