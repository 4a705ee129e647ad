"""Every error as RFC 9457 problem details: one table from the kinds of error to status codes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from http import HTTPStatus
from typing import Any

from flask import Flask, Response, json
from werkzeug.exceptions import HTTPException

from fraisier.domain.errors import (
    ConfigurationError,
    Forbidden,
    FraisierError,
    KeyInProgress,
    KeyReused,
    NotFound,
    RateLimited,
    Refused,
    RunnerError,
    StoreError,
    TooManyStreams,
    Unauthorized,
    Unavailable,
    UsageError,
)

PROBLEM = "application/problem+json"
RETRY_SECONDS = 2

#: The first class that an error is an instance of decides; another one is a server elsewhere.
STATUSES: tuple[tuple[type[FraisierError], HTTPStatus], ...] = (
    (Unauthorized, HTTPStatus.UNAUTHORIZED),
    (Forbidden, HTTPStatus.FORBIDDEN),
    (RateLimited, HTTPStatus.TOO_MANY_REQUESTS),
    (NotFound, HTTPStatus.NOT_FOUND),
    (KeyReused, HTTPStatus.UNPROCESSABLE_ENTITY),
    (TooManyStreams, HTTPStatus.TOO_MANY_REQUESTS),
    (Refused, HTTPStatus.CONFLICT),
    (UsageError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (ConfigurationError, HTTPStatus.SERVICE_UNAVAILABLE),
    (RunnerError, HTTPStatus.SERVICE_UNAVAILABLE),
    (StoreError, HTTPStatus.SERVICE_UNAVAILABLE),
    (Unavailable, HTTPStatus.SERVICE_UNAVAILABLE),
    (FraisierError, HTTPStatus.BAD_GATEWAY),
)
#: How webargs names the parts of a request -> how a path into them begins.
ROOTS = {"json": "$", "query": "query", "headers": "header"}

log = logging.getLogger("fraisier.api")


class Problems:
    """Turns errors into answers.

    `hidden()` maps what no answer may show to what it shows instead.
    """

    def __init__(self, hidden: Callable[[], Mapping[str, str]]) -> None:
        self._hidden = hidden

    def register(self, app: Flask) -> None:
        """Answer every error of an application in this way."""
        app.register_error_handler(HTTPException, self.of_http)
        app.register_error_handler(FraisierError, self.of_ours)

    def of_ours(self, error: FraisierError) -> Response:
        """Return the answer to an error of Fraisier's own."""
        status = next(status for kind, status in STATUSES if isinstance(error, kind))
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            log.error("%s: %s", error.code, error)
        detail, hint = self._told(error)
        answer = problem(status, error.code, detail, hint)
        if status is HTTPStatus.UNAUTHORIZED:
            answer.headers["WWW-Authenticate"] = 'Bearer realm="fraisier"'
        if isinstance(error, Unavailable | StoreError | KeyInProgress | TooManyStreams):
            answer.headers["Retry-After"] = str(RETRY_SECONDS)
        if isinstance(error, RateLimited):
            answer.headers["Retry-After"] = str(error.seconds)
            answer.headers |= {
                "X-RateLimit-Limit": str(error.limit),
                "X-RateLimit-Remaining": "0",
                "X-RateLimit-Reset": str(error.seconds),
            }
        return answer

    def of_http(self, error: HTTPException) -> Response:
        """Return the answer to an error of HTTP itself, or of a request's shape."""
        status = HTTPStatus(error.code or 500)
        wrong = list(_wrong(getattr(error, "data", None) or {}))
        if wrong:
            return problem(status, "invalid_arguments", "the request is not right", errors=wrong)
        told = error.description if isinstance(error, Explained) else ""
        answer = problem(status, error.name.lower().replace(" ", "_"), told or "")
        allowed = getattr(error, "valid_methods", None)
        if allowed:
            answer.headers["Allow"] = ", ".join(sorted(allowed))
        return answer

    def _told(self, error: FraisierError) -> tuple[str, str]:
        if isinstance(error, StoreError):
            return "the database does not answer", "the server's log says why"
        if isinstance(error, ConfigurationError):
            said = "; ".join(f"{each.path}: {each.message}" for each in error.problems)
            return f"the server's configuration cannot be used: {said}", error.hint
        return self._shown(error.message), self._shown(error.hint)

    def _shown(self, text: str) -> str:
        for secret, instead in self._hidden().items():
            text = text.replace(secret, instead)
        return text


class Explained(HTTPException):
    """An error of HTTP with a description that is ours and may be shown."""

    def __init__(self, status: HTTPStatus, description: str) -> None:
        super().__init__(description)
        self.code = status.value


def problem(
    status: HTTPStatus, code: str, detail: str = "", hint: str = "", **more: Any
) -> Response:
    """Return an error as problem details; `code` is the stable name of what is wrong."""
    body: dict[str, Any] = {"status": status.value, "code": code, "title": status.phrase}
    body |= {name: text for name, text in (("detail", detail), ("hint", hint)) if text}
    return Response(json.dumps({**body, **more}), status.value, content_type=PROBLEM)


def _wrong(data: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    for part, messages in (data.get("messages") or {}).items():
        yield from _flat(ROOTS.get(part, part), messages)


def _flat(path: str, messages: Any) -> Iterator[dict[str, str]]:
    """Yield what marshmallow found wrong, by place."""
    if isinstance(messages, Mapping):
        for name, below in messages.items():
            yield from _flat(path if name == "_schema" else f"{path}.{name}", below)
    else:
        yield {"path": path, "message": " ".join(str(each) for each in messages)}
