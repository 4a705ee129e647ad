"""The audit trail as it is shown."""

from __future__ import annotations

from typing import Any

from fraisier.domain.audit import AuditFilter, AuditRow, AuditStore
from fraisier.engine.views import timestamp

#: The part of an action's name that says that the glass was broken for it.
BREAK_GLASS = "break_glass"


def audit_page(store: AuditStore, wanted: AuditFilter) -> tuple[list[dict[str, Any]], int]:
    """Return a page of the trail, newest first, and how many rows there are."""
    return [audit_json(each) for each in store.audit(wanted)], store.count_audit(wanted)


def audit_json(row: AuditRow) -> dict[str, Any]:
    """Return a row of the trail."""
    return {**vars(row), "at": timestamp(row.at)}
