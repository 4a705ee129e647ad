"""Tokens over HTTP: made, listed, given another secret, revoked."""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify
from marshmallow import Schema, fields
from marshmallow.validate import Length, OneOf, Range

from fraisier.api.access import asker, who
from fraisier.api.asks import ListQuery, Request, Seconds, said, text
from fraisier.api.foreign import Foreign
from fraisier.api.pages import page_of_all
from fraisier.api.parts import list_of, moment, page_of
from fraisier.api.parts import text as told
from fraisier.api.routes import Routes
from fraisier.api.services import Services
from fraisier.domain.reach import ALL, LONGEST, MOST, Reach
from fraisier.domain.token import DAYS_OF_TOKENS, LONGEST_OVERLAP, Scope, lifetime
from fraisier.engine.tokens import DAY
from fraisier.engine.views import revoked_json, token_json

SCOPES = [scope.value for scope in Scope]


class NewToken(Request):
    name = text(255, required=True, **said("What it is for."))
    scope = fields.String(
        validate=OneOf(SCOPES),
        load_default=Scope.DEPLOY.value,
        **said(f"One of {', '.join(SCOPES)}."),
    )
    targets = fields.List(
        text(LONGEST), validate=Length(1, MOST), load_default=lambda: [ALL],
        **said("What it reaches: FRAISE/ENVIRONMENT, each a name, * or a beginning and then *."),
    )  # fmt: skip
    expires_in = text(
        10, load_default=DAYS_OF_TOKENS, **said("How long it is valid: 12h, 90d, 52w, or never.")
    )


class RotateRequest(Request):
    overlap = Seconds(
        load_default=0.0, validate=Range(0, LONGEST_OVERLAP), allow_nan=False,
        **said("For how many seconds the secret before stays valid."),
    )  # fmt: skip


class TokenItem(Schema):
    id = told()
    name = told()
    scope = fields.String(required=True, validate=OneOf(SCOPES))
    targets = list_of(fields.String())
    valid = fields.Boolean(required=True)
    created_by = told("Who made it.")
    created_at = moment("When it was made.")
    expires_at = moment("When it ends; null: when it is revoked.", null=True)
    last_used_at = moment("When it was used last, to the minute.", null=True)
    revoked_at = moment("When it was revoked.", null=True)
    rotated_at = moment("Since when it has its secret, where that is not its first.", null=True)
    previous_until = moment("Until when the secret before is valid.", null=True)


class RevokeQuery(Request):
    made = fields.Boolean(
        load_default=False, **said("Also every token that it made, or that those made.")
    )


class RevokedToken(TokenItem):
    revoked_with_it = list_of(fields.String(metadata={"description": "The id of a token."}))


class TokenWithSecret(TokenItem):
    token = told("The secret, told this once.")


TokenPage = page_of("tokens", TokenItem)


def blueprint(services: Services) -> Routes:
    """Return the routes of tokens; all need one that reaches everything."""
    routes = Routes(
        "tokens", __name__, url_prefix="/api/v1/auth/tokens", description="Tokens.",
        foreign=Foreign.REFUSED,
    )  # fmt: skip

    @routes.operation("POST", "", Scope.ADMIN, TokenWithSecret, 201, body=NewToken)
    def create(body: dict[str, Any]) -> tuple[Response, int]:
        """Make a token and tell its secret, this once. It reaches and lasts no further."""
        lasts, reach = lifetime(body["expires_in"]), Reach.of(body["targets"])
        days = None if lasts is None else lasts / DAY
        parts = (body["name"], Scope(body["scope"]), days, who(), reach, asker())
        token, secret = services.tokens.create(*parts)
        return jsonify({**token_json(token), "token": secret}), 201

    @routes.operation("GET", "", Scope.ADMIN, TokenPage, query=ListQuery)
    def tokens(query: dict[str, Any]) -> Response:
        """List the tokens, newest first, without their secrets."""
        return page_of_all("tokens", [token_json(each) for each in services.tokens.all()], **query)

    @routes.operation(
        "POST", "/<name:token_id>/rotate", Scope.ADMIN, TokenWithSecret,
        body=RotateRequest, body_required=False,
    )  # fmt: skip
    def rotate(body: dict[str, Any], token_id: str) -> Response:
        """Give a token another secret, told this once; it lasts as long again as it did."""
        token, secret = services.tokens.rotate(token_id, body["overlap"], who(), asker())
        return jsonify({**token_json(token), "token": secret})

    @routes.operation("DELETE", "/<name:token_id>", Scope.ADMIN, RevokedToken, query=RevokeQuery)
    def revoke(query: dict[str, Any], token_id: str) -> Response:
        """Make a token invalid for good, from the next request on; 409 where it was already.

        With `made` it may be revoked already.
        """
        if query["made"]:
            token, others = services.tokens.revoke_with_made(token_id, who())
        else:
            token, others = services.tokens.revoke(token_id, who()), []
        return jsonify(revoked_json(token, others))

    return routes
