"""Who may do what: a route is closed unless it is listed here or the token's scope reaches it."""

from __future__ import annotations

import ipaddress

from flask import Flask, g, request

from fraisier.domain.errors import Forbidden, StoreError, Unauthorized
from fraisier.domain.token import Scope, Token
from fraisier.engine.tokens import Tokens

#: Blueprints that need no token: health, the description of the API, and what git hosts sign.
OPEN = frozenset({"health", "health_v1", "api-docs", "documents", "git-webhooks"})
METRICS = "metrics.metrics"
HEADER = "send it as: Authorization: Bearer TOKEN"


def guard(app: Flask, tokens: Tokens) -> None:
    """Ask for a token before every request of an application."""

    def check() -> None:
        if request.endpoint is None or request.blueprint in OPEN:
            return
        if request.endpoint == METRICS and _is_here():
            return
        g.token = tokens.recognise(_presented())
        needed = scope_of(app, request.endpoint)
        if needed is None or not g.token.scope.reaches(needed):
            raise Forbidden(
                f'this token may "{g.token.scope}"; this needs "{needed or "nothing there is"}"',
                "use a token with a wider scope: fraisier token create NAME --scope",
            )

    app.before_request(check)


def scope_of(app: Flask, endpoint: str) -> Scope | None:
    """Return the scope that a route needs; None is for nobody."""
    return getattr(app.view_functions[endpoint], "scope", None)


def who() -> str:
    """Return the id of the token that asks."""
    token: Token = g.token
    return token.id


def may(scope: Scope) -> bool:
    """Return whether the token that asks reaches a scope beyond that of its route."""
    token: Token = g.token
    return token.scope.reaches(scope)


def is_known(tokens: Tokens) -> bool:
    """Return whether who asks shows a good token, where none is needed."""
    try:
        tokens.recognise(_presented())
    except (Unauthorized, StoreError):
        return False
    return True


def _presented() -> str:
    shown = request.authorization
    if shown is None or shown.type != "bearer" or not shown.token:
        raise Unauthorized("a token is needed", HEADER)
    return shown.token


def _is_here() -> bool:
    """True for a client on this machine; what a proxy passes on may come from anywhere."""
    passed_on = any(name in request.headers for name in ("Forwarded", "X-Forwarded-For", "Via"))
    try:
        address = ipaddress.ip_address(request.remote_addr or "")
    except ValueError:
        return False
    return address.is_loopback and not passed_on
