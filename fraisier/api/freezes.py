"""Freezes over HTTP: looked at, made, lifted."""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify
from marshmallow import Schema, fields
from marshmallow.validate import OneOf

from fraisier.api.access import who
from fraisier.api.asks import FreezeRequest, FreezesQuery, said
from fraisier.api.foreign import Foreign
from fraisier.api.lists import microseconds
from fraisier.api.pages import page_of_all
from fraisier.api.parts import moment, page_of, text
from fraisier.api.routes import Routes
from fraisier.api.services import Services
from fraisier.domain.token import Scope
from fraisier.engine.freezes import FreezeWish

STATES = ("planned", "holds", "ended", "lifted")


class FreezeItem(Schema):
    id = text()
    state = fields.String(required=True, validate=OneOf(STATES), **said("Whether it holds now."))
    fraise = text("A fraise or a pattern of them; * means all.")
    environment = text("* means all.")
    reason = text()
    by = text("Who made it.")
    by_name = text("The name of the token that made it.", null=True)
    created_at = moment("When it was made.")
    starts_at = moment("When it begins.", key="from")
    ends_at = moment("When it ends by itself.", null=True, key="until")
    lifted_at = moment("When it was lifted.", null=True)
    lifted_by = text("Who lifted it.", null=True)
    lifted_by_name = text("The name of the token that lifted it.", null=True)


FreezePage = page_of("freezes", FreezeItem)


def blueprint(services: Services) -> Routes:
    """Return the routes of freezes."""
    routes = Routes(
        "freezes", __name__, url_prefix="/api/v1/freezes", description="When nothing begins.",
        foreign=Foreign.REFUSED,
    )  # fmt: skip

    @routes.operation("GET", "", Scope.READ, FreezePage, query=FreezesQuery)
    def freezes(query: dict[str, Any]) -> Response:
        """List the freezes that hold or will hold, newest first."""
        found = services.freezes.all(query.pop("over"))
        return page_of_all("freezes", found, **query)

    @routes.operation("POST", "", Scope.ADMIN, FreezeItem, 201, body=FreezeRequest, problems=(404,))
    def freeze(body: dict[str, Any]) -> tuple[Response, int]:
        """Let nothing begin on some targets, or on all. Rollbacks and what runs go on."""
        starts, ends = (microseconds(body.pop(name)) for name in ("starts_at", "ends_at"))
        wish = FreezeWish(by=who(), starts_at=starts, ends_at=ends, **body)
        return jsonify(services.freezes.add(wish)), 201

    @routes.operation("DELETE", "/<name:freeze_id>", Scope.ADMIN, FreezeItem)
    def unfreeze(freeze_id: str) -> Response:
        """Lift a freeze: what waited for its end goes on. 409 where it is over already."""
        return jsonify(services.freezes.lift(freeze_id, who()))

    return routes
