"""Who may do what: a route is closed unless it is listed here or the token's scope reaches it."""

from __future__ import annotations

import ipaddress
from typing import cast

from flask import Flask, Response, g, has_request_context, request
from werkzeug.local import LocalProxy

from fraisier.api.foreign import Foreign
from fraisier.api.services import Services
from fraisier.domain.errors import Forbidden, StoreError, Unauthorized
from fraisier.domain.reach import NOTHING, Reach
from fraisier.domain.token import Scope, Token
from fraisier.engine.rates import Left, Rates
from fraisier.engine.tokens import Tokens
from fraisier.engine.within import beyond

#: Blueprints that need no token: health, the description of the API, and what git hosts sign.
OPEN = frozenset({"health", "health_v1", "api-docs", "documents", "git-webhooks"})
METRICS = "metrics.metrics"
HEADER = "send it as: Authorization: Bearer TOKEN"
#: Methods that change nothing.
LOOKING = ("GET", "HEAD", "OPTIONS")
#: Of IPv6 a client has a whole network of this length, so that is counted as one address.
IPV6_PREFIX = 64


def guard(app: Flask, tokens: Tokens, rates: Rates | None) -> None:
    """Ask for a token before every request of an application, and count what each one sends."""

    def check() -> None:
        if request.endpoint is None or request.blueprint in OPEN:
            return
        if request.endpoint == METRICS and _is_here():
            return
        g.token = _recognised(tokens, rates)
        if rates is not None:
            g.left = rates.request(g.token.id, changes=request.method not in LOOKING)
        _require_scope(scope_of(app, request.endpoint))
        shared = foreign_of(app, request.endpoint) in (Foreign.HIDDEN, Foreign.SHARED)
        if not shared and not g.token.reach.everything:
            raise beyond()

    app.before_request(check)
    app.after_request(_with_what_is_left)


def scope_of(app: Flask, endpoint: str) -> Scope | None:
    """Return the scope that a route needs; None is for nobody."""
    return getattr(app.view_functions[endpoint], "scope", None)


def foreign_of(app: Flask, endpoint: str) -> Foreign | None:
    """Return how a route treats what a token does not reach; None: it does not say."""
    return getattr(app.view_functions[endpoint], "foreign", None)


def who() -> str:
    """Return the id of the token that asks."""
    return asker().id


def asker() -> Token:
    """Return the token that asks."""
    token: Token = g.token
    return token


def reach() -> Reach:
    """Return the targets that the token of this request reaches; without a token there are none."""
    return g.token.reach if "token" in g else NOTHING


def reached(services: Services) -> Services:
    """Return the services as each request may see them, so that no route can forget it.

    Outside of a request they are whole.
    """

    def seen() -> Services:
        if not has_request_context():
            return services
        if "services" not in g:
            g.services = services.within(reach())
        return cast("Services", g.services)

    return cast("Services", LocalProxy(seen))


def _recognised(tokens: Tokens, rates: Rates | None) -> Token:
    """Return the token that is shown. One that is valid passes, whatever its address did before."""
    try:
        return tokens.recognise(_presented())
    except Unauthorized:
        if rates is not None:
            rates.failure(address())
        raise


def _require_scope(needed: Scope | None) -> None:
    if needed is None or not asker().scope.reaches(needed):
        raise wider_needed(needed)


def wider_needed(needed: Scope | None, what: str = "this") -> Forbidden:
    """Return the error of a token that does not reach the scope for `what`; None is for nobody."""
    has = asker().scope
    if needed is None:
        return Forbidden(f'this token may "{has}"; no token may do {what}')
    return Forbidden(
        f'this token may "{has}"; {what} needs "{needed}"',
        f"use a token with that scope: fraisier token create NAME --scope {needed}",
    )


def _with_what_is_left(answer: Response) -> Response:
    left: Left | None = g.get("left")
    if left is not None:
        answer.headers["X-RateLimit-Limit"] = str(left.limit)
        answer.headers["X-RateLimit-Remaining"] = str(left.remaining)
        answer.headers["X-RateLimit-Reset"] = str(left.reset)
    return answer


def may(scope: Scope) -> bool:
    """Return whether the token that asks reaches a scope beyond that of its route."""
    return asker().scope.reaches(scope)


def is_known(tokens: Tokens) -> bool:
    """Return whether who asks shows a good token that reaches everything, where none is needed."""
    try:
        return tokens.recognise(_presented()).reach.everything
    except (Unauthorized, StoreError):
        return False


def _presented() -> str:
    shown = request.authorization
    if shown is None or shown.type != "bearer" or not shown.token:
        raise Unauthorized("a token is needed", HEADER)
    return shown.token


def address() -> str:
    """Return what a client's failures are counted by."""
    try:
        address = ipaddress.ip_address(request.remote_addr or "")
    except ValueError:
        return "unknown"
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    return str(ipaddress.ip_network((address, IPV6_PREFIX), strict=False))


def _is_here() -> bool:
    """True for a client on this machine; what a proxy passes on may come from anywhere."""
    passed_on = any(name in request.headers for name in ("Forwarded", "X-Forwarded-For", "Via"))
    try:
        address = ipaddress.ip_address(request.remote_addr or "")
    except ValueError:
        return False
    return address.is_loopback and not passed_on
