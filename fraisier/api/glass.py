"""Who may go past freezes and deploy windows over HTTP: tokens of administrators."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fraisier.api.access import may, who, wider_needed
from fraisier.api.services import Services
from fraisier.domain.audit import FORBIDDEN
from fraisier.domain.token import Scope
from fraisier.engine.trail import BREAK_GLASS


def require_glass(services: Services, body: Mapping[str, Any], action: str, subject: str) -> None:
    """Raise Forbidden where a request breaks the glass and its token may not; that is recorded."""
    reason = body["break_glass"]
    if reason is None or may(Scope.ADMIN):
        return
    asked = f"{action}.{BREAK_GLASS}"
    services.store.add_audit(who(), asked, subject, reason, FORBIDDEN)
    raise wider_needed(Scope.ADMIN, "break-glass")
