"""The audit trail over HTTP."""

from __future__ import annotations

from typing import Any

from flask import Response
from marshmallow import Schema, fields
from marshmallow.validate import OneOf

from fraisier.api.asks import AuditQuery, said
from fraisier.api.cursors import split
from fraisier.api.foreign import Foreign
from fraisier.api.lists import microseconds
from fraisier.api.pages import page
from fraisier.api.parts import moment, page_of, text
from fraisier.api.routes import Routes
from fraisier.api.services import Services
from fraisier.domain.audit import DONE, FORBIDDEN, AuditFilter
from fraisier.domain.token import Scope
from fraisier.engine.trail import audit_page


class AuditItem(Schema):
    id = text()
    at = moment("When it was done.")
    actor = text("A token's id, cli:<login>, webhook:<git host>, promotion:<deployment>, …")
    actor_name = text("The name of the token.", null=True)
    action = text("What was done.")
    subject = text("What it was done to, mostly an id.")
    reason = text("Why, where somebody said it.")
    result = fields.String(
        required=True, validate=OneOf((DONE, FORBIDDEN)), **said("What came of it.")
    )


AuditPage = page_of("audit", AuditItem)


def blueprint(services: Services) -> Routes:
    """Return the route of the audit trail."""
    routes = Routes(
        "audit", __name__, url_prefix="/api/v1/audit", description="Who did what.",
        foreign=Foreign.REFUSED,
    )  # fmt: skip

    @routes.operation("GET", "", Scope.ADMIN, AuditPage, query=AuditQuery)
    def audit(query: dict[str, Any]) -> Response:
        """List who did what to what, why and when, newest first."""
        limit, place, since = query.pop("limit"), query.pop("cursor"), query.pop("since")
        wanted = AuditFilter(since=microseconds(since), limit=limit + 1, place=place, **query)
        found, total = audit_page(services.store, wanted)
        shown, following = split(found, limit, "at")
        return page("audit", shown, total, limit, wanted.offset, following)

    return routes
