"""What the routes share: one decorator that says all about an operation, and names in paths."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any, TypeVar

from flask_smorest import Blueprint
from marshmallow import Schema
from werkzeug.routing import Map, UnicodeConverter

from fraisier.api.asks import NAME_LENGTH, KeyHeader
from fraisier.api.foreign import Foreign
from fraisier.api.idempotency import once
from fraisier.api.parsing import StrictParser
from fraisier.domain.token import Scope

UNCHANGED = "It is as the ETag in If-None-Match says."
View = TypeVar("View", bound=Callable[..., Any])
Shape = type[Schema] | None


class Name(UnicodeConverter):
    """A name or an id in a path: one part of it, of bounded length."""

    def __init__(self, map: Map) -> None:
        super().__init__(map, maxlength=NAME_LENGTH)


class Routes(Blueprint):  # type: ignore[misc]
    """A blueprint that parses requests strictly, and whose routes say which scope they need."""

    ARGUMENTS_PARSER = StrictParser()

    def __init__(self, *named: Any, foreign: Foreign | None = None, **more: Any) -> None:
        """Make one whose routes treat what is foreign to a token so, where they do not say."""
        super().__init__(*named, **more)
        self._foreign = foreign

    def operation(
        self,
        method: str,
        rule: str,
        scope: Scope | None,
        answer: Shape = None,
        status: int = 200,
        *,
        foreign: Foreign | None = None,
        body: Shape = None,
        body_required: bool = True,
        query: Shape = None,
        keyed: bool = False,
        header: Shape = None,
        also: Mapping[int, tuple[type[Schema], str]] | None = None,
        problems: Sequence[int] = (),
        security: Sequence[Mapping[str, Any]] = ({"token": []},),
        **described: Any,
    ) -> Callable[[View], View]:
        """Add a view as an operation; `scope` None needs no token, as `access.OPEN` must say too.

        `foreign` says what a token gets that reaches some targets only, where it is not as with the
        other routes here. Where nothing is said such a token is refused, and a test fails.

        The view is given what `body`, then `query`, then `header` said (`keyed`: that header is
        the Idempotency-Key), as dicts, and then the parts of the path. Other POSTs are done `once`
        for each key. `also` describes its other answers, `problems` names the statuses of those
        problems that others of its kind do not have, and `security` says so where a token is not
        always needed.
        """
        once_only = method == "POST" and scope is not None and not keyed
        read = [
            (body, "json", {"required": body_required}),
            (query, "query", {}),
            (KeyHeader if keyed or once_only else header, "headers", {}),
        ]
        whole = f"{self.url_prefix or ''}{rule}"
        usual = _problems(method, whole, scope, body is not None, any(one[0] for one in read))

        def add(view: View) -> View:
            kept = once(view) if once_only else view
            wrapped: Any = self.response(status, answer, **described)(kept)
            for other, (schema, said) in (also or {}).items():
                wrapped = self.alt_response(other, schema=schema, description=said)(wrapped)
            if method == "GET" and scope is not None:
                wrapped = self.alt_response(304, description=UNCHANGED)(wrapped)
            for wrong in sorted({*usual, *problems} - set(also or {})):
                wrapped = self.alt_response(wrong, HTTPStatus(wrong).name)(wrapped)
            for asked, location, options in reversed(read):
                if asked is not None:
                    wrapped = self.arguments(asked, location=location, **options)(wrapped)
            if scope is not None:
                more: dict[str, Any] = {"security": list(security), "x-scope": scope.value}
                wrapped = self.doc(**more)(wrapped)
                wrapped.scope, wrapped.foreign = scope, foreign or self._foreign
            self.route(rule, methods=[method])(wrapped)
            return view

        return add


def _problems(
    method: str, rule: str, scope: Scope | None, body: bool, reads: bool
) -> Iterator[int]:
    """Yield the statuses of the problems that any operation of this form may answer."""
    if scope is not None:
        yield from (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
        yield from (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
    if "<" in rule:
        yield HTTPStatus.NOT_FOUND
    if reads:
        yield HTTPStatus.UNPROCESSABLE_ENTITY
    if body:
        yield HTTPStatus.BAD_REQUEST
        yield HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        yield HTTPStatus.UNSUPPORTED_MEDIA_TYPE
    if scope is not None and method != "GET":
        yield HTTPStatus.CONFLICT
